"""The process beside the app: what is computed there arrives here, stops when nobody waits, and survives its death."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from typing import cast

import numpy as np
import pytest

from dr_transformer.canvas.picture import Drawing, picture
from dr_transformer.config import Config, ViewConfig
from dr_transformer.data.dataset import Dataset, load
from dr_transformer.engine import jobs
from dr_transformer.engine.jobs import Job, Runner
from dr_transformer.engine.process.remote import DIED, Engine, Shared
from dr_transformer.engine.reality import RealityCheck
from dr_transformer.engine.run import Run
from dr_transformer.engine.sweep import Sweep
from dr_transformer.errors import InputError
from dr_transformer.methods.graph_store import GraphStore
from tests.helpers.remote_jobs import (
    Counting,
    Failing,
    Following,
    Patient,
    Urgent,
    raise_wanted,
    refuse,
    run_latents,
    until,
    visitors_of,
)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with closing(Engine()) as made:
        yield made


def test_a_run_there_is_the_run_here(runner: Runner) -> None:
    data, config, view = load("digits", 300), Config(n_components=8, n_blocks=3), ViewConfig(view="pca")
    graphs = cast(GraphStore, Shared("graphs"))
    run = runner.submit("run", lambda: Run(data, config, graphs), "a")
    drawing = runner.submit("drawing", lambda: Drawing(run, view), "b")
    until(lambda: run.finished and drawing.finished)
    assert run.error is drawing.error is None
    here = Run(data, config, owners={"me"})
    here.work()
    drawn = Drawing(here, view, owners={"me"})
    drawn.work()
    for there, expected in zip(picture(drawing, 3).panels, picture(drawn, 3).panels, strict=True):  # type: ignore[union-attr]
        np.testing.assert_allclose(there.frames, expected.frames, atol=1e-5 * np.abs(expected.frames).max())
        assert there.depths == expected.depths
    assert run.analysis.curves["nmi"] == pytest.approx(here.analysis.curves["nmi"], abs=1e-3)
    assert (run.block, run.device, run.precision) == (3, "cpu", "float32")
    assert run.full.latents == []  # which stay there
    assert len(run.overlaps) == 4


def test_what_nobody_waits_for_stops_and_goes_on_later(runner: Runner) -> None:
    job = runner.submit("count", Counting, "a")
    until(lambda: job.count > 20)
    assert job.pid not in (0, os.getpid())
    runner.release("a")
    until(lambda: not job.working)
    stopped = job.count
    time.sleep(0.2)
    assert job.count == stopped
    assert runner.submit("count", Counting, "a") is job
    until(lambda: job.count > stopped)
    assert [int(square[0, 0]) for square in job.squares] == [100, 400, 900, 1600, 2500][: len(job.squares)]


def test_a_job_follows_another_one_that_is_still_at_work(runner: Runner) -> None:
    counting = runner.submit("count", lambda: Counting(to=100), "a")
    following = runner.submit("follow", lambda: Following(counting), "b")
    until(lambda: following.complete)
    assert following.found == 100


def test_what_nobody_waits_for_at_the_page_gives_way(runner: Runner) -> None:
    """By the system's own scheduler, thread by thread; where threads have no niceness of their own, nobody does."""
    here = os.getpriority(os.PRIO_PROCESS, 0)
    patient = runner.submit("patient", lambda: Patient(to=5), "a")
    until(lambda: patient.complete)
    assert patient.nice == [min(here + 10, 19)] * 2 if sys.platform == "linux" else [here] * 2
    after = runner.submit("after", lambda: Patient(to=5), "b")
    until(lambda: after.complete)
    assert after.nice == patient.nice  # not nicer each time
    assert Sweep.PATIENT
    assert RealityCheck.PATIENT
    assert not Drawing.PATIENT


def test_what_is_patient_rests_while_something_urgent_is_at_work(runner: Runner) -> None:
    patient = runner.submit("patient", Patient, "a")
    until(lambda: patient.count > 5)
    urgent = runner.submit("urgent", Urgent, "b")
    until(lambda: urgent.count > 5)
    time.sleep(0.2)  # what it had begun is done, and said
    before, then = patient.count, urgent.count
    until(lambda: urgent.count > then + 50)
    assert patient.count <= before + 1
    runner.release("b")
    until(lambda: patient.count > before + 50)
    runner.submit("urgent", Urgent, "b")
    until(lambda: urgent.working)
    runner.release("a")
    until(lambda: not patient.working)  # it stops where it rests
    assert Run.URGENT
    assert not Sweep.URGENT


def test_equal_requests_are_computed_once(runner: Runner) -> None:
    one, other = (runner.submit("count", lambda: Counting(to=50), owner) for owner in "ab")
    assert one is other


@pytest.mark.parametrize(
    ("how", "part"), [("sentence", "give numbers"), ("mistake", "server's log"), ("generator", "server's log")]
)
def test_what_fails_says_a_sentence(runner: Runner, how: str, part: str) -> None:
    job = runner.submit("fail", lambda: Failing(how=how), "a")
    until(lambda: job.error is not None)
    assert part in str(job.error)
    after = runner.submit("count", lambda: Counting(to=3), "b")
    until(lambda: after.complete)


def test_what_failed_by_a_mistake_is_tried_again_by_who_asks_later(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job = runner.submit("fail", lambda: Failing(how="mistake"), "a")
    until(lambda: job.finished and not job.working)
    assert "ZeroDivisionError" in caplog.text
    assert runner.submit("fail", Counting, "a") is job, "a page that waits asks again by itself, and is told"
    monkeypatch.setattr(jobs, "_AGAIN", 0.0)
    again = runner.submit("fail", lambda: Counting(to=3), "a")
    until(lambda: again.complete)
    told = runner.submit("refuse", lambda: Failing(how="sentence"), "a")
    until(lambda: told.finished and not told.working)
    assert runner.submit("refuse", Counting, "a") is told, "bad input is bad the next time, too"


def test_a_question_is_answered_with_arrays_and_refused_with_a_sentence(engine: Engine) -> None:
    found = engine.ask(np.multiply, np.arange(10_000.0), 2)
    np.testing.assert_array_equal(found, 2 * np.arange(10_000.0))
    with pytest.raises(InputError, match="for want of numbers"):
        engine.ask(refuse, "for want of numbers")
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        engine.ask(divmod, 1, 0)


def test_a_field_is_set_there_and_a_function_changes_a_job(runner: Runner, engine: Engine) -> None:
    job = runner.submit("count", Counting, "a")
    until(lambda: job.count > 0)
    engine.set(job, wanted=5)
    assert engine.ask(raise_wanted, job, 2) == 7
    assert job.wanted == 7


def test_who_wants_a_job_is_known_where_it_is_asked_about(runner: Runner, engine: Engine) -> None:
    job = runner.submit("count", Counting, ("a", "count"))
    runner.submit("count", Counting, ("b", "count"))
    assert engine.ask(visitors_of, job) == 2
    for owner, left in ((("a", "count"), 1), (("b", "count"), 0)):
        runner.release(owner)
        assert engine.ask(visitors_of, job) == left


@pytest.mark.parametrize("how", ["of itself", "killed"])
def test_a_process_that_dies_is_started_again_and_the_page_is_told(runner: Runner, engine: Engine, how: str) -> None:
    counting = runner.submit("count", Counting, "a")
    until(lambda: counting.count > 0)
    before = engine.pid
    assert before is not None
    if how == "killed":
        os.kill(before, signal.SIGKILL)
    else:
        runner.submit("death", lambda: Failing(how="death"), "b")
    until(lambda: counting.error is not None)
    assert counting.error == DIED
    until(lambda: runner.submit("count", Counting, "a") is not counting)
    again = runner.submit("count", Counting, "a")
    until(lambda: again.count > 0)
    assert engine.pid != before


PHASES = {
    "as it is asked for": lambda run: run.working,
    "with block 0 there": lambda run: run.block >= 0,
    "half way": lambda run: run.block >= run.config.n_blocks // 2,
    "while it is measured": lambda run: run.shown,
}


@pytest.mark.slow
@pytest.mark.parametrize("when", PHASES)
def test_a_process_that_is_killed_at_any_time_leaves_a_run_that_can_be_had_again(
    runner: Runner, engine: Engine, when: str
) -> None:
    data, config = load("digits", 1500), Config(n_components=8, n_blocks=12)
    graphs = cast(GraphStore, Shared("graphs"))

    def asked() -> Run:
        return runner.submit("run", lambda: Run(data, config, graphs), "a")

    engine.ask(raise_wanted, Counting(owners={"a"}), 0)  # it has started
    first = asked()
    until(lambda: PHASES[when](first))
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    until(lambda: asked() is not first or first.finished)
    until(lambda: asked().finished)
    assert asked().error is None
    here = Run(data, config, owners={"me"})
    here.work()
    there = engine.ask(run_latents, asked())
    np.testing.assert_allclose(there, here.full.latents, atol=1e-5 * np.abs(here.full.latents[0]).max())


def test_a_run_whose_latents_died_is_not_taken_for_one_that_has_them(runner: Runner, engine: Engine) -> None:
    data, graphs = load("digits", 100), cast(GraphStore, Shared("graphs"))
    run = runner.submit("run", lambda: Run(data, Config(n_components=4, n_blocks=1), graphs), "a")
    until(lambda: run.finished)
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    drawing = runner.submit("drawing", lambda: Drawing(run, ViewConfig()), "b")
    until(lambda: drawing.error is not None)
    assert drawing.error == DIED
    again = runner.submit("run", lambda: Run(data, Config(n_components=4, n_blocks=1), graphs), "a")
    assert again is not run
    until(lambda: again.finished and again.error is None)


def test_data_and_jobs_that_are_gone_here_are_gone_there(runner: Runner, engine: Engine) -> None:
    process = engine.start()

    def known() -> int:
        return len(process._jobs)

    job: Job | None = Counting(to=1, owners={"a"})
    engine.work(job)
    before = known()
    job = None
    until(lambda: known() < before)
    data: Dataset | None = load("digits", 50)
    assert engine.ask(len, data.Y) == 50  # type: ignore[union-attr]
    data = None
