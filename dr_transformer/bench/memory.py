"""The memory that a piece of work takes beyond what was held before it, of this process."""

from __future__ import annotations

import contextlib
import gc
import re
from pathlib import Path
from types import TracebackType
from typing import Self

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")  # Linux; elsewhere nothing is measured


class PeakMemory:
    """`with PeakMemory() as peak: work()`; then `peak.n_bytes`, None where the system does not tell.

    That is the process's largest resident memory meanwhile, over that at the start. Memory that was freed before and is
    used again is not seen. Where the system does not let the largest be forgotten, it may be from before: too large.
    """

    def __init__(self) -> None:
        self.n_bytes: int | None = None

    def __enter__(self) -> Self:
        gc.collect()
        if can_measure():
            with contextlib.suppress(OSError):
                _CLEAR.write_text("5")  # forget the largest so far
            self._before = _held("VmRSS")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if can_measure():
            self.n_bytes = max(0, _held("VmHWM") - self._before)


def can_measure() -> bool:
    """Whether the system tells."""
    return _STATUS.exists()


def _held(which: str) -> int:
    found = re.search(rf"{which}:\s+(\d+) kB", _STATUS.read_text())
    return 1024 * int(found[1]) if found else 0
