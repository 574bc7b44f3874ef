"""Where the app computes: a line to it, and how it ends. Here: a process of the app's own on this machine."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Callable
from multiprocessing.connection import Listener
from typing import Any, NamedTuple, Protocol

from dr_transformer.paths import module_command, module_environment

KEY = "DR_TRANSFORMER_ENGINE_KEY"


class Line(Protocol):
    """Carries messages, like a `multiprocessing.Connection`; its end is an `EOFError` or `OSError`."""

    def send(self, message: Any, /) -> None:
        """Send a message."""
        ...

    def recv(self) -> Any:
        """Return the next one."""
        ...


class Place(NamedTuple):
    """A place that has been started, and how it is ended; `pid` of a process on this machine."""

    line: Line
    end: Callable[[], None]
    pid: int | None


class Here:
    """A process of its own, on this machine."""

    n_workers = 1

    def start(self, _which: int) -> Place:
        """Start a process."""
        key = secrets.token_bytes(32)
        with Listener(authkey=key) as listener:
            process = subprocess.Popen(
                [*module_command("dr_transformer.engine.process.worker"), str(listener.address)],
                stdin=subprocess.DEVNULL,
                env=module_environment() | {KEY: key.hex()},
            )
            line = listener.accept()

        def end() -> None:
            line.close()
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

        return Place(line, end, process.pid)

    def close(self) -> None:
        """Do nothing: each process is ended by its `Place`."""
