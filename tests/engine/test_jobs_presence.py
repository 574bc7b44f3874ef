"""Owners who go without a word: what they alone wait for stops, and goes on when they come back."""

import threading
import time
from collections.abc import Callable, Hashable, Iterator

import pytest
from streamlit import runtime

from dr_transformer.engine import jobs
from dr_transformer.engine.jobs import Background, Runner
from dr_transformer.ui.session import SessionName, connected


class Endless(Background):
    """Works until nobody waits for it; `begun` counts how often it was taken up."""

    begun = 0

    def _work(self) -> None:
        self.begun += 1
        while True:
            self._check()
            time.sleep(0.005)


class Quick(Background):
    def _work(self) -> None:
        self.complete = True


@pytest.fixture
def here() -> set[Hashable]:
    """Who is there."""
    return {"a", "b", "me"}


@pytest.fixture
def make(here: set[Hashable]) -> Iterator[Callable[..., Runner]]:
    made: list[Runner] = []

    def make(**settings: float) -> Runner:
        made.append(Runner(present=here.__contains__, **settings))
        return made[-1]

    yield make
    for runner in made:
        runner.close()


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def test_a_session_that_has_ended_does_not_keep_its_work_when_another_comes(
    make: Callable[..., Runner], here: set[Hashable]
) -> None:
    """F5: the same person is another owner, and what was before stops when something new is asked for."""
    runner = make(patience=0)
    old = runner.submit("old", Endless, "a")
    here.remove("a")
    new = runner.submit("new", Endless, "me")
    until(lambda: not old.working)
    assert old.owners == set()
    assert new.working
    shared = runner.submit("shared", Endless, "b")
    here.remove("b")
    assert runner.submit("shared", Endless, "me") is shared
    assert shared.owners == {"me"}  # so that Cancel finds no one else
    assert shared.begun == 1


def test_a_closed_tab_stops_its_work_without_anybody_asking(make: Callable[..., Runner], here: set[Hashable]) -> None:
    runner = make(patience=0.1)
    runner.watch(0.02)
    gone = runner.submit("gone", Endless, "a")
    both = runner.submit("both", Endless, "b")
    runner.submit("both", Endless, "me")
    here.remove("a")
    here.remove("b")
    until(lambda: not gone.working)
    until(lambda: both.owners == {"me"})
    assert both.working


def test_a_short_absence_interrupts_nothing(make: Callable[..., Runner], here: set[Hashable]) -> None:
    runner = make(patience=60)
    job = runner.submit("job", Endless, "a")
    here.remove("a")
    runner.look()
    runner.submit("other", Quick, "me")
    runner.look()
    here.add("a")
    runner.look()
    assert job.working
    assert job.owners == {"a"}
    assert job.begun == 1


def test_absences_do_not_add_up(
    make: Callable[..., Runner], here: set[Hashable], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(jobs.time, "monotonic", lambda: now)
    runner = make(patience=5)
    job = runner.submit("job", Quick, "a")
    for seconds, present in ((0, False), (4, False), (1, True), (4, False), (4, False)):
        now += seconds
        (here.add if present else here.discard)("a")
        runner.look()
        assert job.owners == {"a"}
    now += 1.1
    runner.look()
    assert job.owners == set()


def test_who_comes_back_has_the_work_taken_up_again(make: Callable[..., Runner], here: set[Hashable]) -> None:
    runner = make(patience=0)
    first, second = runner.submit("first", Endless, "a"), runner.submit("second", Endless, "b")
    here.difference_update("ab")
    runner.look()
    until(lambda: not first.working and not second.working)
    here.add("a")
    runner.look()
    assert first.working
    until(lambda: first.begun == 2)
    assert not second.working


def test_who_comes_back_and_wants_something_else_gets_that_alone(
    make: Callable[..., Runner], here: set[Hashable]
) -> None:
    runner = make(patience=0)
    first = runner.submit("first", Endless, "a")
    here.remove("a")
    runner.look()
    runner.submit("second", Endless, "a")  # the script was still running
    here.add("a")
    runner.look()
    until(lambda: not first.working)
    assert first.owners == set()


def test_who_does_not_come_back_is_forgotten(
    make: Callable[..., Runner], here: set[Hashable], monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = make(patience=0)
    job = runner.submit("job", Endless, "a")
    here.remove("a")
    runner.look()
    until(lambda: not job.working)
    monkeypatch.setattr(jobs, "RETURN", 0.0)
    runner.look()
    here.add("a")
    runner.look()
    assert not job.working
    assert job.owners == set()


def test_closing_ends_the_looking(make: Callable[..., Runner], here: set[Hashable]) -> None:
    before = threading.active_count()
    runner = make(patience=0)
    runner.watch(0.01)
    job = runner.submit("job", Endless, "a")
    here.remove("a")
    until(lambda: not job.working)
    runner.close()
    here.add("a")
    until(lambda: threading.active_count() <= before)
    assert not job.working


class _Server:
    """Streamlit's runtime, as far as it is asked."""

    def __init__(self, *active: str) -> None:
        self.active = active

    def is_active_session(self, session_id: str) -> bool:
        return session_id in self.active


def test_streamlit_says_who_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "get_instance", lambda: _Server("one"))
    assert connected((SessionName("x", "one"), "run"))
    assert not connected((SessionName("x", "two"), "run"))
    assert connected((SessionName("x", None), "run"))  # a script outside of a server


def test_without_a_server_everybody_is_there() -> None:
    assert SessionName.new().connection is None
    assert connected((SessionName("x", "one"), "run"))
    assert connected("me")
    assert SessionName.new() != SessionName.new()
