"""Peaks of memory, each in a process that has done nothing else.

In a process that has worked before, memory that was freed is used again, and no growth is seen. So one process imports
what is needed and no more, and a copy of it (fork) does each piece of work.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import multiprocessing
import os
import pickle
import re
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Self

from dr_transformer.hardware.allocator import give_back

_EVERY = 0.1  # seconds between two looks whether to go on


@dataclass(frozen=True)
class Side:
    """One way to do it: `work(load())`. What `load` returns, rows by tokens, is in memory before anything is measured.

    Both are functions of a module or partials of them, with data, so that they can be sent to another process.
    With `gpu` the peak is that of the GPU's memory. `measured`: whether a peak means anything. What the work loads and
    starts once, libraries and threads, is not its own: a first call with `few` tokens is not looked at.
    """

    work: Callable[[Any], Any]
    load: Callable[[], Any]
    gpu: bool = False
    measured: bool = True
    few: int = 200

    @classmethod
    def of(cls, work: Callable[[Any], Any], data: Any, *, gpu: bool = False, measured: bool = True) -> Self:
        """Take data that is there."""
        return cls(work, functools.partial(_itself, data), gpu, measured)


def _itself(data: Any) -> Any:
    return data


class PeakMeter:
    """`with PeakMeter(modules) as meter`: the process that copies itself for each `meter.peak(side)`.

    `modules` are imported in it beforehand. It starts with the first measurement.
    """

    def __init__(self, modules: Sequence[str] = ()) -> None:
        self._modules = tuple(modules)
        self._process: SpawnProcess | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def peak(self, side: Side, check: Callable[[], None] = lambda: None) -> int | None:
        """Bytes beyond what was held before; None where the system does not tell, or the work died, as of no memory.

        `check` is called every tenth of a second; what it raises ends the measurement.
        """
        if not (side.measured and can_measure()):
            return None
        try:
            if self._process is None:
                self._start()
            self._pipe.send_bytes(ForkingPickler.dumps(side))
            while not self._pipe.poll(_EVERY):
                check()
            return self._pipe.recv()
        except (EOFError, OSError):
            self._end()
            return None
        except BaseException:
            self._end()
            raise

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._modules), daemon=True)
        with no_main_module():
            self._process.start()
        theirs.close()

    def _end(self) -> None:
        if self._process is None or self._process.pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # its copy with it
        self._process.kill()  # if it had not begun yet
        self._process.join()
        self._pipe.close()
        self._process = None


@contextlib.contextmanager
def no_main_module() -> Iterator[None]:
    """Let a process that is spawned meanwhile import no main module of ours: in the app that is a page, drawn again."""
    before = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = before


def _serve(pipe: Connection, modules: Sequence[str]) -> None:
    """Fork for each `Side` that comes, until none can come any more."""
    os.setsid()
    for module in modules:
        importlib.import_module(module)
    with contextlib.suppress(EOFError), warnings.catch_warnings():
        # Python warns of a fork beside threads; those that libraries have here have not computed anything yet.
        warnings.simplefilter("ignore", DeprecationWarning)
        while True:
            sent = pipe.recv_bytes()
            child = os.fork()
            if not child:
                _answer(pipe, sent)
            _, status = os.waitpid(child, 0)
            if status:
                pipe.send(None)


def _answer(pipe: Connection, sent: bytes) -> None:
    """Send the peak, and end the process without what others would do at its end."""
    status = 1
    try:
        pipe.send(_peak(pickle.loads(sent)))
        status = 0
    except Exception:  # said, and ended
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def _peak(side: Side) -> int | None:
    data = side.load()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a few tokens methods say that they are few
        side.work(data[: side.few])
    if side.gpu:
        import torch

        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        side.work(data)
        return int(torch.cuda.max_memory_allocated() - before)
    with PeakMemory() as peak:
        side.work(data)
    return peak.n_bytes


# The memory that a piece of work takes beyond what was held before it, of this process.

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")  # Linux; elsewhere nothing is measured


class PeakMemory:
    """`with PeakMemory() as peak: work()`; then `peak.n_bytes`, None where the system does not tell.

    That is the process's largest resident memory meanwhile, over that at the start. What was freed before is given back
    to the system first, where its C library can (glibc): memory that is used again would not be seen. Where the system
    does not let the largest be forgotten, it may be from before: too large.
    """

    def __init__(self) -> None:
        self.n_bytes: int | None = None

    def __enter__(self) -> Self:
        gc.collect()
        give_back()
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
    """Tell whether the system tells."""
    return _STATUS.exists()


def _held(which: str) -> int:
    found = re.search(rf"{which}:\s+(\d+) kB", _STATUS.read_text())
    return 1024 * int(found[1]) if found else 0
