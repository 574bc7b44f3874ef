"""The process that computes for the app: it works at jobs, a thread each, and says what changes in them.

`place.Here` starts it as `python -m dr_transformer.engine.process.worker ADDRESS`, with a local socket whose end ends
it; `cluster.Host` has one on a Dask worker.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Hashable
from contextlib import suppress
from multiprocessing.connection import Client
from typing import Any

from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.process.place import KEY, Line
from dr_transformer.engine.process.wire import Changes, FieldSender, dumps, is_job, loads
from dr_transformer.engine.turns import Turns
from dr_transformer.errors import InputError

_LOOK = 0.03  # seconds between two looks at what has changed
_NICE = 10  # of patient jobs: the system gives them a tenth of what it gives the rest


class _Shared:
    """Hold what jobs share, made when first asked for, for its modules are heavy."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}
        self._making = threading.Lock()

    def find(self, what: str) -> Any:
        with self._making:
            if what not in self._made:
                self._made[what] = self._make(what)
            return self._made[what]

    def name(self, thing: object) -> str | None:
        return next((what for what, made in list(self._made.items()) if made is thing), None)

    def _make(self, what: str) -> Any:
        if what == "graphs":
            from dr_transformer.methods.graph_store import GraphStore

            return GraphStore()
        from dr_transformer.methods.umap_worker import UMAPWorker

        return UMAPWorker()


class _At:
    """A job that is here, and what the other side has of it."""

    def __init__(self, job: Any, name: Callable[[object], Hashable | None]) -> None:
        self.job, self.sender = job, FieldSender(job, name)
        self.looking = threading.Lock()
        self.mistake: str | None = None  # why its fields could not be sent


class Worker:
    """The process: one thread listens, one looks at what has changed, and each job has one."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._sending = threading.Lock()
        self._shared = _Shared()
        self._jobs: dict[int, _At] = {}
        self._numbers: dict[int, int] = {}  # of jobs, by id
        self._datasets: dict[str, Dataset] = {}
        self._working: dict[int, _At] = {}
        self._turns = Turns()
        self._gone = False
        self._wake = threading.Event()  # somebody works, so that there may be news

    def run(self) -> None:
        """Serve until the app goes."""
        threading.Thread(target=self._look, name="look", daemon=True).start()
        threading.Thread(target=self._import, name="import", daemon=True).start()
        try:
            while True:
                self._hear(*self._line.recv())
        except (EOFError, OSError):
            self._gone = True
            self._wake.set()
            for at in list(self._jobs.values()):
                at.job.owners.clear()

    def _import(self) -> None:
        """Import what every run needs, while nothing is asked for yet."""
        import dr_transformer.engine.run  # noqa: F401

    def _hear(self, what: str, number: int, content: Any = None) -> None:
        if what == "dataset":
            self._datasets[content.key] = content
        elif what == "forget":
            self._datasets.pop(content, None)
        elif what == "job":
            job = self._jobs[number] = _At(self._made(*content), self._name)
            self._numbers[id(job.job)] = number
        elif what == "drop":
            if (gone := self._jobs.pop(number, None)) is not None:
                self._numbers.pop(id(gone.job), None)
        elif what == "stop":
            if (stopped := self._jobs.get(number)) is not None:
                stopped.job.owners.clear()
        elif what == "visitors":
            if (wanted := self._jobs.get(number)) is not None and wanted.job.owners:
                wanted.job.owners = set(content)
        elif what == "set":
            for field, value in content.items():
                setattr(self._jobs[number].job, field, value)
        else:
            work = {"work": self._work, "ask": self._answer}[what]
            threading.Thread(target=work, args=(number, content), name=what, daemon=True).start()

    def _made(self, kind: type, state: bytes, owned: bool) -> Any:
        job: Any = object.__new__(kind)
        vars(job).update(loads(state, self._find))
        job.owners, job.working = {"the app"} if owned else set(), False
        return job

    def _work(self, number: int, visitors: Any) -> None:
        at = self._jobs[number]
        job = at.job
        if getattr(job, "PATIENT", False):
            _be_nice()
        job.owners, job.working = set(visitors), True
        self._working[number] = at
        self._wake.set()
        said = None
        try:
            with self._turns.taking_part(job):
                job.work()
        except BaseException:  # a mistake of ours: it goes to the app's log, and the page says a sentence
            said = traceback.format_exc()
        del self._working[number]
        job.working = False
        self._say_changes(number, at)
        self._say("stopped", number, at.mistake or said)

    def _answer(self, number: int, content: bytes) -> None:
        try:
            function, args, options = loads(content, self._find)
            found = function(*args, **options)
            for each in filter(is_job, args):  # which the function may have changed
                of = self._numbers[id(each)]
                self._say_changes(of, self._jobs[of])
            said = dumps(("is", found), self._name)
        except InputError as error:
            said = dumps(("refused", str(error)), self._name)
        except BaseException:
            said = dumps(("failed", traceback.format_exc()), self._name)
        self._say("answer", number, said)

    def _look(self) -> None:
        while self._wake.wait() and not self._gone:
            self._wake.clear()  # before the look: who begins after it wakes this again
            while self._working:
                time.sleep(_LOOK)
                for number, at in list(self._working.items()):
                    self._say_changes(number, at)

    def _say_changes(self, number: int, at: _At) -> None:
        with at.looking:
            if at.mistake is not None:
                return
            try:
                changes: Changes = at.sender.changes()
            except Exception:  # as of a field that cannot be pickled: of no concern to other jobs
                at.mistake = traceback.format_exc()
                at.job.owners.clear()
                return
            if changes.fields:
                self._say("changes", number, changes)

    def _say(self, what: str, number: int, content: Any) -> None:
        with self._sending, suppress(OSError, EOFError):
            self._line.send((what, number, content))

    def _name(self, thing: object) -> Hashable | None:
        if isinstance(thing, Dataset):
            return ("dataset", thing.key)
        if is_job(thing) and id(thing) in self._numbers:
            return ("job", self._numbers[id(thing)])
        shared = self._shared.name(thing)
        return None if shared is None else ("shared", shared)

    def _find(self, name: Any) -> object:
        kind, which = name
        if kind == "dataset":
            return self._datasets[which]
        return self._jobs[which].job if kind == "job" else self._shared.find(which)


def _be_nice() -> None:
    """Give way to other threads, where this one has a priority of its own, which what it starts inherits."""
    if sys.platform == "linux":
        with suppress(OSError):
            nice = min(os.getpriority(os.PRIO_PROCESS, 0) + _NICE, 19)
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)


def main() -> None:
    """Serve the parent until it goes."""
    Worker(Client(sys.argv[1], authkey=bytes.fromhex(os.environ.pop(KEY)))).run()
    os._exit(0)  # nobody needs what the threads are computing


if __name__ == "__main__":
    main()
