"""The phase diagram on the screen, by Plotly: a heat map of one figure over α and η or depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from dr_transformer.charts.figure import titled
from dr_transformer.charts.phase_reading import SYMBOLS, best_cell, collapsed, figure_text, rounding
from dr_transformer.config import Config
from dr_transformer.engine.sweep import Sweep
from dr_transformer.palette import SEQUENTIAL
from dr_transformer.quality.metrics import METRICS
from dr_transformer.quality.sweep_grid import Cell

_INK, _PAPER = "#101010", "#ffffff"  # together they are seen on any colour of the scale
_MOST_TICKS = 13


def phase_chart(sweep: Sweep, metric: str, current: Config, *, coarse: bool = False, height: int = 400) -> go.Figure:
    """The heat map of `metric`: `z` (rows, columns), rows by α, on a logarithmic axis.

    With `coarse`, cells that are not computed yet have the colour of the coarse cell they lie in; otherwise, and where
    a figure does not exist, they are blank. Marked are the place of `current`, the best cell, and those that have
    collapsed or are rounding. The second trace has one unseen point a cell, in the order of `numpy.ndindex`, to hover
    on and to click: Plotly gives no selection of heat maps.
    """
    grid = sweep.grid
    x, y = np.array(grid.values, float), np.array(grid.alphas, float)
    logarithmic = grid.column == "n_blocks"
    x_edges, y_edges = _edges(x, logarithmic), _edges(y, True)
    z = sweep.preview(metric) if coarse else sweep.figures[metric]
    cells, lost = list(np.ndindex(grid.shape)), rounding(sweep)
    heat = go.Heatmap(
        x=x_edges,
        y=y_edges,
        z=[[None if np.isnan(value) else float(value) for value in row] for row in z],
        colorscale=list(SEQUENTIAL),
        xgap=1,
        ygap=1,
        hoverinfo="skip",
        colorbar={"thickness": 12, "xpad": 4, "outlinewidth": 0, "tickformat": ".3~g", "len": 1},
    )
    unseen = {"marker": {"opacity": 0}}
    points = go.Scatter(
        x=[x[column] for _, column in cells],
        y=[y[row] for row, _ in cells],
        mode="markers",
        marker={"symbol": "square", "size": 8, "opacity": 0},
        selected=unseen,
        unselected=unseen,
        customdata=cells,
        text=[_said(sweep, metric, cell) + ", rounding" * bool(lost[cell]) for cell in cells],
        hovertemplate="%{text}<extra></extra>",
    )
    traces = [heat, points]
    for name, cells_of, symbol, size in (
        ("effective rank below 2", collapsed(sweep) & ~lost, "circle", 4),
        ("rounding", lost, "x", 7),
    ):
        places = [(x[column], y[row]) for row, column in zip(*np.nonzero(cells_of), strict=True)]
        traces.append(_marks(name, places, symbol, size))
    best = best_cell(sweep, metric)
    traces.append(_marks("best", [] if best is None else [(x[best[1]], y[best[0]])], "star", 13))
    figure = titled(
        "",
        traces,
        height=height,
        x=_axis(SYMBOLS[grid.column], grid.values, x_edges, logarithmic),
        y=_axis(SYMBOLS["alpha"], grid.alphas, y_edges, True),
        margin={"r": 0, "t": 8},
        hovermode="closest",
        hoverdistance=-1,  # from anywhere in a cell its point is the nearest
    )
    _mark_current(figure, sweep, current, x_edges, y_edges)
    return figure


def _axis(title: str, values: Sequence[float], edges: npt.NDArray[np.float64], logarithmic: bool) -> dict[str, Any]:
    span, ticks = np.log10(edges) if logarithmic else edges, values[:: -(-len(values) // _MOST_TICKS)]
    return {
        "title": title,
        "type": "log" if logarithmic else "linear",
        "range": [float(span[0]), float(span[-1])],
        "tickvals": ticks,
        "ticktext": [f"{value:g}" for value in ticks],
    }


def cell_of(sweep: Sweep, current: Config) -> Cell | None:
    """The cell with just these settings, if there is one."""
    grid = sweep.grid
    wanted = current.alpha, getattr(current, grid.column)
    if wanted[0] not in grid.alphas or wanted[1] not in grid.values:
        return None
    return grid.alphas.index(wanted[0]), grid.values.index(wanted[1])


def _mark_current(
    figure: go.Figure, sweep: Sweep, current: Config, x_edges: npt.NDArray[np.float64], y_edges: npt.NDArray[np.float64]
) -> None:
    """A frame around the cell of the current settings, or a ring between the cells where they are."""
    cell = cell_of(sweep, current)
    if cell is None:
        place = float(getattr(current, sweep.grid.column)), current.alpha
        inside = x_edges[0] <= place[0] <= x_edges[-1] and y_edges[0] <= place[1] <= y_edges[-1]
        figure.add_trace(_marks("current settings", [place] if inside else [], "circle-open", 13))
        return
    row, column = cell
    for colour, width in ((_INK, 5), (_PAPER, 2)):
        figure.add_shape(
            type="rect",
            x0=x_edges[column],
            x1=x_edges[column + 1],
            y0=y_edges[row],
            y1=y_edges[row + 1],
            line={"color": colour, "width": width},
            name="current settings",
        )


def _marks(name: str, places: Sequence[tuple[float, float]], symbol: str, size: int) -> go.Scatter:
    filled = not symbol.endswith("-open")
    marker = {"symbol": symbol, "size": size, "color": _PAPER, "line": {"color": _INK, "width": 1}}
    if not filled:
        marker = {"symbol": symbol, "size": size, "color": _INK, "line": {"color": _INK, "width": 3}}
    x, y = [place[0] for place in places], [place[1] for place in places]
    opaque = {"marker": {"opacity": 1}}
    return go.Scatter(
        x=x, y=y, mode="markers", name=name, marker=marker, hoverinfo="skip", selected=opaque, unselected=opaque
    )


def _edges(values: npt.NDArray[np.float64], logarithmic: bool) -> npt.NDArray[np.float64]:
    """Borders (n + 1) of cells around `values` (n, ascending), half way between them on their axis."""
    places = np.log(values) if logarithmic else values
    inner = (places[1:] + places[:-1]) / 2
    first, last = (inner[0], inner[-1]) if len(inner) else (places[0] - 0.5, places[0] + 0.5)
    edges = np.concatenate([[2 * places[0] - first], inner, [2 * places[-1] - last]])
    if not len(inner):
        edges = np.array([first, last])
    return np.exp(edges) if logarithmic else edges


def _said(sweep: Sweep, metric: str, cell: Cell) -> str:
    """Return what the hover says of a cell: its settings, and its figure or why there is none."""
    row, column = cell
    grid = sweep.grid
    settings = f"α = {grid.alphas[row]:g}, {SYMBOLS[grid.column]} = {grid.values[column]:g}"
    value = sweep.figures[metric][cell]
    if not sweep.done[cell]:
        said = "not computed yet"
    elif np.isnan(value):
        said = f"no {METRICS[metric].title}: {sweep.reasons.get(cell, {}).get(metric, 'it does not exist')}"
    else:
        said = f"{METRICS[metric].title}: {figure_text(metric, value)}"
    return f"{settings}<br>{said}"
