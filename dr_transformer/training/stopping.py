"""How a process that trains is asked to stop: by a signal, or by the end of its input."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

from dr_transformer.hardware.launch import launched


@contextlib.contextmanager
def stop_by_signal() -> Iterator[threading.Event]:
    """Ctrl-C, or SIGTERM, is to stop after the iteration under way; a second Ctrl-C stops at once."""
    stop, interrupts = threading.Event(), 0

    def handle(number: int, _: object) -> None:
        nonlocal interrupts
        interrupts += number == signal.SIGINT
        if interrupts > 1 and not launched():  # a launcher passes on what the terminal has sent, too
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_at_end_of_input(stop: threading.Event) -> None:
    """Whoever started this process has gone, or closed its input to stop it."""
    with contextlib.suppress(OSError):
        while os.read(0, 4096):  # not sys.stdin, which the end of Python would wait for
            pass
    stop.set()
