"""UMAP runs in the background: one worker process, a queue, shared results, Cancel, recovery.

umap-learn compiles for many seconds at its first call, holds the GIL, and with numba's `workqueue` threads two callers
at once abort their process. So it has a process of its own (`umap_process`), started and compiled once, which computes
one layout at a time. A `UMAPWorker` is shared by all sessions of an app.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from dr_transformer.errors import InputError
from dr_transformer.methods.graph import KNNGraph, in_float32, usual_exponent
from dr_transformer.methods.umap import UMAPSettings, check_torchdr
from dr_transformer.methods.umap_pipe import Child
from dr_transformer.types import Array

_GRACE = 0.6  # seconds that a cancelled run has to stop by itself, before its process is killed


class UMAPWorker:
    """The worker process, and the runs it has computed, is computing and will compute. Any thread may call it.

    A result is kept for others to share, the longest unused forgotten above `max_bytes`. A failed run stays until
    nobody waits for it; submitted after that, it is tried again.
    """

    def __init__(self, max_bytes: int = 2**28) -> None:
        self._max_bytes = max_bytes
        self._runs: OrderedDict[Hashable, UMAPRun] = OrderedDict()
        self._queue: deque[UMAPRun] = deque()
        self._current: UMAPRun | None = None
        self._child: Child | None = None
        self._compiling = False
        self._closed = False
        self._numbers = itertools.count(1)
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()

    @property
    def compiling(self) -> bool:
        """Tell whether the process is starting and compiling; runs wait until it has."""
        return self._compiling

    @property
    def pid(self) -> int | None:
        """Number of the process, if there has been one."""
        return self._child.pid if self._child else None

    def warm(self) -> None:
        """Start the process and have it compile, in the background. `submit` does so too."""
        with self._changed:
            self._start()

    def submit(self, Y: Array, graph: KNNGraph, settings: UMAPSettings, key: Hashable, owner: Hashable) -> UMAPRun:
        """The run of these settings on the data that `key` names, begun if need be.

        Y is (n, d), uint8 for pixels; `graph` is its exact kNN graph. Neither may be changed afterwards. The owner's
        earlier run is given up: unless another owner waits for it, it stops. Raises `InputError`.
        """
        _check(Y, graph, settings)
        with self._changed:
            self._start()
            name = (key, settings)
            run = self._runs.get(name)
            if run is None:
                run = self._runs[name] = UMAPRun(settings, settings.epochs(len(Y)), inputs=_inputs(Y, graph, settings))
                self._queue.append(run)
            self._runs.move_to_end(name)
            run.owners.add(owner)
            for other in list(self._runs.values()):
                if other is not run:
                    self._give_up(other, owner)
            self._trim()
            self._tell()
        return run

    def place(
        self, settings: UMAPSettings, embedding: Array, indices: Array, distances: Array, owner: Hashable
    ) -> UMAPRun:
        """The run that lays out new tokens beside the layout `embedding`, as `umap.place` says; the owner's alone."""
        inputs = (embedding, indices.astype(np.int32), distances.astype(np.float32))
        run = UMAPRun(settings, 0, "place", inputs=inputs, owners={owner})
        with self._changed:
            self._start()
            self._runs[run] = run
            self._queue.append(run)
            self._tell()
        return run

    def cancel(self, run: UMAPRun, owner: Hashable) -> None:
        """The owner does not wait for this run any more; it stops unless another owner does."""
        with self._changed:
            self._give_up(run, owner)
            self._tell()

    def release(self, owner: Hashable) -> None:
        """The owner waits for nothing any more."""
        with self._changed:
            for run in list(self._runs.values()):
                self._give_up(run, owner)
            self._tell()

    def close(self) -> None:
        """Cancel all runs and end the process. Nothing can be submitted afterwards."""
        with self._changed:
            self._closed = True
            for run in self._runs.values():
                if not run.done.is_set():
                    run.finish("cancelled")
            self._queue.clear()
            if self._child:
                self._child.kill()
            self._changed.notify_all()
        if self._thread:
            self._thread.join()

    # In the callers' threads, under the lock.

    def _start(self) -> None:
        if self._closed:
            raise RuntimeError("this UMAPWorker is closed")
        if self._thread is None:
            self._compiling = True
            self._thread = threading.Thread(target=self._serve, name="umap", daemon=True)
            self._thread.start()

    def _give_up(self, run: UMAPRun, owner: Hashable) -> None:
        if owner not in run.owners:
            return
        run.owners.discard(owner)
        if run.owners or run.state == "done":
            return
        self._runs = OrderedDict((name, other) for name, other in self._runs.items() if other is not run)
        if run.done.is_set():  # it failed
            return
        if run is self._current:
            threading.Thread(target=self._interrupt, args=(run,), name="umap cancel", daemon=True).start()
        else:
            self._queue.remove(run)
        run.finish("cancelled")

    def _trim(self) -> None:
        held = sum(run.n_bytes for run in self._runs.values())
        for name, run in list(self._runs.items())[:-1]:
            if held <= self._max_bytes:
                break
            if run.done.is_set():  # a page that still shows it has its own reference
                held -= run.n_bytes
                del self._runs[name]

    def _tell(self) -> None:
        for position, run in enumerate(self._queue, start=self._current is not None):
            run.queue_position = position
        self._changed.notify_all()

    def _interrupt(self, run: UMAPRun) -> None:
        """Have the process stop computing this run, or kill it, and another is started."""
        child = self._child
        assert child is not None
        child.cancel(run.number, _GRACE)
        with self._changed:
            if not self._changed.wait_for(lambda: self._current is not run, _GRACE):
                child.kill()

    # In the worker's own thread.

    def _serve(self) -> None:
        failures = 0  # to start, one after another
        while not self._closed:
            child = self._open()
            if child:
                failures = 0
                while (task := self._next(child)) and self._compute(child, *task):
                    pass
                child.end()
                continue
            failures += 1
            with self._changed:
                if failures >= TRIES and self._queue:
                    run = self._queue.popleft()
                    run.finish("failed", "UMAP's process could not be started; the server's log says why.")
                    self._tell()
                while failures >= TRIES and not self._queue and not self._closed:  # until somebody wants it
                    self._changed.wait()

    def _open(self) -> Child | None:
        began = time.monotonic()
        child = None
        with self._changed:
            if self._closed:
                return None
            self._compiling = True
            with suppress(OSError):  # no memory or no right to start one
                child = self._child = Child()
        if child and not child.ready():
            child.end()
            child = None
        with self._changed:
            self._compiling = False
            for run in self._queue:
                run.seconds_of_compilation += time.monotonic() - max(began, run.submitted)
        return child

    def _next(self, child: Child) -> tuple[UMAPRun, tuple[Array, ...]] | None:
        """The next run, taken from the queue; None if the process has died meanwhile, or the worker is closed."""
        with self._changed:
            while not self._closed and not child.dead():
                if self._queue:
                    run = self._current = self._queue.popleft()
                    run.state, run.queue_position, run.number = "running", 0, next(self._numbers)
                    self._tell()
                    return run, run.inputs
                self._changed.wait(1)  # a process that dies idle tells nobody
        return None

    def _compute(self, child: Child, run: UMAPRun, inputs: tuple[Array, ...]) -> bool:
        """Have the process compute the run; whether it is fit for another."""
        alive = True
        try:
            for message, arrays in child.compute(run.kind, run.number, run.settings, inputs):
                with self._changed:
                    if not run.done.is_set():  # cancelled
                        run.take(message, arrays)
        except (EOFError, OSError, MemoryError):
            alive = False
        with self._changed:
            self._current = None
            if not run.done.is_set():
                run.process_died()
                if not run.done.is_set():
                    self._queue.appendleft(run)
            self._trim()
            self._tell()
        return alive


def _check(Y: Array, graph: KNNGraph, settings: UMAPSettings) -> None:
    settings.check(*Y.shape)
    if len(graph.indices) != len(Y):
        raise InputError(f"the kNN graph is of {len(graph.indices)} tokens, not of these {len(Y)}; compute it again.")
    if graph.n_neighbors < settings.n_neighbors - 1:
        raise InputError(
            f"the kNN graph has {graph.n_neighbors} neighbours of each token, but UMAP with n_neighbors = "
            f"{settings.n_neighbors} needs {settings.n_neighbors - 1}; compute a larger graph."
        )
    if settings.backend == "torchdr":
        check_torchdr()


def _inputs(Y: Array, graph: KNNGraph, settings: UMAPSettings) -> tuple[Array, ...]:
    near, size = graph.first(settings.n_neighbors - 1), usual_exponent(Y)  # a layout is free of scale
    rows = Y if Y.dtype == np.uint8 else in_float32(Y, -size)
    return rows, near.indices.astype(np.int32), in_float32(near.distances, -size)


# A UMAP layout in the making, as those who wait for it see it.

TRIES = 2  # at a process that ends without being asked to

State = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass(eq=False)
class UMAPRun:
    """Read it at any time, from any thread; `UMAPWorker` alone changes it.

    `frames[i]` (n, n_components) float32 is the layout after `epochs[i]` epochs: first the initial one, last, once
    `state` is "done", the result; that of new tokens beside a layout ("place") is the only one. `error` is a sentence
    for people; `notes` are sentences on what was unusual.
    """

    settings: UMAPSettings
    n_epochs: int
    kind: Literal["fit", "place"] = "fit"
    state: State = "queued"
    queue_position: int = 0  # how many runs come before it, with the one that is being computed
    epoch: int = 0  # epochs done
    epochs: list[int] = field(default_factory=list)
    frames: list[npt.NDArray[np.float32]] = field(default_factory=list)
    device: str = ""
    seconds: float = 0.0  # of computing
    seconds_of_compilation: float = 0.0  # that it waited for the process to start and compile
    notes: list[str] = field(default_factory=list)
    error: str | None = None
    done: threading.Event = field(default_factory=threading.Event)  # or failed or cancelled: nothing more will happen
    owners: set[Hashable] = field(default_factory=set)
    inputs: tuple[Array, ...] = field(default=(), repr=False)  # tokens, their neighbours' indices and distances
    submitted: float = field(default_factory=time.monotonic)
    number: int = 0  # by which the process knows it
    tries: int = 0

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what only the worker needs: another process sees how far it is and what it has made."""
        return vars(self) | {"owners": set(), "inputs": ()}

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is done, failed or cancelled; whether it is."""
        return self.done.wait(timeout)

    @property
    def n_bytes(self) -> int:
        """Memory held by the layouts."""
        return sum(frame.nbytes for frame in self.frames)

    def take(self, message: dict[str, Any], arrays: list[Array]) -> None:
        """Keep what the process says."""
        if message["kind"] == "epoch":
            self.frames += arrays
            self.epochs += [message["epoch"] for _ in arrays]
            self.epoch = message["epoch"]
        elif message["kind"] == "done":
            self.seconds, self.device, self.notes = message["seconds"], message["device"], message["notes"]
            self.finish("done")
        elif message["kind"] == "failed":
            self.finish("failed", message["error"])

    def process_died(self) -> None:
        """Go back to the queue, or give up."""
        self.tries += 1
        if self.tries == TRIES:
            self.finish("failed", "UMAP's process ended twice before its result; use fewer tokens, or try again.")
        else:
            self.state, self.epoch, self.epochs, self.frames = "queued", 0, [], []

    def finish(self, state: State, error: str | None = None) -> None:
        """Nothing more will happen."""
        self.error, self.queue_position, self.inputs, self.state = error, 0, (), state
        self.done.set()
