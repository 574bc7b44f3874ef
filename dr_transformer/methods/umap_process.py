"""What runs in UMAP's worker process: it compiles umap-learn once, then computes one layout after another.

`umap_worker.UMAPWorker` starts it as `python -m dr_transformer.methods.umap_process` and talks to it over its standard
input and output, by `umap_pipe`. The end of the parent closes the input, which ends this process.
"""

from __future__ import annotations

import _thread
import os
import queue
import signal
import sys
import threading
import time
from typing import Any, BinaryIO

from dr_transformer.errors import InputError
from dr_transformer.methods.umap import UMAPSettings, compile_umap, fit, frame_epochs, place
from dr_transformer.methods.umap_pipe import receive, send
from dr_transformer.types import Array


class Cancelled(Exception):  # noqa: N818 - it is no error
    """Nobody waits for this layout any more."""


class _Process:
    """The worker process's two threads: the main one computes, the other listens for jobs, Cancel and the end."""

    def __init__(self, commands: BinaryIO, messages: BinaryIO) -> None:
        self._commands, self._messages = commands, messages
        self._jobs: queue.SimpleQueue[tuple[dict[str, Any], list[Array]]] = queue.SimpleQueue()
        self._current: int | None = None  # the run that may be interrupted anywhere: before its first epoch
        self._cancelled: int | None = None
        # Also keeps Ctrl-C in a terminal, which reaches every process there, from being answered with a traceback.
        signal.signal(signal.SIGINT, self._interrupted)

    def run(self) -> None:
        threading.Thread(target=self._listen, name="listen", daemon=True).start()
        began = time.perf_counter()
        compile_umap()
        send(self._messages, {"kind": "ready", "seconds": time.perf_counter() - began})
        while True:
            message, arrays = self._jobs.get()
            try:
                answer = self._compute(message, UMAPSettings.from_dict(message["settings"]), *arrays)
            except Cancelled:
                answer = {"kind": "cancelled"}
            except MemoryError:
                answer = {"kind": "failed", "error": "this machine has too little memory for UMAP; use fewer tokens."}
            except Exception as error:  # whatever a library raises, the next run shall work
                answer = {"kind": "failed", "error": _sentence(error)}
            self._current = None
            send(self._messages, answer)

    def _compute(
        self, message: dict[str, Any], settings: UMAPSettings, Y: Array, indices: Array, distances: Array
    ) -> dict[str, Any]:
        """Lay out Y, or with "place" new tokens beside those whose layout Y is."""
        run, places = message["run"], message["kind"] == "place"
        kept = set() if places else set(frame_epochs(settings.epochs(len(Y))))

        def watch(epoch: int, layout: Array) -> None:
            self._current = None  # from here on, Cancel waits for the end of the epoch: a message must not be cut
            if self._cancelled == run:
                raise Cancelled
            send(self._messages, {"kind": "epoch", "epoch": epoch}, [layout] if epoch in kept else [])

        self._current = run
        if self._cancelled == run:  # it came before its job was begun
            raise Cancelled
        began = time.perf_counter()
        notes: list[str] = []
        if places:
            found = place(settings, Y, indices, distances, watch)
            device = "cpu"
            send(self._messages, {"kind": "epoch", "epoch": 0}, [found])
        else:
            device = fit(settings, Y, indices, distances, watch, notes.append)
        return {"kind": "done", "seconds": time.perf_counter() - began, "device": device, "notes": notes}

    def _listen(self) -> None:
        try:
            while True:
                message, arrays = receive(self._commands)
                if message["kind"] in ("fit", "place"):
                    self._jobs.put((message, arrays))
                else:
                    self._cancelled = message["run"]
                    _thread.interrupt_main()
        except (EOFError, OSError):
            os._exit(0)  # the parent has gone, and nobody needs what the main thread is computing

    def _interrupted(self, *_: object) -> None:
        if self._current is not None and self._current == self._cancelled:
            self._current = None
            raise Cancelled


def _sentence(error: Exception) -> str:
    if isinstance(error, InputError):
        return str(error)
    said = str(error).strip().partition("\n")[0]
    return f"UMAP could not lay out these data ({type(error).__name__}: {said}); try other settings."


def main() -> None:
    """Serve the parent until it goes."""
    messages = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # so that no library's print can get between the messages
    if hasattr(os, "nice"):
        os.nice(5)  # the page that somebody looks at comes first, above all while this compiles
    try:
        _Process(sys.stdin.buffer, messages).run()
    except OSError:  # nobody reads the messages any more
        os._exit(0)


if __name__ == "__main__":
    main()
