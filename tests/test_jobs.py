"""Background runs: shared, cancelled, forgotten over budget, never raising."""

import threading
import time

import numpy as np
import pytest

from dr_transformer import Config, Dataset, load, unroll
from dr_transformer import jobs as jobs_module
from dr_transformer.jobs import Runner, deviation_from_float64, subsample

SMALL = Config(n_components=8, n_blocks=3)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits", 300)


def test_a_run_is_the_unrolled_transformer(digits: Dataset) -> None:
    run = Runner().submit(digits, SMALL, owner="a")
    assert run.done.wait(30)
    assert run.error is None
    expected = [s.X.numpy() for s in unroll(digits.Y, SMALL) if s.ends_block]
    np.testing.assert_array_equal(np.stack(run.latents), np.stack(expected))
    assert run.start is not None
    assert run.start.shape == (300, 8)
    assert run.device == "cpu" or run.device == "cuda"
    assert run.seconds > 0
    assert run.deviation == deviation_from_float64(digits, SMALL)
    assert 0 < (run.deviation or 0) < 1e-4
    assert all(1 <= count <= 299 for count in run.neighbours)


def test_equal_settings_share_one_run(digits: Dataset) -> None:
    runner = Runner()
    first = runner.submit(digits, SMALL, owner="a")
    assert runner.submit(digits, Config(n_components=8, n_blocks=3), owner="b") is first
    assert runner.submit(digits, Config(n_components=8, n_blocks=3, alpha=31), owner="b") is not first
    assert runner.submit(load("digits", 200), SMALL, owner="b") is not first


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Lets each run make one sub-step, then wait until it is told to go on."""
    go = threading.Event()

    def waiting(Y, config):
        for step in unroll(Y, config):
            yield step
            if step.block > 0:
                go.wait(30)

    monkeypatch.setattr(jobs_module, "unroll", waiting)
    return go


def _until(condition, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def test_a_newer_setting_cancels_the_older_run(digits: Dataset, slow: threading.Event) -> None:
    runner = Runner()
    old = runner.submit(digits, SMALL, owner="a")
    assert old.begun.wait(30)
    new = runner.submit(digits, Config(n_components=8, n_blocks=2), owner="a")
    slow.set()
    assert old.done.wait(30)
    assert new.done.wait(30)
    assert old.cancelled.is_set()
    assert len(old.latents) == 1  # it stopped at the next sub-step
    assert len(new.latents) == 3
    again = runner.submit(digits, SMALL, owner="a")  # what was cancelled is computed anew
    assert again is not old
    assert again.done.wait(30)
    assert len(again.latents) == 4


def test_what_another_session_waits_for_goes_on(digits: Dataset, slow: threading.Event) -> None:
    runner = Runner()
    run = runner.submit(digits, SMALL, owner="a")
    runner.submit(digits, SMALL, owner="b")
    runner.release("a")
    slow.set()
    assert run.done.wait(30)
    assert len(run.latents) == 4
    assert not run.cancelled.is_set()


def test_results_are_bounded_in_bytes(digits: Dataset) -> None:
    one = 4 * 300 * 8 * 4
    runner = Runner(max_bytes=3 * one)
    runs = []
    for seed in range(6):
        runs.append(runner.submit(digits, Config(n_components=8, n_blocks=3, random_state=seed), owner="a"))
        assert runs[-1].done.wait(30)
    assert runs[0].n_bytes == one
    assert runner.submit(digits, runs[5].config, owner="a") is runs[5]
    assert runner.submit(digits, runs[0].config, owner="a") is not runs[0]


def test_bad_data_are_a_sentence_not_an_exception() -> None:
    digits = load("digits", 50)
    run = Runner().submit(digits, Config(n_components=100, projection="pca"), owner="a")
    assert run.done.wait(30)
    assert "use at most 50" in (run.error or "")
    assert run.begun.is_set()


def test_subsample_is_seeded_sorted_and_at_most_all() -> None:
    np.testing.assert_array_equal(subsample(10, 500, 0), np.arange(10))
    rows = subsample(1000, 500, 42)
    assert len(np.unique(rows)) == 500
    assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(rows, subsample(1000, 500, 42))
