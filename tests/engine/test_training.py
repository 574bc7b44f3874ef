"""A comparison in the app: in a process of its own, shown while it runs, cancelled, and gone on with."""

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dr_transformer.engine import training as jobs
from dr_transformer.engine.jobs import Runner
from dr_transformer.engine.training import TrainingJob
from dr_transformer.training.loop import train
from dr_transformer.training.results import read_results
from dr_transformer.training.runs import Sources
from dr_transformer.training.settings import RunConfig
from dr_transformer.training.text import load_text
from tests.training.tiny import changed, text

SETTINGS = changed("lm", max_iters=40, eval_interval=20)
ENDLESS = changed("lm", max_iters=10**6, eval_interval=10**6, dropout=0.1, bias=True)


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    (tmp_path / "words.txt").write_text(text())
    return Sources(text=tmp_path / "words.txt")


@pytest.fixture
def runner():
    made = Runner()
    yield made
    made.close(60)


def until(condition: Callable[[], bool], job: TrainingJob) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert job.error is None, job.error
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_comparison_gives_the_rows_of_the_command(tmp_path: Path, sources: Sources, runner: Runner) -> None:
    folder = tmp_path / "kept"
    job = runner.submit(
        "a", lambda: TrainingJob(SETTINGS, ("standard", "learned"), (0, 1), sources, folder=folder), "me"
    )
    assert (job.n_runs, job.progress, job.seconds_left) == (4, 0, None)
    until(lambda: job.complete, job)
    assert (job.progress, job.current, job.finished) == (1, None, True)
    assert job.seconds_left == 0
    assert [(row.seed, row.attention) for row in job.rows] == [(s, a) for s in (0, 1) for a in ("standard", "learned")]
    data = load_text(sources.text, lambda _: None)
    for row in job.rows:
        here = train(SETTINGS, row.attention, row.seed, data=data, run=RunConfig(device="cpu"))
        assert row.settings_hash == here.settings_hash
        assert row.curve["val_loss"] == pytest.approx(here.curve["val_loss"], abs=1e-5)
        assert row.device["threads"] == 1
    (file,) = folder.iterdir()
    assert read_results(file).rows == job.rows
    assert job.messages == ("words.txt: from a file.",)
    # More seeds: what has been made is not made again.
    more = runner.submit("b", lambda: TrainingJob(SETTINGS, ("learned",), (0, 2), sources, folder=folder), "me")
    until(lambda: more.complete, more)
    assert more.rows[0] == job.rows[1]
    assert [row.seed for row in more.rows] == [0, 2]
    assert len(read_results(file).rows) == 5


def test_curves_while_it_runs_and_cancelled_and_gone_on_with(tmp_path: Path, sources: Sources, runner: Runner) -> None:
    settings = dataclasses.replace(ENDLESS, eval_interval=50)
    make = lambda: TrainingJob(settings, ("laplacian",), (3,), sources, folder=tmp_path / "kept")  # noqa: E731
    job = runner.submit("a", make, "me")
    until(lambda: len(job.curve.get("step", [])) >= 2, job)
    assert job.current == ("laplacian", 3)
    assert 0 < job.iteration < job.n_iterations == 10**6
    assert 0 < job.progress < 1
    assert job.seconds_left is not None
    assert job.curve["step"][:2] == [0, 50]
    assert len(job.curve["val_loss"]) == len(job.curve["step"])
    assert job.train["loss"]
    at = job.iteration
    runner.release("me")
    until(lambda: not job.working, job)
    assert (job.finished, job.error, job.current) == (False, None, None)
    assert {path.suffix for path in (tmp_path / "kept").iterdir()} == {".jsonl", ".checkpoint"}
    again = runner.submit("a", make, "me")
    assert again is job
    until(lambda: job.iteration > 0, job)
    assert job.iteration >= at
    assert job.curve["step"][:2] == [0, 50]


@pytest.mark.parametrize(
    ("settings", "attentions", "content", "sentence"),
    [
        (SETTINGS, ("standard",), "ababab", "too few for a context of 8"),
        (SETTINGS, ("standard",), None, "the text "),
        (SETTINGS, ("mean",), text(), "unknown attention 'mean'"),
        (changed("lm", learning_rate=1e30, grad_clip=0, warmup_iters=0), ("standard",), text(), "is no longer finite"),
    ],
)
def test_bad_input_is_one_sentence(settings, attentions, content, sentence, tmp_path: Path, runner: Runner) -> None:
    path = tmp_path / "a.txt"
    if content is not None:
        path.write_text(content)
    made = TrainingJob(settings, attentions, (0,), Sources(text=path), folder=tmp_path)
    job = runner.submit("a", lambda: made, "me")
    deadline = time.monotonic() + 60
    while not job.finished:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert job.error is not None
    assert sentence in job.error
    assert "dr-transformer" not in job.error
    assert "\n" not in job.error


def test_a_process_that_dies_is_said(
    tmp_path: Path, sources: Sources, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def remembered(*arguments, **options):
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(jobs.subprocess, "Popen", remembered)
    job = runner.submit("a", lambda: TrainingJob(ENDLESS, ("standard",), (0,), sources, folder=tmp_path / "kept"), "me")
    until(lambda: job.iteration > 0, job)
    started[0].kill()
    deadline = time.monotonic() + 60
    while not job.finished:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert job.error == "the training process ended with status -9; start it again: it goes on from its last save."


def test_no_folder_to_keep_results_in(tmp_path: Path, sources: Sources) -> None:
    (tmp_path / "file").touch()
    job = TrainingJob(SETTINGS, ("standard",), (0,), sources, folder=tmp_path / "file" / "x", owners={"me"})
    job.work()
    assert job.error is not None
    assert job.error.startswith("there is no folder to keep results in")


def test_every_setting_reaches_the_process(tmp_path: Path) -> None:
    """The flags that the job gives are read back as the same plan."""
    from dr_transformer.cli import commands
    from dr_transformer.training.settings import PRESETS, TASKS, preset

    for task, presets in PRESETS.items():
        for settings in (*presets.values(), changed(task, a_start=-0.5, a_per_layer=True, a_learned=False, bias=True)):
            job = TrainingJob(settings, ("standard",), (0, 5), folder=tmp_path)
            options = commands._parser().parse_args(job._arguments())
            given = {n: getattr(options, n) for n in TASKS[task].parameters() if getattr(options, n) is not None}
            assert preset(task, "minute", given) == settings
            assert (options.attention, options.seeds, options.threads, options.events) == ("standard", "0,5", 1, True)


def test_the_process_ends_with_the_app(tmp_path: Path, sources: Sources) -> None:
    """Whoever holds the other end of its input dies: it saves its run and ends."""
    job = TrainingJob(ENDLESS, ("standard",), (0,), sources, folder=tmp_path / "kept")
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "dr_transformer", *job._arguments()]
    with subprocess.Popen(command, stdin=reading, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        os.close(reading)
        assert process.stdout is not None
        next(line for line in process.stdout if '"step"' in line)
        os.close(writing)
        process.stdout.read()
        assert process.wait(30) == 130
    assert list((tmp_path / "kept").glob("*.checkpoint"))
