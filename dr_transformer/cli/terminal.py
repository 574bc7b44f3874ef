"""Guards a command against what befalls terminals and processes: no traceback for it, and no half-written file."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from dr_transformer.errors import NO_ROOM, InputError
from dr_transformer.paths import launched

_READER_GONE = 128 + signal.SIGPIPE if hasattr(signal, "SIGPIPE") else 1


def guarded(work: Callable[[], int]) -> int:
    """Return the exit status of a command: 2 for bad input and a full disk, 130 for Ctrl-C, 141 if nobody reads on."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):  # letters that this terminal does not have
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        with _ended_in_order():
            try:
                return work()
            finally:
                sys.stdout.flush()
    except InputError as error:
        return _say(str(error), 2)
    except KeyboardInterrupt:
        return _say("cancelled; nothing was written.", 130)
    except BrokenPipeError:
        _write_no_more()
        return _READER_GONE
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        _write_no_more()
        return _say(f"cannot write the output: {error.strerror}; make room for it, or write elsewhere.", 2)


def _write_no_more() -> None:
    """Lead the standard output nowhere: Python flushes it once more when it ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(sentence: str, status: int) -> int:
    with contextlib.suppress(OSError):
        print(f"dr-transformer: {sentence}", file=sys.stderr)  # noqa: T201
    return status


@contextlib.contextmanager
def _ended_in_order() -> Iterator[None]:
    """Let SIGTERM end the block as an exit does, so that what is half written is removed."""
    if threading.current_thread() is not threading.main_thread() or launched():  # torchrun ends its processes itself
        yield
        return

    def end(number: int, _: Any) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
