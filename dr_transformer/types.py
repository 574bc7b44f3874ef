"""Name what signatures speak of in every room: arrays, and functions that a computation calls back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
"""Numbers of any kind, such as pixels."""

Floats = npt.NDArray[np.floating[Any]]
"""Floating-point numbers."""

Check = Callable[[], None]
"""Is called now and then during a computation; what it raises ends that."""

Say = Callable[[str], None]
"""Is told sentences for people."""
