"""The phase diagram: every cell is a run of its own, cancelled, resumed and kept on disk."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from dr_transformer import Config, Dataset, InputError, load, unroll
from dr_transformer.data.dataset import draw
from dr_transformer.engine import sweep as sweep_module
from dr_transformer.engine.jobs import Runner
from dr_transformer.engine.sweep import Sweep
from dr_transformer.quality.metrics import METRICS
from dr_transformer.quality.scores import Quality, Reference, quality
from dr_transformer.quality.sweep_cache import SweepCache
from dr_transformer.quality.sweep_grid import COLUMNS, MAX_CELLS, Grid

BASE = Config(n_components=8, n_blocks=2, alpha=7, eta=0.3, device="cpu")
ETA = Grid("eta", (5, 30), (0.2, 0.5, 0.4))
DEPTH = Grid("n_blocks", (5, 30), (1, 2, 4))
N = 60


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits", 100)


@pytest.fixture
def cache(tmp_path: Path) -> SweepCache:
    return SweepCache(tmp_path / "cache" / "sweep.sqlite")


def computed(dataset: Dataset, grid: Grid, cache: SweepCache | None, base: Config = BASE, n: int = N) -> Sweep:
    sweep = Sweep(dataset, base, grid, n, cache, owners={"me"})
    sweep.work()
    assert sweep.error is None
    return sweep


def plain(dataset: Dataset, config: Config) -> Quality:
    """The same figures, the long way."""
    rows = draw(dataset.n_samples, dataset.labels, N, config.random_state)
    assert dataset.labels is not None
    *_, last = unroll(dataset.Y[rows], config)
    reference = Reference.of(dataset.Y[rows], dataset.labels[rows], random_state=config.random_state)
    return quality(last.X.numpy(), reference)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """The settings of all transformers that are run."""
    seen: list[Config] = []

    def counting(Y, config, projection, *rest):
        seen.append(config)
        return unroll(Y, config, projection, *rest)

    monkeypatch.setattr(sweep_module, "unroll", counting)
    return seen


@pytest.mark.parametrize("grid", [ETA, DEPTH], ids=["eta", "depth"])
def test_every_cell_is_a_run_of_its_own(digits: Dataset, cache: SweepCache, grid: Grid) -> None:
    sweep = computed(digits, grid, cache)
    assert sweep.finished
    assert sweep.progress == 1
    for cell in np.ndindex(grid.shape):
        row, column = cell
        if grid.values[column] == 0.5:
            continue
        config = grid.config(BASE, cell)
        assert (config.alpha, getattr(config, grid.column)) == (grid.alphas[row], grid.values[column])
        expected = plain(digits, config)
        assert {name: sweep.figures[name][cell] for name in METRICS} == expected.figures
    assert len(set(sweep.figures["mean_cosine"][~np.isnan(sweep.figures["mean_cosine"])])) >= 4


def test_a_cell_without_a_transformer_is_nan_with_its_reason(digits: Dataset) -> None:
    sweep = computed(digits, ETA, None)
    for row in (0, 1):
        assert all(np.isnan(sweep.figures[name][row, 1]) for name in METRICS)
        assert sweep.reasons[row, 1]["nmi"].startswith("eta must not be exactly 0.5")
        with pytest.raises(InputError, match="exactly"):
            ETA.config(BASE, (row, 1))
    assert set(sweep.reasons) == {(0, 1), (1, 1)}
    assert all(np.isnan(values).sum() == 2 for values in sweep.figures.values())


def test_figures_that_do_not_exist_are_nan_with_a_reason(digits: Dataset) -> None:
    unlabelled = Dataset(**{**digits.__dict__, "labels": None, "key": "unlabelled"})
    sweep = computed(unlabelled, Grid("eta", (5,), (0.2,)), None)
    assert np.isnan(sweep.figures["nmi"][0, 0])
    assert sweep.reasons[0, 0]["nmi"] == "the data have no labels"
    assert sweep.figures["recall"][0, 0] > 0
    assert sweep.sample == "60 of 100 tokens, a subset drawn with seed 42"


def test_the_sample_is_said(digits: Dataset) -> None:
    assert Sweep(digits, BASE, ETA, N, None).sample == ("60 of 100 tokens, a class-balanced subset drawn with seed 42")
    assert Sweep(digits, BASE, ETA, cache=None).sample == "all 100 tokens"
    assert Sweep(load("mnist", 2500), BASE, ETA, cache=None).n_samples == 2000


def test_depth_takes_one_run_for_each_alpha(digits: Dataset, runs: list[Config]) -> None:
    computed(digits, Grid("n_blocks", (5, 30), (1, 2)), None)
    assert [(config.alpha, config.n_blocks) for config in runs] == [(5, 1), (5, 2), (30, 2)]  # coarse cell first
    runs.clear()
    computed(digits, Grid("n_blocks", (5,), (1, 2, 3, 4, 5)), None)
    assert [config.n_blocks for config in runs] == [5, 3, 4]  # every fourth depth, every second, the others


@pytest.mark.parametrize("shape", [(1, 1), (13, 13), (5, 4), (2, 9)])
def test_cells_come_coarse_first_and_each_once(shape: tuple[int, int]) -> None:
    rows, columns = shape
    grid = Grid("n_blocks", tuple(range(1, rows + 1)), tuple(range(1, columns + 1)))
    order = list(grid.coarse_first())
    assert sorted(order) == sorted(np.ndindex(shape))
    strides = [4 if r % 4 == c % 4 == 0 else 2 if r % 2 == c % 2 == 0 else 1 for r, c in order]
    assert strides == sorted(strides, reverse=True)


def test_what_is_not_there_yet_shows_its_coarse_cell(digits: Dataset) -> None:
    sweep = Sweep(digits, BASE, Grid("n_blocks", (1, 2, 3, 4, 5), (1, 2, 3, 4, 5)), N, None)
    assert np.isnan(sweep.preview("nmi")).all()
    for cell, value in {(0, 0): 1, (0, 4): 2, (4, 0): 3, (2, 2): 4, (1, 1): 5}.items():
        sweep.figures["nmi"][cell] = value
        sweep.done[cell] = True
    expected = [[1, 1, 1, 1, 2], [1, 5, 1, 1, 2], [1, 1, 4, 4, 2], [1, 1, 4, 4, 2], [3, 3, 3, 3, np.nan]]
    np.testing.assert_array_equal(sweep.preview("nmi"), expected)
    assert sweep.progress == 5 / 25
    sweep.done[4, 4] = True  # a cell without a figure stays empty
    assert np.isnan(sweep.preview("nmi")[4, 4])


def test_cancelled_between_sub_steps_and_taken_up_again(
    digits: Dataset, runs: list[Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = Sweep(digits, BASE, ETA, N, None, owners={"me"})
    steps = 0

    def stopping(Y, config, projection, *rest):
        nonlocal steps
        runs.append(config)
        for step in unroll(Y, config, projection, *rest):
            steps += 1
            if len(runs) == 3 and step.block == 1:
                sweep.owners.clear()
            yield step

    monkeypatch.setattr(sweep_module, "unroll", stopping)
    sweep.work()
    assert not sweep.finished
    assert sweep.error is None
    assert steps == 2 * 10 + 3  # projection, LayerNorm and the first attention of the third
    assert sweep.done.sum() == 2 + 2  # the two bad cells were known at once
    assert sweep.progress == pytest.approx(4 / 6)
    before = {name: values.copy() for name, values in sweep.figures.items()}
    sweep.owners.add("me")
    sweep.work()
    assert sweep.finished
    assert len(runs) == 5  # two finished, one begun twice, one more
    whole = computed(digits, ETA, None)
    for name in METRICS:
        np.testing.assert_array_equal(sweep.figures[name], whole.figures[name])
        kept = ~np.isnan(before[name])
        np.testing.assert_array_equal(before[name][kept], whole.figures[name][kept])


@pytest.fixture
def runner() -> Iterator[Runner]:
    runner = Runner()
    yield runner
    runner.close()


def wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def test_a_runner_runs_it_and_shares_equal_ones(digits: Dataset, runner: Runner, cache: SweepCache) -> None:
    first = Sweep(digits, BASE, ETA, N, cache)
    sweep = runner.submit(first.key, lambda: first, "a")
    wait(lambda: sweep.finished)
    other = Sweep(digits, Config.from_dict(BASE.to_dict() | {"alpha": 99.0, "eta": 0.1}), ETA, N, cache)
    assert runner.submit(other.key, lambda: other, "b") is first  # what is swept is not read
    for different in (
        Sweep(digits, Config.from_dict(BASE.to_dict() | {"n_blocks": 3}), ETA, N, cache),
        Sweep(digits, BASE, DEPTH, N, cache),
        Sweep(digits, BASE, ETA, N - 1, cache),
        Sweep(load("digits", 99), BASE, ETA, N, cache),
    ):
        assert different.key != first.key
    assert sweep.n_bytes == 6 + 9 * 6 * 8


def test_what_is_wrong_everywhere_is_one_sentence(digits: Dataset) -> None:
    blank = Dataset(**{**digits.__dict__, "Y": np.zeros_like(digits.Y), "key": "blank"})
    pca = Config(n_components=64, projection="pca")
    for dataset, base, n, message in ((blank, BASE, N, "are blank"), (digits, pca, 30, "use at most 30")):
        sweep = Sweep(dataset, base, ETA, n, None, owners={"me"})
        sweep.work()
        assert message in (sweep.error or "")
        assert sweep.finished
        assert sweep.progress < 1


def test_bad_grids_are_refused() -> None:
    with pytest.raises(InputError, match="column must be eta or n_blocks, but is 'n_heads'"):
        Grid("n_heads")
    with pytest.raises(InputError, match="alpha must be greater than 0"):
        Grid("eta", (0.0, 1.0))
    with pytest.raises(InputError, match="n_blocks must be a whole number"):
        Grid("n_blocks", (1.0,), (1.5,))
    for bad in ({"alphas": ()}, {"alphas": (1.0, 1)}, {"values": (0.2, 0.2)}):
        with pytest.raises(InputError, match="at least one value"):
            Grid("eta", **bad)
    with pytest.raises(InputError, match="65 × 64 cells is too large"):
        Grid("n_blocks", tuple(range(1, 66)), tuple(range(1, 65)))
    assert MAX_CELLS == 64 * 64
    for column, values in COLUMNS.items():
        assert Grid(column).values == values
        assert Grid(column).shape == (13, 13)
    assert hash(Grid("eta")) == hash(Grid())


# --- the cache --------------------------------------------------------------------------------------------------------


def test_a_sweep_is_paid_for_once(
    digits: Dataset, cache: SweepCache, runs: list[Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = computed(digits, ETA, cache)
    assert first.n_cached == 0
    assert len(runs) == 4
    with monkeypatch.context() as patch:
        patch.setattr(Reference, "of", None)  # nothing is prepared where nothing is left to compute
        again = computed(digits, ETA, SweepCache(cache.path))
    assert again.n_cached == 4
    assert len(runs) == 4
    for name in METRICS:
        np.testing.assert_array_equal(again.figures[name], first.figures[name])
    assert again.reasons == first.reasons
    depth = computed(digits, Grid("n_blocks", (5, 30), (2, 3)), cache, Config.from_dict(BASE.to_dict() | {"eta": 0.4}))
    assert depth.n_cached == 2  # α × η at two blocks has them already
    computed(digits, ETA, None)
    assert len(runs) == 4 + 2 + 4


def test_what_the_disk_has_is_read_without_computing(
    digits: Dataset, cache: SweepCache, runs: list[Config], runner: Runner
) -> None:
    first = computed(digits, Grid("eta", (5,), (0.2, 0.5)), cache)
    runs.clear()
    read = Sweep(digits, BASE, ETA, N, cache, recall_only=True)
    job = runner.submit("read", lambda: read, "me")
    wait(lambda: job.finished)
    assert runs == []
    assert job.n_cached == 1
    assert job.done.sum() == 1 + 2  # and the two without a transformer
    assert job.figures["nmi"][0, 0] == first.figures["nmi"][0, 0]
    assert job.complete
    whole = Sweep(digits, BASE, ETA, N, cache)
    assert whole.key == read.key
    assert not whole.finished


def test_every_setting_has_figures_of_its_own(
    digits: Dataset, cache: SweepCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Grid("eta", (5,), (0.2,))
    computed(digits, one, cache)
    assert computed(digits, one, cache).n_cached == 1
    for base in ({"random_state": 1}, {"n_components": 10}, {"precision": "float64"}, {"mask_self": False}):
        assert computed(digits, one, cache, Config.from_dict(BASE.to_dict() | base)).n_cached == 0
    assert computed(digits, one, cache, n=N - 1).n_cached == 0
    assert computed(load("digits", 99), one, cache).n_cached == 0
    with monkeypatch.context() as patch:
        patch.setattr(sweep_module, "SUBSAMPLE", 50)
        assert computed(digits, one, cache).n_cached == 0
    monkeypatch.setattr(sweep_module, "__version__", "0.0.0")
    assert computed(digits, one, cache).n_cached == 0


def test_a_damaged_cache_is_computed_again(digits: Dataset, cache: SweepCache, runs: list[Config]) -> None:
    one = Grid("eta", (5,), (0.2,))
    exact = computed(digits, one, cache).figures["nmi"]
    assert cache.path is not None
    good = cache.path.read_bytes()
    cache.path.write_bytes(good[:100] + b"\xff" * (len(good) - 100))
    np.testing.assert_array_equal(computed(digits, one, cache).figures["nmi"], exact)
    assert len(runs) == 2
    assert computed(digits, one, cache).n_cached == 1
