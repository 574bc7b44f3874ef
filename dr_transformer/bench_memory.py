"""The memory that a piece of work takes beyond what was held before it."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

_STATM = Path("/proc/self/statm")  # Linux; elsewhere nothing is measured
_EVERY = 0.002  # seconds between two looks


class PeakMemory:
    """`with PeakMemory() as peak: work()`; then `peak.n_bytes`, None where the system does not tell.

    The process's resident memory is looked at every two milliseconds, so a shorter peak may be missed, and memory that
    was freed before and is used again is not seen.
    """

    def __init__(self) -> None:
        self.n_bytes: int | None = None
        self._done = threading.Event()

    def __enter__(self) -> Self:
        gc.collect()
        if _STATM.exists():
            self._before = self._most = _resident()
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        if _STATM.exists():
            self._thread.join()
            self.n_bytes = max(0, max(self._most, _resident()) - self._before)

    def _watch(self) -> None:
        while not self._done.wait(_EVERY):
            self._most = max(self._most, _resident())


def _resident() -> int:
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
