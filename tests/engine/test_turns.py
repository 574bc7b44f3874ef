"""Whose turn it is, by a clock of the test's own: a tick is a tenth of a second of one visitor's work."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dr_transformer.engine.jobs import Background, Runner
from dr_transformer.engine.turns import PROMOTED, QUANTUM, Turns

TICK = 0.1


@dataclass(eq=False)
class Work:
    """So many seconds of work for one visitor, or several. `ended` is when it was done."""

    seconds: float
    owners: set[Any]
    URGENT: bool = False
    PATIENT: bool = False
    begins: float = 0.0
    shown: bool = False
    turns: Turns | None = None
    ahead: int = 0
    n_bytes: int = 0
    worked: float = 0.0
    ended: float | None = None


class Machine:
    """Plays jobs tick by tick: in each those go on that may."""

    def __init__(self) -> None:
        self.now = 0.0
        self.turns = Turns(clock=lambda: self.now)
        self._here = ExitStack()
        self._out: dict[int, ExitStack] = {}
        self.at_work: list[list[Work]] = []

    def begin(self, job: Work) -> None:
        self._out[id(job)] = ExitStack()
        self._out[id(job)].enter_context(self.turns.taking_part(job))

    def end(self, job: Work) -> None:
        job.ended = self.now
        self._out.pop(id(job)).close()

    def play(self, jobs: list[Work], until: float = 3600.0) -> None:
        waiting = sorted(jobs, key=lambda job: job.begins)
        working: list[Work] = []
        while (waiting or working) and self.now < until:
            while waiting and waiting[0].begins <= self.now:
                working.append(waiting.pop(0))
                self.begin(working[-1])
            go = [job for job in working if self.turns.ahead(job) is None]
            self.at_work.append(go)
            self.now = round(self.now + TICK, 3)
            for job in go:
                job.worked += TICK
            for job in [job for job in working if job.worked >= job.seconds - 1e-9]:
                working.remove(job)
                self.end(job)


def test_five_heavy_runs_do_not_hold_up_a_new_picture() -> None:
    heavy = [Work(300.0, {f"heavy {i}"}, URGENT=True) for i in range(5)]
    picture = Work(4.0, {"visitor"}, URGENT=True, begins=60.0)
    Machine().play([*heavy, picture], until=100.0)
    assert picture.ended is not None
    assert picture.ended - picture.begins <= 4.0 + 2 * TICK


def test_equal_runs_share_alike() -> None:
    jobs = [Work(600.0, {f"visitor {i}"}, URGENT=True) for i in range(4)]
    Machine().play(jobs, until=40 * QUANTUM)
    shares = [job.worked for job in jobs]
    assert max(shares) - min(shares) <= QUANTUM + 1
    assert sum(shares) == pytest.approx(40 * QUANTUM, rel=0.01)


def test_pictures_asked_for_together_come_one_after_another() -> None:
    """And not all of them at the end: that of the visitor in the middle comes in half of the time."""
    jobs = [Work(4.0, {f"visitor {i}"}, URGENT=True) for i in range(40)]
    Machine().play(jobs)
    ended = sorted(job.ended or 0 for job in jobs)
    assert ended[0] <= 4.2
    assert ended[20] == pytest.approx(21 * 4.0, rel=0.05)
    assert ended[-1] == pytest.approx(160, rel=0.05)


def test_the_jobs_of_one_visitor_go_on_together() -> None:
    machine = Machine()
    machine.play([Work(2.0, {"visitor"}), Work(2.0, {"visitor"}, URGENT=True)])
    assert machine.now == pytest.approx(2.0)


def test_what_two_visitors_want_goes_on_when_either_has_the_turn() -> None:
    shared = Work(20.0, {"one", "other"}, URGENT=True)
    Machine().play([shared, Work(600.0, {"third"}, URGENT=True)], until=90.0)
    assert shared.ended is not None
    assert shared.ended <= 20.0 * 1.5 + QUANTUM


def test_a_run_that_is_only_measured_any_more_gives_way() -> None:
    shown, new = Work(4.0, {"one"}, URGENT=True), Work(3.0, {"other"}, URGENT=True, begins=1.0)
    shown.shown = True
    Machine().play([shown, new])
    assert new.ended == pytest.approx(4.0, abs=2 * TICK)
    assert shown.ended == pytest.approx(7.0, abs=2 * TICK)


def test_one_patient_job_of_a_visitor_at_a_time_and_none_beside_an_urgent_one() -> None:
    machine = Machine()
    jobs = [Work(3.0, {"visitor"}, PATIENT=True) for _ in range(3)] + [Work(3.0, {"visitor"}, URGENT=True, begins=1.0)]
    machine.play(jobs)
    assert all(len(go) == 1 for go in machine.at_work)
    assert jobs[3].ended == pytest.approx(4.0, abs=2 * TICK)


def test_who_waits_for_long_is_let_in() -> None:
    """Whoever asks for a new picture every four seconds does not stop the others for ever."""
    stream = [Work(4.0, {f"visitor {i}"}, URGENT=True, begins=4.0 * i) for i in range(200)]
    patient, heavy = Work(30.0, {"patient"}, PATIENT=True), Work(30.0, {"heavy"}, URGENT=True)
    Machine().play([*stream, patient, heavy], until=800.0)
    assert heavy.ended is not None
    assert patient.worked >= 800.0 / (4 * PROMOTED) * 0.5 * TICK


def test_who_is_stopped_or_waits_itself_is_in_nobodys_way() -> None:
    machine = Machine()
    stopped, other = Work(9.0, {"one"}, URGENT=True), Work(9.0, {"other"}, URGENT=True)
    machine.begin(stopped)
    machine.begin(other)
    assert machine.turns.ahead(stopped) is None
    assert machine.turns.ahead(other) == 1
    machine.turns.aside(stopped)
    assert machine.turns.ahead(other) is None
    machine.turns.wait(other)
    assert other.ahead == 0
    stopped.owners.clear()
    machine.turns.wait(stopped)  # returns: it is for the job to end
    machine.end(stopped)


def test_memory_is_promised_once() -> None:
    machine = Machine()
    first, second, third = (Work(9.0, {who}) for who in "abc")
    for job in (first, second, third):
        machine.begin(job)
    assert machine.turns.reserve(first, 10**12, most=10**9)  # alone it is for others to refuse
    assert not machine.turns.reserve(second, 1, most=10**9)
    assert second.ahead == 1
    first.n_bytes = 10**12 - 5 * 10**8  # what it holds is gone from what is free
    assert machine.turns.reserve(second, 4 * 10**8, most=10**9)
    assert not machine.turns.reserve(third, 2 * 10**8, most=10**9)
    machine.end(first)
    assert machine.turns.reserve(third, 2 * 10**8, most=10**9)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.builds(
            Work,
            seconds=st.floats(0.1, 30),
            owners=st.sets(st.sampled_from("abcde"), min_size=1, max_size=2),
            URGENT=st.booleans(),
            begins=st.floats(0, 20),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_somebody_always_goes_on_of_one_visitor_at_a_time(jobs: list[Work]) -> None:
    machine = Machine()
    machine.play(jobs)
    assert all(job.ended is not None for job in jobs)
    for go in machine.at_work:
        if go:
            assert set.intersection(*({*job.owners} for job in go))
    busy = sum(bool(go) for go in machine.at_work)
    assert busy * TICK <= sum(job.seconds + TICK for job in jobs)


@dataclass(eq=False)
class Counting(Background):
    """Counts as fast as it may."""

    count: int = 0
    to: int = 10**9
    URGENT: ClassVar = True

    def _work(self) -> None:
        while self.count < self.to:
            self._check()
            self.count += 1
            threading.Event().wait(0.001)
        self.complete = True


def test_jobs_in_threads_take_their_turns() -> None:
    """The same with a clock on the wall: a visitor that has had its time lets a new one by."""
    runner = Runner()
    heavy = runner.submit("heavy", Counting, ("one", "run"))
    until(lambda: heavy.count > 0)
    assert heavy.turns is not None
    heavy.turns._working[id(heavy)].had = QUANTUM
    new = runner.submit("new", Counting, ("other", "run"))
    until(lambda: heavy.ahead == 1)
    before, then = heavy.count, new.count
    until(lambda: new.count > then + 50)
    assert heavy.count == before
    runner.release(("other", "run"))
    until(lambda: heavy.count > before + 50)
    assert heavy.ahead == 0
    runner.close()
    assert not heavy.working


def until(condition: Any, seconds: float = 60.0) -> None:
    pause = threading.Event()
    for _ in range(int(seconds / 0.005)):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("waited too long")
