"""A UMAP layout in the making, as those who wait for it see it."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from dr_transformer.methods.umap import UMAPSettings
from dr_transformer.types import Array

TRIES = 2  # at a process that ends without being asked to

State = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass(eq=False)
class UMAPRun:
    """Read it at any time, from any thread; `UMAPWorker` alone changes it.

    `frames[i]` (n, n_components) float32 is the layout after `epochs[i]` epochs: first the initial one, last, once
    `state` is "done", the result. `error` is a sentence for people; `notes` are sentences on what was unusual.
    """

    settings: UMAPSettings
    n_epochs: int
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
