"""How jobs travel between the app and the process that computes: settings by value, all that is large by name.

A job is known on both sides by its number, a data set by its key, the kNN graphs' store and UMAP's worker by what they
are. Arrays of `LARGE` bytes or more are sent once for each field that holds them; they must not be changed afterwards
(smaller ones may be). Both ends are processes of one app, which alone speak on this line: nothing of a user's is ever
unpickled.
"""

from __future__ import annotations

import functools
import io
import itertools
import pickle
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from dr_transformer.types import Array

LARGE = 1 << 14  # bytes
OWN = frozenset({"owners", "working", "turns"})  # what each side keeps for itself
_VERDICTS = {"error", "complete"}
_LOCKS = (type(threading.Lock()), type(threading.RLock()))


def is_job(thing: object) -> bool:
    """Tell whether this is a job: it has owners, and works."""
    return hasattr(thing, "owners") and hasattr(thing, "working")


class Change(NamedTuple):
    """One field of a job: `content` is its pickle, in which large arrays have numbers, those of `arrays`."""

    content: bytes
    arrays: tuple[int, ...]


class Changes(NamedTuple):
    """Fields that have changed, and the arrays in them that the other side has not had."""

    fields: dict[str, Change]
    new: dict[int, Array]


class Pickler(pickle.Pickler):
    """Pickles what jobs hold. `name` says by which name the other side knows something, or None.

    `array` gives a large array its number; None: arrays are pickled as they are.
    """

    def __init__(
        self, file: io.BytesIO, name: Callable[[object], Hashable | None], array: Callable[[Array], int] | None = None
    ) -> None:
        super().__init__(file, protocol=5)
        self._name, self._array = name, array

    def persistent_id(self, thing: object) -> Any:
        """Return what stands for it in the pickle, None for itself."""
        kind = type(thing)
        if kind is np.ndarray:
            assert isinstance(thing, np.ndarray)
            return ("array", self._array(thing)) if self._array is not None and thing.nbytes >= LARGE else None
        if kind is threading.Event:
            assert isinstance(thing, threading.Event)
            return ("event", thing.is_set())
        if kind in _LOCKS:
            return ("lock",)
        return self._name(thing)


class Unpickler(pickle.Unpickler):
    """Reads what `Pickler` wrote. `find` returns what a name stands for on this side."""

    def __init__(
        self, content: bytes, find: Callable[[Any], object], arrays: Mapping[int, Array] | None = None
    ) -> None:
        super().__init__(io.BytesIO(content))
        self._find, self._arrays = find, arrays or {}

    def persistent_load(self, name: Any) -> object:
        """Return what the name stands for."""
        if name[0] == "array":
            return self._arrays[name[1]]
        if name[0] == "event":
            event = threading.Event()
            if name[1]:
                event.set()
            return event
        return threading.Lock() if name[0] == "lock" else self._find(name)


def dumps(thing: object, name: Callable[[object], Hashable | None]) -> bytes:
    """Pickle it whole, with its arrays."""
    file = io.BytesIO()
    Pickler(file, name).dump(thing)
    return file.getvalue()


def loads(content: bytes, find: Callable[[Any], object]) -> Any:
    """Read what `dumps` returned."""
    return Unpickler(content, find).load()


class FieldSender:
    """One job's fields, as the other side has them."""

    def __init__(self, job: object, name: Callable[[object], Hashable | None]) -> None:
        """Take what the job holds now as known there."""
        self._job, self._name = job, name
        self._sent: dict[str, bytes] = {}
        self._arrays: dict[str, dict[int, tuple[int, Array]]] = {}  # by field and id; held, so that ids stay theirs
        self._numbers = itertools.count()
        self.changes()

    def changes(self) -> Changes:
        """Return what has changed since the last time."""
        changed: dict[str, Change] = {}
        new: dict[int, Array] = {}
        hidden: frozenset[str] = getattr(self._job, "NOT_SHOWN", frozenset())
        for field, value in list(vars(self._job).items()):
            if field in OWN or field in hidden:
                continue
            known = self._arrays.get(field, {})
            used: dict[int, tuple[int, Array]] = {}

            def number(array: Array, known: dict[int, tuple[int, Array]] = known, used: Any = used) -> int:
                if id(array) not in used:
                    used[id(array)] = known.get(id(array)) or (next(self._numbers), array)
                return int(used[id(array)][0])

            file = io.BytesIO()
            try:
                Pickler(file, self._name, number).dump(value)
            except RuntimeError:  # a dict that grew meanwhile: the next look finds it
                continue
            content = file.getvalue()
            if content == self._sent.get(field):
                continue
            new |= {n: array for key, (n, array) in used.items() if key not in known}
            self._sent[field], self._arrays[field] = content, used
            changed[field] = Change(content, tuple(n for n, _ in used.values()))
        return Changes(changed, new)


class FieldReceiver:
    """One job's fields, as they come."""

    def __init__(self, find: Callable[[Any], object]) -> None:
        self._find = find
        self._arrays: dict[str, dict[int, Array]] = {}

    def take(self, job: object, changes: Changes) -> None:
        """Give the job its new values: those that say that something is there come after what is there."""
        last: list[Callable[[], object]] = []
        for field, value in self._values(changes):
            before = getattr(job, field, None)
            if isinstance(value, threading.Event) and isinstance(before, threading.Event):
                last.append(before.set if value.is_set() else before.clear)  # somebody may be waiting for it
            elif field in _VERDICTS:
                last.append(functools.partial(setattr, job, field, value))
            else:
                setattr(job, field, value)
        for tell in last:
            tell()

    def _values(self, changes: Changes) -> Iterator[tuple[str, Any]]:
        for field, change in changes.fields.items():
            had = self._arrays.get(field, {})
            self._arrays[field] = {n: had[n] if n in had else changes.new[n] for n in change.arrays}
            yield field, Unpickler(change.content, self._find, self._arrays[field]).load()
