"""Jobs that a process of the engine can import: they count, wait, fail and end as they are told."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from dr_transformer.engine.jobs import Background
from dr_transformer.engine.run import Run
from dr_transformer.errors import InputError


@dataclass(eq=False)
class Counting(Background):
    """Counts until it is stopped or has come so far, and goes on where it was."""

    to: int = 10**9
    count: int = 0
    pid: int = 0
    wanted: int = 0
    squares: list[np.ndarray] = field(default_factory=list)

    def _work(self) -> None:
        self.pid = os.getpid()
        while self.count < self.to:
            self._check()
            self.count += 1
            if self.count % 10 == 0 and len(self.squares) < 5:
                self.squares.append(np.full((100, 100), self.count, dtype=float) ** 2)
            time.sleep(0.002)
        self.complete = True


@dataclass(eq=False)
class Patient(Counting):
    """Says how nice its thread is, and one that it starts."""

    PATIENT: ClassVar = True
    nice: list[int] = field(default_factory=list)

    def _work(self) -> None:
        def look() -> None:
            self.nice = [*self.nice, os.getpriority(os.PRIO_PROCESS, threading.get_native_id())]

        look()
        started = threading.Thread(target=look)
        started.start()
        started.join()
        super()._work()


@dataclass(eq=False)
class Urgent(Counting):
    """Counts before all that is patient."""

    URGENT: ClassVar = True


@dataclass(eq=False)
class Following(Background):
    """Waits for another job, as most do for a run."""

    other: Counting
    found: int = 0

    def _work(self) -> None:
        while not self.other.complete:
            self._check()
            time.sleep(0.005)
        self.found = self.other.count
        self.complete = True


@dataclass(eq=False)
class Failing(Background):
    """Fails as it is told: with a sentence, by a mistake, by one of another kind, or with its process."""

    how: str = "sentence"
    what: object = None

    def _work(self) -> None:
        if self.how == "sentence":
            raise InputError("these are not numbers; give numbers.")
        if self.how == "death":
            os._exit(1)
        if self.how == "generator":  # which cannot be sent
            self.what = (each for each in "ab")
            while True:
                self._check()
                time.sleep(0.005)
        raise ZeroDivisionError


def refuse(why: str) -> None:
    """Refuse."""
    raise InputError(why)


def raise_wanted(job: Counting, by: int) -> int:
    """Change a job that may be at work, and return what it is wanted to be."""
    job.wanted += by
    return job.wanted


def visitors_of(job: Counting) -> int:
    """Return how many visitors want it."""
    return len(job.owners)


def run_latents(run: Run) -> np.ndarray:
    """Return the latents of a run, which stay where it is."""
    return np.stack(run.full.latents)


@dataclass(eq=False)
class Endless(Background):
    """Counts how often it was begun."""

    times: int = 0

    def _work(self) -> None:
        self.times += 1
        while True:
            self._check()
            time.sleep(0.02)


def until(condition: Callable[[], object], patience: float = 60.0) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)
