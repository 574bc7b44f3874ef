"""Background runs: shared, cancelled, forgotten over budget, never raising."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from dr_transformer import Config, Dataset, load, unroll
from dr_transformer.engine import run as run_module
from dr_transformer.engine import run_cost
from dr_transformer.engine.jobs import Runner
from dr_transformer.engine.run import Run, deviation_from_float64
from dr_transformer.quality.curves import COLOURINGS
from dr_transformer.quality.metrics import effective_rank, knn_accuracy, subsample
from dr_transformer.quality.scores import nmi
from tests.helpers.machine import DEVICES

SMALL = Config(n_components=8, n_blocks=3)


_runners: list[Runner] = []


@pytest.fixture(autouse=True)
def _stopped_at_the_end() -> Iterator[None]:
    yield
    while _runners:
        _runners.pop().close()


def submit(runner: Runner, dataset: Dataset, config: Config, owner: str) -> Run:
    _runners.append(runner)
    return runner.submit((dataset.key, config), lambda: Run(dataset, config), owner)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits", 300)


def test_a_run_is_the_unrolled_transformer(digits: Dataset) -> None:
    run = submit(Runner(), digits, SMALL, owner="a")
    assert run.done.wait(30)
    assert run.error is None
    expected = [s.X.numpy() for s in unroll(digits.Y, SMALL) if s.ends_block]
    np.testing.assert_array_equal(np.stack(run.full.latents), np.stack(expected))
    assert run.full.start is not None
    assert run.full.start.shape == (300, 8)
    assert run.device in DEVICES
    assert run.seconds > 0
    assert run.deviation == deviation_from_float64(digits, SMALL)
    assert 0 < (run.deviation or 0) < 1e-4
    assert 1 <= (run.neighbours or 0) <= 299


@pytest.mark.parametrize("activation", ["none", "relu"])
def test_frames_are_the_sub_steps(digits: Dataset, activation: str) -> None:
    """Of each block only two arrays are kept; the others, made again row by row, are the model's to the bit."""
    config = Config(n_components=8, n_blocks=3, activation=activation, device="cpu")
    run = submit(Runner(), digits, config, owner="a")
    assert run.done.wait(30)
    frames = run.full.frames(config)
    assert [frame.depth for frame in frames] == [0, *(b + s for b in range(3) for s in (0.5, 0.75, 0.875, 1))]
    assert [frame.name for frame in frames[3:6]] == ["feed-forward of block 1", "block 1", "attention of block 2"]
    for frame, step in zip(frames, list(unroll(digits.Y, config))[1:], strict=True):
        np.testing.assert_array_equal(frame.X, step.X.numpy())


def test_latents_that_only_differ_by_rounding_are_noticed(digits: Dataset) -> None:
    """Attention that is all but uniform takes all tokens to one place; float64 resolves their differences longer."""
    found = {}
    for precision in ("float32", "float64"):
        config = Config(n_components=8, n_blocks=24, alpha=0.5, precision=precision)
        run = submit(Runner(), digits, config, owner="a")
        assert run.done.wait(30)
        found[precision] = run.full.lost_at
        if found[precision] is not None:
            X = run.full.latents[found[precision]].astype(np.float64)
            assert np.linalg.norm(X - X.mean(axis=0)) / np.linalg.norm(X) < 100 * np.finfo(precision).eps * 1.1
    assert found["float32"] is not None
    assert found["float64"] is None or found["float64"] > found["float32"]
    run = submit(Runner(), digits, SMALL, owner="a")
    assert run.done.wait(30)
    assert run.full.lost_at is None


def test_a_run_too_large_for_a_browser_keeps_the_blocks_alone(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_cost, "_MAX_POINTS", 300 * 3 * 4 - 1)
    run = submit(Runner(), digits, SMALL, owner="a")
    assert run.done.wait(30)
    assert [frame.depth for frame in run.full.frames(SMALL)] == [0, 1, 2, 3]
    assert run.full.attention == []


def test_equal_settings_share_one_run(digits: Dataset) -> None:
    runner = Runner()
    first = submit(runner, digits, SMALL, owner="a")
    assert submit(runner, digits, Config(n_components=8, n_blocks=3), owner="b") is first
    assert submit(runner, digits, Config(n_components=8, n_blocks=3, alpha=31), owner="b") is not first
    assert submit(runner, load("digits", 200), SMALL, owner="b") is not first


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Lets each run make one sub-step, then wait until it is told to go on."""
    go = threading.Event()

    def waiting(Y, config, **settings):
        for step in unroll(Y, config, **settings):
            yield step
            if step.block > 0:
                go.wait(30)

    monkeypatch.setattr(run_module, "unroll", waiting)
    return go


def _until(condition, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def test_a_newer_setting_cancels_the_older_run(digits: Dataset, slow: threading.Event) -> None:
    runner = Runner()
    old = submit(runner, digits, SMALL, owner="a")
    assert old.begun.wait(30)
    new = submit(runner, digits, Config(n_components=8, n_blocks=2), owner="a")
    slow.set()
    assert new.done.wait(30)
    _until(lambda: not old.working)
    assert not old.done.is_set()
    assert len(old.full.latents) == 1  # it stopped at the next sub-step
    assert len(new.full.latents) == 3
    again = submit(runner, digits, SMALL, owner="a")  # what was cancelled is computed again
    assert again.done.wait(30)
    assert len(again.full.latents) == 4


def test_what_another_session_waits_for_goes_on(digits: Dataset, slow: threading.Event) -> None:
    runner = Runner()
    run = submit(runner, digits, SMALL, owner="a")
    submit(runner, digits, SMALL, owner="b")
    runner.release("a")
    slow.set()
    assert run.done.wait(30)
    assert len(run.full.latents) == 4


def test_closing_stops_everything(digits: Dataset, slow: threading.Event) -> None:
    runner = Runner()
    run = submit(runner, digits, SMALL, owner="a")
    assert run.begun.wait(30)
    threading.Timer(0.2, slow.set).start()
    runner.close()
    assert not run.working
    assert not run.done.is_set()
    assert "Run" not in [thread.name for thread in threading.enumerate()]


def test_results_are_bounded_in_bytes(digits: Dataset) -> None:
    one = (4 + 3) * 300 * 8 * 4  # each block's end, and each attention
    runner = Runner(max_bytes=3 * one)
    runs = []
    for seed in range(6):
        runs.append(submit(runner, digits, Config(n_components=8, n_blocks=3, random_state=seed), owner="a"))
        assert runs[-1].done.wait(30)
        runner.release("a")
        _until(lambda: not runs[-1].working)
    assert runs[0].n_bytes == one
    assert submit(runner, digits, runs[5].config, owner="a") is runs[5]
    assert submit(runner, digits, runs[0].config, owner="a") is not runs[0]


def test_a_large_run_begins_with_a_preview(slow: threading.Event) -> None:
    """A class-balanced 2 000 runs through all blocks first, as if it were the whole."""
    data = load("mnist", 4000)
    slow.set()
    run = submit(Runner(), data, SMALL, owner="a")
    assert run.begun.wait(60)
    assert run.preview is not None
    assert run.preview_index is not None
    assert data.labels is not None
    counts = np.bincount(data.labels[run.preview_index])
    assert counts.sum() == 2000
    assert np.ptp(counts) <= 1
    expected = [s.X.numpy() for s in unroll(data.Y[run.preview_index], SMALL) if s.ends_block]
    np.testing.assert_array_equal(np.stack(run.preview.latents), np.stack(expected))
    assert run.done.wait(60)
    assert len(run.full.latents[0]) == 4000


def test_the_analysis_follows_and_can_be_taken_up_again(digits: Dataset) -> None:
    runner = Runner()
    run = submit(runner, digits, SMALL, owner="a")
    assert run.done.wait(30)
    runner.release("a")
    _until(lambda: not run.working)
    assert submit(runner, digits, SMALL, owner="a") is run
    _until(lambda: run.finished)
    assert run.analysis.measured == {"curves"}
    run.wanted = frozenset(COLOURINGS)
    assert not run.finished
    assert submit(runner, digits, SMALL, owner="a") is run
    _until(lambda: run.finished)
    analysis, labels, latents = run.analysis, digits.labels, run.full.latents
    assert labels is not None
    assert analysis.curves["accuracy"] == [knn_accuracy(X, labels) for X in latents]
    assert analysis.curves["nmi"] == [nmi(X, labels) for X in latents]
    assert analysis.curves["effective_rank"] == [effective_rank(X) for X in latents]
    assert len(analysis.curves["mean_cosine"]) == 4
    assert analysis.clusters is not None
    assert len(np.unique(analysis.clusters)) == 10
    assert np.stack(analysis.preservation).shape == (4, 300)
    assert 0.1 < analysis.preservation[0].mean() < 1
    assert np.stack(analysis.neighbours).min() >= 1
    assert np.median(analysis.neighbours[-1]) == pytest.approx(run.neighbours, rel=0.02)  # an even number of them


def test_bad_data_are_a_sentence_not_an_exception() -> None:
    digits = load("digits", 50)
    run = submit(Runner(), digits, Config(n_components=100, projection="pca"), owner="a")
    assert run.done.wait(30)
    assert run.finished
    assert "use at most 50" in (run.error or "")
    assert run.begun.is_set()


def test_subsample_is_seeded_sorted_and_at_most_all() -> None:
    np.testing.assert_array_equal(subsample(10, 500, 0), np.arange(10))
    rows = subsample(1000, 500, 42)
    assert len(np.unique(rows)) == 500
    assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(rows, subsample(1000, 500, 42))
