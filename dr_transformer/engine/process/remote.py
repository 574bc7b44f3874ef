"""The app's end of the process that computes (`worker`): jobs are worked at there, and what they find comes here.

A job in the app is the same object as without it, but its fields are filled from the other process. A library for this
(loky, dask.distributed) sends a result when a function ends; here a picture grows while its run is still computed.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.process.place import Here, Place
from dr_transformer.engine.process.wire import OWN, FieldReceiver, dumps, is_job, loads
from dr_transformer.engine.turns import visitor
from dr_transformer.errors import InputError

if TYPE_CHECKING:
    from dr_transformer.engine.process.cluster import Cluster

T = TypeVar("T")
DIED = "the process that computes has ended, as for want of memory; another is started. Change a setting to compute on."
_LOOK = 0.05  # seconds between two looks whether a job is still waited for


class _Ended(Exception):  # noqa: N818
    """The process has ended."""


class Shared:
    """A name for what jobs share in the other process: "graphs" or "umap"."""

    def __init__(self, what: str) -> None:
        self.what = what


class _Here:
    """Keep what is known of a job that the process has."""

    def __init__(self, number: int, receiver: FieldReceiver) -> None:
        self.number, self.receiver = number, receiver
        self.stopped = threading.Event()
        self.mistake: str | None = None


class Process:
    """One process, from its start to its end. Any thread may call it. `pid` if it is on this machine."""

    def __init__(self, begun: weakref.WeakSet[Any], place: Place) -> None:
        """`begun` are the jobs that an earlier process has been told of."""
        self._begun, self._place, self._line, self.pid = begun, place, place.line, place.pid
        self.ended = False
        self._sending = threading.RLock()
        self._numbers = itertools.count(1)
        self._here: weakref.WeakKeyDictionary[Any, _Here] = weakref.WeakKeyDictionary()
        self._jobs: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self._datasets: dict[str, weakref.ref[Dataset]] = {}
        self._questions: dict[int, tuple[threading.Event, list[bytes]]] = {}
        self._gone: deque[tuple[str, int, Any]] = deque()  # said with the next message: a finaliser may run inside one
        threading.Thread(target=self._listen, name="engine", daemon=True).start()

    def work(self, job: Any) -> None:
        """Have it work at the job; returns when it is done, or stopped for want of owners. Raises `_Ended`."""
        here = self._known(job)
        here.stopped.clear()
        here.mistake = None
        told = _visitors(job)
        self._say("work", here.number, told)
        while not here.stopped.wait(_LOOK):
            if self.ended:  # before it knew of the job, so that nobody else will say so
                raise _Ended
            wanted = _visitors(job)
            if told and wanted != told:
                self._say("visitors" if wanted else "stop", here.number, wanted)
                told = wanted
        if self.ended:
            raise _Ended
        if here.mistake is not None:
            job.fail(here.mistake)
            _release(job)

    def ask(self, function: Callable[..., T], *args: Any, **options: Any) -> T:
        """Call the function there and return what it returns; raises `InputError` as it does."""
        number, answered, answers = next(self._numbers), threading.Event(), list[bytes]()
        self._questions[number] = answered, answers
        with self._sending:
            content = dumps((function, args, options), self._name)
            for job in filter(is_job, args):  # who wants it may decide what is answered
                self._say("visitors", self._here[job].number, _visitors(job))
            self._say("ask", number, content)
        while not answered.wait(1):
            if self.ended:
                raise _Ended
        if not answers:
            raise _Ended
        verdict, found = loads(answers[0], self._find)
        if verdict == "refused":
            raise InputError(found)
        if verdict == "failed":
            raise RuntimeError(found)
        return found

    def set(self, job: Any, **fields: Any) -> None:
        """Give fields of the job new values, here and there."""
        for field, value in fields.items():
            setattr(job, field, value)
        if job in self._here:
            self._say("set", self._here[job].number, fields)

    def close(self) -> None:
        """End it."""
        with suppress(OSError, EOFError):
            self._place.end()

    def _known(self, job: Any) -> _Here:
        """Return what is known of the job, which is sent if it is not there yet."""
        with self._sending:
            if job not in self._here:
                if job in self._begun and getattr(job, "NOT_SHOWN", None):
                    raise _Ended  # what is not shown went with the process that had it
                self._begun.add(job)
                number = next(self._numbers)
                state = {field: value for field, value in vars(job).items() if field not in OWN}
                content = dumps(state, self._name)
                self._here[job] = _Here(number, FieldReceiver(self._find))
                self._jobs[number] = job
                self._say("job", number, (type(job), content, bool(job.owners)))
                weakref.finalize(job, self._gone.append, ("drop", number, None)).atexit = False
            return self._here[job]

    def _say(self, what: str, number: int, content: Any = None) -> None:
        try:
            with self._sending:
                while self._gone:
                    self._line.send(self._gone.popleft())
                self._line.send((what, number, content))
        except (OSError, EOFError, ValueError):
            self.ended = True

    def _name(self, thing: object) -> Hashable | None:
        if isinstance(thing, Dataset):
            known = self._datasets.get(thing.key)
            if known is None or known() is None:
                self._say("dataset", 0, thing)
                self._datasets[thing.key] = weakref.ref(thing)
                weakref.finalize(thing, self._gone.append, ("forget", 0, thing.key)).atexit = False
            return ("dataset", thing.key)
        if is_job(thing):
            return ("job", self._known(thing).number)
        return ("shared", thing.what) if isinstance(thing, Shared) else None

    def _find(self, name: Any) -> object:
        kind, which = name
        if kind == "dataset":
            return self._datasets[which]()
        return self._jobs[which] if kind == "job" else Shared(which)

    def _listen(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                what, number, content = self._line.recv()
                if what == "answer":
                    answered, answers = self._questions.pop(number)
                    answers.append(content)
                    answered.set()
                    continue
                job = self._jobs.get(number)
                if job is None:
                    continue
                here = self._here[job]
                if what == "changes":
                    here.receiver.take(job, content)
                else:
                    here.mistake = content
                    here.stopped.set()
                del job, here  # or it would live until the next message
        self.ended = True
        for job in list(self._jobs.values()):
            self._here[job].stopped.set()
        for answered, _ in list(self._questions.values()):
            answered.set()


class Engine:
    """Where the app computes, started when it is first wanted and again when it has died.

    On a cluster of several workers there are two places: what is `PATIENT` (`jobs.Background`) has one of its own.
    """

    def __init__(self, scheduler: str | None = None) -> None:
        """`scheduler` is the address of a Dask cluster's; raises `InputError` where there is none."""
        self.died: Callable[[], object] = lambda: None  # called when a process has ended without being asked to
        self._starting = threading.Lock()
        self._where: Here | Cluster = Here() if scheduler is None else _cluster(scheduler)
        self._processes: dict[int, Process] = {}
        self._closed = False
        self._begun: weakref.WeakSet[Any] = weakref.WeakSet()

    @property
    def pid(self) -> int | None:
        """Number of the process on this machine, if there has been one."""
        return self._processes[0].pid if 0 in self._processes else None

    def start(self, which: int = 0) -> Process:
        """Return the process, started if need be: 0 for what people wait for, 1 for the rest where there are two."""
        with self._starting:
            known = self._processes.get(which)
            if known is None or known.ended:
                if self._closed:
                    raise RuntimeError("this Engine is closed")
                if known is not None:
                    known.close()
                self._processes[which] = known = Process(self._begun, self._where.start(which))
            return known

    def work(self, job: Any) -> None:
        """Work at the job, as `job.work()` does; never raises."""
        try:
            self._at(job).work(job)
        except _Ended:
            job.error = DIED
            _release(job)
            self.died()
        except InputError as error:  # a cluster that has no workers any more
            job.error = str(error)
            _release(job)

    def ask(self, function: Callable[..., T], *args: Any, **options: Any) -> T:
        """Call a function there; raises `InputError` as it does, and where the process ends meanwhile."""
        try:
            return self._at(*args).ask(function, *args, **options)
        except _Ended:
            self.died()
            raise InputError(DIED) from None

    def set(self, job: Any, **fields: Any) -> None:
        """Give fields of the job new values, here and there."""
        self._at(job).set(job, **fields)

    def close(self) -> None:
        """End the processes."""
        with self._starting:
            self._closed = True
            for process in self._processes.values():
                process.close()
            self._where.close()

    def _at(self, *things: Any) -> Process:
        patient = any(getattr(thing, "PATIENT", False) for thing in things) and self._where.n_workers > 1
        return self.start(int(patient))


def _visitors(job: Any) -> frozenset[int]:
    """Return numbers for those who want the job."""
    return frozenset(hash(visitor(owner)) for owner in tuple(job.owners))


def _cluster(address: str) -> Cluster:
    from dr_transformer.engine.process.cluster import Cluster

    return Cluster(address)


def _release(job: Any) -> None:
    """Let those go on who wait for something of the job, which failed."""
    for value in vars(job).values():
        if isinstance(value, threading.Event):
            value.set()
