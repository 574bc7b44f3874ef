"""Tests. This file is imported before any other of them, and so before torch."""

import os

# OpenMP's threads, of this process and of those that tests start, sleep while they wait for each other: whatever else
# runs meanwhile has the cores. It is read when torch is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "0")
