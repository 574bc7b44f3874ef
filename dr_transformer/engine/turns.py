"""Whose turn it is: the visitors of one server share its processor, who waits for a first picture before the rest.

The turn is a visitor's, and all jobs of that visitor go on together. It goes first to who waits for the latents of a
new run, then to who waits for anything else that is new, then to what has had its time, and last to what is patient. It
is kept for `QUANTUM` seconds, or until somebody waits for something more urgent; among equals it goes to who has had
least of late. Who waits for long counts as more urgent the longer it takes, so that nobody waits for ever.

Jobs ask for the turn where they look whether they are still wanted, many times a second. Who has it and does not look
is overtaken after its time like any other, so that a job which waits for a lock of another one's stops nobody for long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

QUANTUM = 5.0
"""Seconds of a turn; also what a job may take and still count as new."""
PROMOTED = 30.0
"""Seconds of waiting that make a visitor's jobs one degree more urgent."""
_HALF_LIFE = 60.0  # seconds in which half of what a visitor has had is forgotten
_LOOK = 0.1  # seconds between two looks, if nothing wakes
_URGENT, _NEW, _HEAVY, _PATIENT = range(4)


def visitor(owner: Hashable) -> Hashable:
    """Return who an owner is: what comes before the kind of job that it owns."""
    return owner[0] if isinstance(owner, tuple) and owner else owner


@dataclass(eq=False)
class _Working:
    """A job that is worked at, for how many seconds of turns; `aside`, it wants no processor now."""

    job: Any
    had: float = 0.0
    aside: bool = False
    reserved: int = 0  # bytes that it may come to hold

    def visitors(self) -> set[Hashable]:
        return {visitor(owner) for owner in tuple(self.job.owners)}

    def degree(self) -> int:
        if getattr(self.job, "PATIENT", False):
            return _PATIENT
        if self.had >= QUANTUM:
            return _HEAVY
        shown = getattr(self.job, "shown", False)  # the picture of a run is there, and what is left is measuring
        return _URGENT if getattr(self.job, "URGENT", False) and not shown else _NEW


@dataclass(eq=False)
class _Visitor:
    """What is known of a visitor: `since` when it waits, and the seconds it `had`, which fade; `at` is their time."""

    since: float
    at: float
    had: float = 0.0

    def add(self, seconds: float, now: float) -> None:
        self.had = self.had * 0.5 ** ((now - self.at) / _HALF_LIFE) + seconds
        self.at = now


class Turns:
    """The order of all jobs that one process works at. Any thread may call it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._working: dict[int, _Working] = {}  # by id of the job, in the order in which they began
        self._visitors: dict[Hashable, _Visitor] = {}
        self._turn: Hashable = None
        self._credit = 0.0  # by how many degrees who has the turn had become more urgent
        self._began = self._counted = 0.0  # when it began, and until when it has been counted
        self._changed = threading.Condition()

    @contextmanager
    def taking_part(self, job: Any) -> Iterator[None]:
        """Count the job among those that work, as long as it does; what is `AT_ONCE` goes on beside them."""
        if getattr(job, "AT_ONCE", False):
            yield
            return
        with self._changed:
            self._working[id(job)] = _Working(job)
            job.turns = self
        try:
            yield
        finally:
            with self._changed:
                self._count(self._clock())
                del self._working[id(job)]
                job.turns, job.ahead = None, 0
                here = set[Hashable]().union(*(each.visitors() for each in self._working.values()))
                self._visitors = {who: v for who, v in self._visitors.items() if who in here or v.had > _LOOK}
                self._changed.notify_all()

    def wait(self, job: Any) -> None:
        """Return when the job may go on, or nobody wants it. `job.ahead` says how many visitors are before its own."""
        mine = self._working[id(job)]
        with self._changed:
            mine.aside = False
            while job.owners and (ahead := self.ahead(job)) is not None:
                job.ahead = ahead
                self._changed.wait(_LOOK)
            job.ahead = 0

    def aside(self, job: Any) -> None:
        """Say that the job waits for something else, until it calls `wait`."""
        mine = self._working[id(job)]
        if not mine.aside:
            with self._changed:
                mine.aside = True
                self._changed.notify_all()

    def reserve(self, job: Any, n_bytes: int, most: int) -> bool:
        """Set memory aside for the job; False if it would with the others' be more than `most`, which must end first.

        What the others hold already is not counted: `most` is taken to be without it. The only one gets what it asks.
        """
        with self._changed:
            others = [each for each in self._working.values() if each.job is not job and each.reserved]
            coming = sum(max(each.reserved - each.job.n_bytes, 0) for each in others)
            job.ahead = len(others)
            if others and coming + n_bytes > most:
                return False
            self._working[id(job)].reserved = n_bytes
            return True

    def ahead(self, job: Any) -> int | None:
        """Return how many visitors are before those of the job; None if it may go on."""
        with self._changed:
            return self._ahead(self._working[id(job)], self._clock())

    def _ahead(self, mine: _Working, now: float) -> int | None:
        self._count(now)
        has_had_its_time = now - self._began >= QUANTUM
        if has_had_its_time:
            self._credit = 0.0
        ranks = self._ranks(now)
        others = {who: rank for who, rank in ranks.items() if who != self._turn}
        next_one = min(others, key=others.__getitem__, default=None)
        if next_one is not None:
            had, wants = ranks.get(self._turn), others[next_one]
            if had is None or wants[0] < had[0] or (wants[0] == had[0] and has_had_its_time):
                self._give(next_one, now)
        own = mine.visitors()
        if self._turn in own:
            return 0 if self._rests(mine, own) else None
        best = min((ranks[who] for who in own if who in ranks), default=None)
        return None if best is None else 1 + sum(rank < best for who, rank in ranks.items() if who != self._turn)

    def _ranks(self, now: float) -> dict[Hashable, tuple[float, int, float]]:
        """Return who wants the processor; the smallest goes first, by urgency and by what each has had."""
        degrees: dict[Hashable, int] = {}
        for each in self._working.values():
            if not each.aside:
                for who in each.visitors():
                    degrees[who] = min(degrees.get(who, _PATIENT), each.degree())
        for who in self._visitors:
            if who not in degrees:
                self._visitors[who].since = now
        ranks = {}
        for who, degree in degrees.items():
            known = self._visitors.setdefault(who, _Visitor(now, now))
            known.add(0.0, now)
            credit = self._credit if who == self._turn else (now - known.since) // PROMOTED
            ranks[who] = degree - credit, round(known.had), known.since
        return ranks

    def _rests(self, mine: _Working, own: set[Hashable]) -> bool:
        """Tell whether a patient job gives way to one of the same visitor: an urgent one, or an earlier patient one."""
        if mine.degree() != _PATIENT:
            return False
        before = True
        for each in self._working.values():
            if each is mine:
                before = False
            elif each.visitors() & own and (
                getattr(each.job, "URGENT", False) or (before and each.degree() == _PATIENT)
            ):
                return True
        return False

    def _give(self, who: Hashable, now: float) -> None:
        if self._turn in self._visitors:
            self._visitors[self._turn].since = now
        self._turn, self._began, self._counted = who, now, now
        self._credit = (now - self._visitors[who].since) // PROMOTED
        self._changed.notify_all()

    def _count(self, now: float) -> None:
        """Add the time since the last count to who has the turn, and to its jobs."""
        seconds, self._counted = now - self._counted, now
        if self._turn in self._visitors:
            self._visitors[self._turn].add(seconds, now)
            for each in self._working.values():
                if not each.aside and self._turn in each.visitors():
                    each.had += seconds
