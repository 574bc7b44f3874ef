"""What a phase diagram says, in sentences that follow from its figures alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from dr_transformer.config import Config
from dr_transformer.engine.sweep import Sweep
from dr_transformer.model.unroll import latents_dtype
from dr_transformer.quality.metrics import METRICS
from dr_transformer.quality.sweep_grid import Cell

SYMBOLS = {"alpha": "α", "eta": "η", "n_blocks": "L"}
COLLAPSE = 2.0
"""An effective rank below this is called collapse: the tokens point in fewer than two directions."""
RESOLVED = 100
"""Tokens that differ, relative to their length, by fewer epsilons of their format than this are not resolved."""


def best_cell(sweep: Sweep, metric: str) -> Cell | None:
    """The cell with the highest figure so far, the first of equal ones; None where higher is not better, or nothing.

    Cells whose figures are `rounding` do not count.
    """
    values = np.where(rounding(sweep), np.nan, sweep.figures[metric])
    if not METRICS[metric].higher_is_better or np.isnan(values).all():
        return None
    row, column = np.unravel_index(np.nanargmax(values), values.shape)
    return int(row), int(column)


def collapsed(sweep: Sweep) -> npt.NDArray[np.bool_]:
    """Cells (rows, columns) whose effective rank is below `COLLAPSE`; not those without one."""
    return sweep.figures["effective_rank"] < COLLAPSE


def rounding(sweep: Sweep) -> npt.NDArray[np.bool_]:
    """Cells (rows, columns) whose tokens differ by so little that their figures are rounding: as `Trajectory.lost_at`.

    For rows of one length, such as LayerNorm gives, `collapse.spread` is √((1 − c)(n − 1)/n), c their mean cosine. That
    is good to about 1e-8, so it says nothing of float64, which resolves far less.
    """
    dtype = latents_dtype(sweep.config, sweep.dataset.Y.dtype)
    if dtype == np.float64:
        return np.zeros(sweep.grid.shape, bool)
    n = sweep.n_samples
    spread = np.sqrt((1 - sweep.figures["mean_cosine"]).clip(min=0) * (n - 1) / n)
    return spread < RESOLVED * np.finfo(dtype).eps


def collapse_in_row(sweep: Sweep, row: int) -> str:
    """Return where along the row, one α, the effective rank is below `COLLAPSE`: "from η = 0.52 on", "nowhere", …"""
    grid = sweep.grid
    symbol = SYMBOLS[grid.column]
    known = [c for c in range(len(grid.values)) if not np.isnan(sweep.figures["effective_rank"][row, c])]
    fallen = [c for c in known if collapsed(sweep)[row, c]]
    if not known:
        return "not known yet"
    if not fallen:
        return "nowhere"
    if fallen == known:
        return f"at every {symbol}"
    if fallen == known[-len(fallen) :]:
        return f"from {symbol} = {grid.values[fallen[0]]:g} on"
    return f"at {symbol} = {', '.join(f'{grid.values[c]:g}' for c in fallen)}"


def figure_text(metric: str, value: float) -> str:
    """The figure as it is printed: shares and cosines with three decimals, ranks with two."""
    return f"{value:.2f}" if METRICS[metric].highest is None else f"{value:.3f}"


def settings_text(sweep: Sweep, cell: Cell) -> str:
    """The cell's settings: "α = 20, η = 0.4"."""
    grid = sweep.grid
    return f"α = {grid.alphas[cell[0]]:g}, {SYMBOLS[grid.column]} = {grid.values[cell[1]]:g}"


def reading(sweep: Sweep, config: Config) -> Iterator[str]:
    """Sentences on the best clusters, the paper's cell, the best neighbours and the collapse, as far as computed."""
    so_far = "" if sweep.done.all() else " so far"
    clusters, neighbours = best_cell(sweep, "nmi"), best_cell(sweep, "accuracy")
    main = "recall" if clusters is None else "nmi"
    best, paper = best_cell(sweep, main), _paper_cell(sweep)
    if best is None:
        return
    line = f"**Best {METRICS[main].title}**{so_far}: {_value(sweep, main, best)}, at {settings_text(sweep, best)}"
    if not np.isnan(sweep.figures["effective_rank"][best]):
        line += f", where the effective rank is {_value(sweep, 'effective_rank', best)}"
    if paper is not None and paper != best and not np.isnan(sweep.figures[main][paper]):
        line += f". The paper's {settings_text(sweep, paper)} has {_value(sweep, main, paper)} here"
    yield f"{line}."
    if clusters is not None and neighbours is not None and neighbours != clusters:
        yield (
            f"**Best 5-NN accuracy**{so_far}: {_value(sweep, 'accuracy', neighbours)}, elsewhere, at "
            f"{settings_text(sweep, neighbours)}; the cell of the best NMI has {_value(sweep, 'accuracy', clusters)}."
        )
    known = int((~np.isnan(sweep.figures["effective_rank"])).sum())
    line = f"**Collapse**{so_far}: the effective rank is below 2 in {collapsed(sweep).sum()} of {known} cells (dots)."
    if collapsed(sweep).any():
        alphas = sweep.grid.alphas
        nearest = int(np.abs(np.log(alphas) - np.log(config.alpha)).argmin())
        rows = sorted({0, nearest, len(alphas) - 1})
        line += f" By row: {'; '.join(f'α = {alphas[row]:g} {collapse_in_row(sweep, row)}' for row in rows)}."
    yield line
    if lost := int(rounding(sweep).sum()):
        yield (
            f"**Rounding**{so_far}: in {lost} cells (×) the tokens differ by less than a hundred thousandth of their "
            "length, which float32 hardly resolves: their figures are rounding. With Precision set to float64 they are "
            "not."
        )


def _value(sweep: Sweep, metric: str, cell: Cell) -> str:
    return figure_text(metric, sweep.figures[metric][cell])


def _paper_cell(sweep: Sweep) -> Cell | None:
    paper, grid = Config(), sweep.grid
    value = getattr(paper, grid.column)
    if paper.alpha not in grid.alphas or value not in grid.values:
        return None
    return grid.alphas.index(paper.alpha), grid.values.index(value)


def table(sweep: Sweep, metric: str) -> pd.DataFrame:
    """The figures of the heat map, α down, η or depth across; what is not computed or does not exist is NaN."""
    symbol = SYMBOLS[sweep.grid.column]
    names = [f"{symbol} = {value:g}" for value in sweep.grid.values]
    return pd.DataFrame(sweep.figures[metric], pd.Index(sweep.grid.alphas, name="α"), names)


def records(sweep: Sweep) -> pd.DataFrame:
    """One row for each cell that was tried, with its data set, settings and every figure: what a CSV file holds."""
    rows = []
    for row, column in zip(*np.nonzero(sweep.done), strict=True):
        swept = {"alpha": sweep.grid.alphas[row], sweep.grid.column: sweep.grid.values[column]}
        about = {"dataset": sweep.dataset.name, "n_samples": sweep.n_samples, **sweep.config.to_dict(), **swept}
        rows.append(about | {name: values[row, column] for name, values in sweep.figures.items()})
    return pd.DataFrame(rows)
