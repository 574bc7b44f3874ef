"""The pipes between an app and UMAP's worker process, and the app's end of them.

A message is a line of JSON, then the raw bytes of the arrays it names. The process is a plain `python -m`: unlike with
`multiprocessing`, `__main__` of the app (Streamlit's script runner, pytest, a terminal) is not imported again, nothing
listens on a socket, and nothing is unpickled.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import IO, Any

import numpy as np

from dr_transformer.methods.umap import UMAPSettings
from dr_transformer.paths import module_command, module_environment
from dr_transformer.types import Array


def send(stream: IO[bytes], message: dict[str, Any], arrays: Sequence[Array] = ()) -> None:
    """Write a message and its arrays."""
    arrays = [np.ascontiguousarray(array) for array in arrays]
    message = message | {"arrays": [(array.dtype.str, array.shape) for array in arrays]}
    stream.write(json.dumps(message).encode() + b"\n")
    for array in arrays:
        stream.write(array.data.cast("B"))
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], list[Array]]:
    """Read a message and its arrays; raises `EOFError` when the other side has gone."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    message = json.loads(line)
    arrays = [np.empty(shape, dtype=dtype) for dtype, shape in message.pop("arrays")]
    for array in arrays:
        if stream.readinto(array.data.cast("B")) != array.nbytes:  # type: ignore[attr-defined]
            raise EOFError
    return message, arrays


class Child:
    """The worker process as the app sees it. Any thread may `cancel` and `kill`; the rest is for one thread."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            module_command("dr_transformer.methods.umap_process"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=module_environment(),
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._commands, self._messages = self._process.stdin, self._process.stdout
        self._writing = threading.Lock()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def ready(self) -> bool:
        """Wait until it has compiled; False if it has died."""
        try:
            receive(self._messages)
        except EOFError:
            return False
        return True

    def compute(
        self, kind: str, number: int, settings: UMAPSettings, arrays: Sequence[Array]
    ) -> Iterator[tuple[dict[str, Any], list[Array]]]:
        """Have it compute a run, "fit" or "place"; yields its messages as they come.

        Raises `EOFError` or `OSError` if it dies.
        """
        with self._writing:
            send(self._commands, {"kind": kind, "run": number, "settings": settings.to_dict()}, arrays)
        kind = "epoch"
        while kind == "epoch":
            message, received = receive(self._messages)
            kind = message["kind"]
            yield message, received

    def cancel(self, number: int, timeout: float) -> None:
        """Have it stop this run soon, if it listens."""
        if self._writing.acquire(timeout=timeout):
            try:
                send(self._commands, {"kind": "cancel", "run": number})
            except (OSError, ValueError):  # it has ended, and its pipes with it
                pass
            finally:
                self._writing.release()

    def dead(self) -> bool:
        """Tell whether it has ended."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def end(self) -> None:
        """End it, and free what it holds of this process."""
        self.kill()
        self._process.wait()
        self._messages.close()
        with suppress(OSError):  # what could not be sent any more
            self._commands.close()
