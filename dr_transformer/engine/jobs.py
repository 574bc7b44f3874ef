"""Work in the background: shared, stopped when nobody waits for it any more, cached within a memory budget.

Keys are settings (`Dataset.key` and frozen settings), never the bytes of large arrays. A `Runner` is shared by all
sessions of an app; it holds no session's data but the results, which depend on the settings alone.

An owner may go without a word: a tab is closed or reloaded, a connection is lost. A runner that is told who is
`present` stops what the absent alone wait for, and takes it up again for those who come back.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, TypeVar, cast

from dr_transformer.engine.turns import Turns
from dr_transformer.errors import InputError
from dr_transformer.hardware.devices import out_of_memory


class Job(Protocol):
    """What a runner runs: `Run`, `Comparison`, ….

    `work` does what is left to do, in the calling thread; it returns early, to be called again, once
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
        """Tell whether nothing is left to do."""
        ...

    def work(self) -> None:
        """Do it."""
        ...


J = TypeVar("J", bound=Job)

# Seconds that an owner may be away before what it alone waits for stops. From the server a reloaded or closed tab and a
# lost connection look alike. The browser renews a lost one within a second or two, so what is lost for so short a time
# does not interrupt the work; a closed tab holds the processor no longer than this.
PATIENCE = 5.0
# Seconds after which an owner that is away is forgotten. Streamlit keeps a session without a connection for two
# minutes; one that comes back by then has its work taken up again, one that comes later is another session.
RETURN = 150.0
_LOOK = 1.0  # seconds between two looks at who is there
_AGAIN = 3.0  # seconds after which what failed by a mistake of ours is tried again, once somebody asks for it
_PAUSE = 0.03  # seconds between two looks whether what a job waits for is there


class Cancelled(Exception):  # noqa: N818 - it is no error
    """Nobody waits for this any more."""


@dataclass(eq=False, kw_only=True)
class Background:
    """What most jobs share: a subclass does its work in `_work`, calls `_check` often, and sets `complete` at the end.

    `error` is a sentence for people. `NOT_SHOWN` fields stay in the process that computes. Visitors take `turns` there:
    what is `URGENT` goes first and what is `PATIENT` last; what is `AT_ONCE` takes none. `ahead` visitors are before.
    """

    NOT_SHOWN: ClassVar[frozenset[str]] = frozenset()
    PATIENT: ClassVar[bool] = False
    URGENT: ClassVar[bool] = False
    AT_ONCE: ClassVar[bool] = False

    error: str | None = None
    mistaken_at: float | None = None  # when a mistake of ours ended it, by `time.monotonic`
    complete: bool = False
    owners: set[Hashable] = field(default_factory=set)
    working: bool = False
    turns: Turns | None = None
    ahead: int = 0

    @property
    def n_bytes(self) -> int:
        """Memory held: some numbers."""
        return 0

    @property
    def finished(self) -> bool:
        """Tell whether nothing is left to do."""
        return self.complete or self.error is not None

    def fail(self, why: str) -> None:
        """End it: something went wrong that nobody foresaw. `why` goes to the log, and to the page a sentence."""
        logging.getLogger(__name__).error("%s: %s", type(self).__name__, why)
        self.mistaken_at = time.monotonic()
        self.error = (
            "something went wrong in this computation; the server's log says what. Ask once more, or change a setting."
        )

    def work(self) -> None:
        """Do what is left to do, in the calling thread. It raises what nobody foresaw; other reasons are in `error`."""
        try:
            self._work()
        except Cancelled:
            return
        except InputError as error:
            self.error = str(error)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            self.error = "the GPU has too little memory for this; use fewer tokens, or the CPU."
        except MemoryError:
            self.error = "this machine has too little memory for this; use fewer tokens or dimensions."

    def _work(self) -> None:
        raise NotImplementedError

    def _check(self) -> None:
        """Raise `Cancelled` if nobody waits any more; wait while it is somebody else's turn."""
        if self.turns is not None:
            self.turns.wait(self)
        if not self.owners:
            raise Cancelled

    def _until(self, ready: Callable[[], object]) -> None:
        """Wait until `ready`, which may take a moment to answer, is true; others have their turns meanwhile.

        What comes next need not wait for its own at once, as to say that it was stopped: the next `_check` does.
        """
        while not (done := ready()) and self.owners:
            if self.turns is not None:
                self.turns.aside(self)
            time.sleep(_PAUSE)
        if not done or not self.owners:
            raise Cancelled


def _deserves_another(job: Job) -> bool:
    """Tell whether a job ended by what may be otherwise now: too little memory, or a mistake of ours some time ago.

    Not at once: a page that waits asks again by itself.
    """
    mistaken_at: float | None = getattr(job, "mistaken_at", None)
    return getattr(job, "refused", False) or (mistaken_at is not None and time.monotonic() - mistaken_at >= _AGAIN)


class Runner:
    """Starts jobs, shares equal ones, stops those nobody waits for, forgets the longest unused over the budget."""

    def __init__(
        self,
        max_bytes: int = 2**30,
        present: Callable[[Hashable], bool] | None = None,
        patience: float = PATIENCE,
        execute: Callable[[Job], None] | None = None,
    ) -> None:
        """`present` says of an owner whether it is there, quickly and from any thread; None: all are, always.

        `execute` does a job's `work`, as in another process (`remote.Engine.work`); None: it is done here.
        """
        self._turns = Turns()
        self._execute = execute or self._work_here
        self._max_bytes = max_bytes
        self._present = present
        self._patience = patience
        self._jobs: OrderedDict[Hashable, Job] = OrderedDict()
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._away: dict[Hashable, float] = {}  # since when each absent owner is
        self._left: dict[Hashable, dict[Hashable, Job]] = {}  # what each of them waited for, by its key
        self._closed = threading.Event()

    def submit(self, key: Hashable, make: Callable[[], J], owner: Hashable) -> J:
        """The job with this key, made, started, or taken up again, if need be.

        The owner's earlier job is given up: unless another owner waits for it, it stops at its next step.
        """
        with self._lock:
            self._look(self._patience)
            job = self._jobs.get(key)
            if job is None or _deserves_another(job):
                job = self._jobs[key] = make()
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

    def look(self, patience: float | None = None) -> None:
        """Stop what is waited for only by owners away for `patience` seconds; who came back gets theirs again."""
        with self._lock:
            self._look(self._patience if patience is None else patience)

    def watch(self, seconds: float = _LOOK) -> None:
        """Look so often, in a thread of its own, until the runner is closed."""

        def keep_looking() -> None:
            while not self._closed.wait(seconds):
                self.look()

        threading.Thread(target=keep_looking, name="jobs", daemon=True).start()

    def forget(self) -> None:
        """Forget all jobs that nobody works at; who still shows one has its own reference."""
        with self._lock:
            for key, job in list(self._jobs.items()):
                if not job.working or job.finished:
                    del self._jobs[key]

    def close(self, timeout: float = 10) -> None:
        """Stop everything, and wait for it: a thread inside torch when Python ends would abort the process."""
        self._closed.set()
        with self._lock:
            self._left.clear()
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
        try:
            self._execute(job)
        except Exception:
            if isinstance(job, Background):
                job.fail(traceback.format_exc())
            raise
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())
                job.working = False
                if job.owners:  # somebody came back while it stopped
                    self._start(job)

    def _work_here(self, job: Job) -> None:
        with self._turns.taking_part(job):
            job.work()

    def _look(self, patience: float) -> None:
        if self._present is None:
            return
        now = time.monotonic()
        back: list[Job] = []
        for owner in {owner for job in self._jobs.values() for owner in job.owners} | set(self._away):
            if self._present(owner):
                self._away.pop(owner, None)
                for key, job in self._left.pop(owner, {}).items():
                    if self._jobs.setdefault(key, job) is job:
                        job.owners.add(owner)
                        back.append(job)
                continue
            absence = now - self._away.setdefault(owner, now)
            if absence >= patience:
                owned = {key: job for key, job in self._jobs.items() if owner in job.owners}
                self._left.setdefault(owner, {}).update(owned)
                for job in owned.values():
                    job.owners.discard(owner)
            if absence >= max(patience, RETURN):
                del self._away[owner]
                self._left.pop(owner, None)
        for job in back:  # after all have their owners again: one may ask for another's
            self._start(job)

    def _release(self, owner: Hashable, keep: Job | None) -> None:
        self._left.pop(owner, None)
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
