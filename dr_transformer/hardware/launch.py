"""Tell whether this process is one of several that compute together. Imports no torch."""

from __future__ import annotations

import os

_LAUNCHED = {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}  # what torchrun sets, and torch.distributed reads


def launched() -> bool:
    """Whether torchrun, or the like, started this process as one of several."""
    return os.environ.keys() >= _LAUNCHED
