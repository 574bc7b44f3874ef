"""The phase diagram as drawn and as read: every mark and every sentence follows from the figures."""

import dataclasses
import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from dr_transformer import Config, Dataset, InputError, load, unroll
from dr_transformer.charts.phase import cell_of, phase_chart
from dr_transformer.charts.phase_reading import best_cell, collapse_in_row, collapsed, reading, records, rounding, table
from dr_transformer.engine.sweep import Sweep
from dr_transformer.model.collapse import spread
from dr_transformer.palette import SEQUENTIAL
from dr_transformer.quality.metrics import METRICS
from dr_transformer.quality.sweep_grid import ALPHAS, COLUMNS, RESOLUTIONS, Grid

GRID = Grid("eta", (2, 30, 300), (0.2, 0.4, 0.6, 0.8))
NMI = [[0.1, 0.2, 0.3, 0.4], [0.5, 0.6, np.nan, 0.7], [0.5, 0.4, 0.3, 0.2]]
RANK = [[1.9, 1.5, 1.2, 1.1], [4, 3, 2.5, 1.9], [9, 8, 7, 6]]


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits", 100)


@pytest.fixture
def sweep(digits: Dataset) -> Sweep:
    """A sweep with figures made up."""
    made = Sweep(digits, Config(n_components=8), GRID, 50, None)
    made.figures |= {"nmi": np.array(NMI), "effective_rank": np.array(RANK), "mean_cosine": 0 * np.array(RANK)}
    made.figures["accuracy"] = 1 - np.array(NMI)
    made.done[:] = True
    made.reasons[1, 2] = {"nmi": "the tokens lie at 3 points"}
    return made


# --- the grids --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", COLUMNS)
def test_finer_grids_hold_coarser_ones_and_the_papers_values(column: str) -> None:
    paper, declared = Config(), Config.parameters()
    grids = [Grid.of(column, resolution) for resolution in RESOLUTIONS]
    for resolution, grid in zip(RESOLUTIONS, grids, strict=True):
        assert grid.shape == (resolution, resolution)
        assert paper.alpha in grid.alphas
        assert getattr(paper, column) in grid.values
        for name, values in (("alpha", grid.alphas), (column, grid.values)):
            low, high = declared[name].widget_range or (0, 0)
            assert low <= min(values) < max(values) <= high  # every cell can be loaded
            assert list(values) == sorted(values)
        for cell in np.ndindex(grid.shape):
            grid.config(paper, cell)  # each is a transformer
    for coarse, fine in pairwise(grids):
        assert set(coarse.alphas) < set(fine.alphas)
        assert set(coarse.values) < set(fine.values)
    assert Grid.of(column, 13) == Grid(column)
    steps = np.diff(np.log(ALPHAS))
    assert steps.max() < 3 * steps.min()
    with pytest.raises(InputError, match="resolution must be one of"):
        Grid.of(column, 12)


# --- the chart --------------------------------------------------------------------------------------------------------


def trace(figure, name):
    (found,) = [t for t in figure.data if t.name == name]
    return list(zip(found.x, found.y, strict=True))


def test_the_heat_map_holds_the_figures_and_its_marks(sweep: Sweep) -> None:
    figure = phase_chart(sweep, "nmi", Config(alpha=30, eta=0.4))
    heat, points = figure.data[:2]
    np.testing.assert_array_equal(np.array(heat.z, float), NMI)
    assert [colour for _, colour in heat.colorscale] == list(SEQUENTIAL)
    assert [tuple(cell) for cell in points.customdata] == list(np.ndindex(GRID.shape))
    assert list(points.x[:4]) == [0.2, 0.4, 0.6, 0.8]
    assert list(points.y[::4]) == [2, 30, 300]
    assert trace(figure, "best") == [(0.8, 30)]
    assert set(trace(figure, "effective rank below 2")) == {(0.2, 2), (0.4, 2), (0.6, 2), (0.8, 2), (0.8, 30)}
    assert trace(figure, "rounding") == []
    assert figure.layout.yaxis.type == "log"
    assert figure.layout.xaxis.type == "linear"
    assert figure.layout.xaxis.title.text == "η"
    assert figure.layout.yaxis.title.text == "α"
    assert list(figure.layout.yaxis.tickvals) == [2, 30, 300]


def test_every_point_is_inside_its_own_cell_and_nearest_there(sweep: Sweep) -> None:
    """So that Plotly's nearest point is that of the cell under the mouse, on a logarithmic axis too."""
    for grid in (GRID, Grid("n_blocks", (2, 3, 100), (1, 2, 3, 32)), Grid("eta", (7,), (0.3,))):
        figure = phase_chart(Sweep(sweep.dataset, sweep.config, grid, 50, None), "nmi", Config())
        log = {"x": grid.column == "n_blocks", "y": True}
        for axis, values in (("x", grid.values), ("y", grid.alphas)):
            edges = np.array(figure.data[0][axis], float)
            assert len(edges) == len(values) + 1
            place = np.log(edges) if log[axis] else edges
            middle = np.log(values) if log[axis] else np.array(values, float)
            assert (place[:-1] < middle).all()
            assert (middle < place[1:]).all()
            np.testing.assert_allclose(place[1:-1], (middle[1:] + middle[:-1]) / 2)


def test_the_current_settings_are_framed_or_ringed(sweep: Sweep) -> None:
    assert cell_of(sweep, Config(alpha=30, eta=0.4)) == (1, 1)
    framed = phase_chart(sweep, "nmi", Config(alpha=30, eta=0.4))
    boxes = {(s.x0, s.x1, s.y0, s.y1) for s in framed.layout.shapes}
    ((x0, x1, y0, y1),) = boxes
    assert (x0, x1) == pytest.approx((0.3, 0.5))
    assert (y0, y1) == pytest.approx((math.sqrt(60), math.sqrt(9000)))
    ringed = phase_chart(sweep, "nmi", Config(alpha=31, eta=0.4))
    assert not ringed.layout.shapes
    assert trace(ringed, "current settings") == [(0.4, 31)]
    outside = phase_chart(sweep, "nmi", Config(alpha=31, eta=0.01))
    assert trace(outside, "current settings") == []


def test_hover_says_the_settings_the_figure_or_why_there_is_none(sweep: Sweep) -> None:
    sweep.done[2, 3] = False
    sweep.figures["nmi"][2, 3] = np.nan
    said = phase_chart(sweep, "nmi", Config()).data[1].text
    assert said[0] == "α = 2, η = 0.2<br>NMI of k-means clusters: 0.100"
    assert said[6] == "α = 30, η = 0.6<br>no NMI of k-means clusters: the tokens lie at 3 points"
    assert said[11] == "α = 300, η = 0.8<br>not computed yet"
    assert phase_chart(sweep, "effective_rank", Config()).data[1].text[5].endswith("effective rank: 3.00")


def test_while_it_is_computed_coarse_cells_fill_the_map(digits: Dataset) -> None:
    sweep = Sweep(digits, Config(), Grid("n_blocks", (1, 2), (1, 2)), 50, None)
    sweep.figures["nmi"][0, 0], sweep.done[0, 0] = 0.5, True
    assert phase_chart(sweep, "nmi", Config(), coarse=True).data[0].z == ([0.5, 0.5], [0.5, 0.5])
    assert phase_chart(sweep, "nmi", Config()).data[0].z == ([0.5, None], [None, None])
    json.loads(phase_chart(sweep, "nmi", Config()).to_json())  # nothing that JSON has not


# --- the reading guide ------------------------------------------------------------------------------------------------


def test_sentences_hold_the_figures(sweep: Sweep) -> None:
    best, neighbours, collapse = reading(sweep, Config())
    assert best == (
        "**Best NMI of k-means clusters**: 0.700, at α = 30, η = 0.8, where the effective rank is 1.90. The paper's "
        "α = 30, η = 0.4 has 0.600 here."
    )
    assert neighbours == (
        "**Best 5-NN accuracy**: 0.900, elsewhere, at α = 2, η = 0.2; the cell of the best NMI has 0.300."
    )
    assert collapse == (
        "**Collapse**: the effective rank is below 2 in 5 of 12 cells (dots). By row: α = 2 at every η; α = 30 from "
        "η = 0.8 on; α = 300 nowhere."
    )
    sweep.done[0, 0] = False
    assert all("** so far: " in sentence for sentence in reading(sweep, Config()))


def test_without_classes_it_is_read_by_neighbours(sweep: Sweep) -> None:
    for name, metric in METRICS.items():
        if metric.needs_labels:
            sweep.figures[name][:] = np.nan
    assert list(reading(sweep, Config())) == []
    sweep.figures["recall"][2, 1] = 0.25
    assert next(reading(sweep, Config())).startswith("**Best kNN recall**: 0.250, at α = 300, η = 0.4")


def test_what_is_best_and_what_has_collapsed(sweep: Sweep) -> None:
    assert best_cell(sweep, "nmi") == (1, 3)
    assert best_cell(sweep, "effective_rank") is None  # neither end is good in itself
    assert best_cell(sweep, "recall") is None
    assert collapsed(sweep).sum() == 5
    rows = {"1 3 1 3": "at η = 0.2, 0.6", "3 1 1 1": "from η = 0.4 on", "2 2 3 9": "nowhere", "1 1 1 1": "at every η"}
    for values, said in rows.items():
        sweep.figures["effective_rank"][0] = [float(value) for value in values.split()]
        assert collapse_in_row(sweep, 0) == said
    sweep.figures["effective_rank"][0] = [np.nan, 3, 1, np.nan]
    assert collapse_in_row(sweep, 0) == "from η = 0.6 on"
    sweep.figures["effective_rank"][0] = np.nan
    assert collapse_in_row(sweep, 0) == "not known yet"


def test_rounding_is_told_from_figures(digits: Dataset) -> None:
    """A small α takes all tokens to one place: float32 loses them, float64 resolves them; the latents say which."""
    base = Config(n_components=8, device="cpu")
    grid = Grid("n_blocks", (2, 300), (1, 8, 14, 16, 18, 20, 24))
    sweep = Sweep(digits, base, grid, 100, None, owners={"me"})
    sweep.work()
    lost = rounding(sweep)
    for cell in np.ndindex(grid.shape):
        if np.isnan(sweep.figures["mean_cosine"][cell]):
            continue
        *_, last = unroll(digits.Y, grid.config(base, cell))
        n, cosine = 100, sweep.figures["mean_cosine"][cell]
        found = spread(last.X.double())
        assert math.sqrt(max(0, 1 - cosine) * (n - 1) / n) == pytest.approx(found, rel=1e-3, abs=1e-7)
        assert lost[cell] == (found < 100 * torch.finfo(torch.float32).eps)
    assert lost[0].any()
    assert not lost[1].any()
    assert len(trace(phase_chart(sweep, "nmi", base), "rounding")) == lost.sum()
    best = best_cell(sweep, "nmi")
    assert best is not None
    assert not lost[best]
    assert any(f"in {lost.sum()} cells (×)" in sentence for sentence in reading(sweep, base))
    exact = Sweep(digits, dataclasses.replace(base, precision="float64"), grid, 100, None, owners={"me"})
    exact.work()
    assert not rounding(exact).any()
    resolved = ~lost & ~np.isnan(sweep.figures["mean_cosine"])
    error = np.abs(exact.figures["recall"] - sweep.figures["recall"])
    assert error[0, resolved[0]].max() < 0.01 < error[lost].max()


# --- tables -----------------------------------------------------------------------------------------------------------


def test_the_table_is_the_map_and_the_file_has_everything(sweep: Sweep, tmp_path: Path) -> None:
    shown = table(sweep, "nmi")
    np.testing.assert_array_equal(shown.to_numpy(), NMI)
    assert list(shown.index) == [2, 30, 300]
    assert list(shown.columns) == ["η = 0.2", "η = 0.4", "η = 0.6", "η = 0.8"]
    sweep.done[2] = False
    rows = records(sweep)
    assert len(rows) == 8
    assert list(rows["alpha"]) == [2] * 4 + [30] * 4
    assert rows["nmi"].to_numpy()[5] == 0.6
    assert set(METRICS) | set(Config.parameters()) | {"dataset", "n_samples"} == set(rows.columns)
    assert rows["n_samples"].unique() == 50
    assert Config.from_dict({name: rows.iloc[5][name] for name in Config.parameters()}).eta == 0.4
