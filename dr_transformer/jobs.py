"""Work in the background: shared, stopped when nobody waits for it any more, cached within a memory budget.

Keys are settings (`Dataset.key` and frozen settings), never the bytes of large arrays. A `Runner` is shared by all
sessions of an app; it holds no session's data but the results, which depend on the settings alone.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, cast

import torch

from dr_transformer.errors import InputError


class Job(Protocol):
    """What a runner runs: `Run`, `Comparison`, ….

    `work` does what is left to do, in the calling thread, and never raises; it returns early, to be called again, once
    nobody owns the job. `owners` and `working` are set and read under the runner's lock.
    """

    owners: set[Hashable]
    working: bool

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        ...

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        ...

    def work(self) -> None:
        """Do it."""
        ...


J = TypeVar("J", bound=Job)


class Cancelled(Exception):  # noqa: N818 - it is no error
    """Nobody waits for this any more."""


@dataclass(eq=False, kw_only=True)
class Background:
    """What most jobs share: a subclass does its work in `_work`, calls `_check` often, and sets `complete` at the end.

    `error` is a sentence for people.
    """

    error: str | None = None
    complete: bool = False
    owners: set[Hashable] = field(default_factory=set)
    working: bool = False

    @property
    def n_bytes(self) -> int:
        """Memory held: some numbers."""
        return 0

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.complete or self.error is not None

    def work(self) -> None:
        """Do what is left to do, in the calling thread. Never raises: what went wrong is in `error`."""
        try:
            self._work()
        except Cancelled:
            return
        except InputError as error:
            self.error = str(error)
        except torch.OutOfMemoryError:
            self.error = "the GPU has too little memory for this; use fewer tokens, or the CPU."
        except MemoryError:
            self.error = "this machine has too little memory for this; use fewer tokens or dimensions."

    def _work(self) -> None:
        raise NotImplementedError

    def _check(self) -> None:
        """Raise `Cancelled` if nobody waits any more."""
        if not self.owners:
            raise Cancelled


class Runner:
    """Starts jobs, shares equal ones, stops those nobody waits for, forgets the longest unused over the budget."""

    def __init__(self, max_bytes: int = 2**30) -> None:
        self._max_bytes = max_bytes
        self._jobs: OrderedDict[Hashable, Job] = OrderedDict()
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()

    def submit(self, key: Hashable, make: Callable[[], J], owner: Hashable) -> J:
        """The job with this key, made, started, or taken up again, if need be.

        The owner's earlier job is given up: unless another owner waits for it, it stops at its next step.
        """
        with self._lock:
            job = self._jobs.get(key) or self._jobs.setdefault(key, make())
            self._jobs.move_to_end(key)
            self._release(owner, keep=job)
            job.owners.add(owner)
            self._trim()
            self._start(job)
        return cast("J", job)

    def release(self, owner: Hashable) -> None:
        """The owner waits for nothing any more."""
        with self._lock:
            self._release(owner, keep=None)

    def close(self, timeout: float = 10) -> None:
        """Stop everything, and wait for it: a thread inside torch when Python ends would abort the process."""
        with self._lock:
            for job in self._jobs.values():
                job.owners.clear()
            threads = list(self._threads)
        for thread in threads:
            thread.join(timeout)

    def _start(self, job: Job) -> None:
        if not job.working and not job.finished:
            job.working = True
            thread = threading.Thread(target=self._work, args=(job,), name=type(job).__name__, daemon=True)
            self._threads.add(thread)
            thread.start()

    def _work(self, job: Job) -> None:
        job.work()
        with self._lock:
            self._threads.discard(threading.current_thread())
            job.working = False
            if job.owners:  # somebody came back while it stopped
                self._start(job)

    def _release(self, owner: Hashable, keep: Job | None) -> None:
        for job in self._jobs.values():
            if job is not keep:
                job.owners.discard(owner)

    def _trim(self) -> None:
        held = sum(job.n_bytes for job in self._jobs.values())
        for key, job in list(self._jobs.items())[:-1]:
            if held <= self._max_bytes:
                break
            if not job.working:  # a page that still shows it has its own reference
                held -= job.n_bytes
                del self._jobs[key]
