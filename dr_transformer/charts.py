"""Charts for the screen, by Plotly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from plotly.subplots import make_subplots

_GREY = "#8a8f98"  # readable on the light and on the dark ground
_COLUMNS = 5
_DASHES = ("dash", "dot", "dashdot", "longdash")
_BELOW = {"orientation": "h", "x": 0, "y": -0.18, "yanchor": "top", "itemclick": False, "itemdoubleclick": False}


def depth_curves(
    curves: Mapping[str, Sequence[float | None]],
    *,
    n_blocks: int,
    height: int = 170,
    levels: Mapping[str, Mapping[str, float | None]] | None = None,
) -> go.Figure:
    """Curves over depth side by side, five in a row of this height, on one axis, `depth_range(n_blocks)`.

    The right end of each title is left free, for the value at the depth on screen.
    `curves` holds one figure a block by name; it may be shorter than n_blocks + 1 while it is computed. `levels` holds
    for some curves what other methods reach, which have no blocks: horizontal lines, with one legend for all plots.
    """
    columns = min(len(curves), _COLUMNS)
    rows = math.ceil(len(curves) / columns)
    figure = make_subplots(rows, columns, subplot_titles=list(curves), horizontal_spacing=0.06)
    for number, (name, measured) in enumerate(curves.items()):
        row, column = 1 + number // columns, 1 + number % columns
        values = list(measured)
        line = go.Scatter(
            x=list(range(len(values))),
            y=values,
            mode="lines+markers",
            marker={"size": 4},
            line={"color": _GREY, "width": 1.5},
            name=name,
            showlegend=False,
            hovertemplate="block %{x}: %{y:.3f}<extra></extra>",
        )
        figure.add_trace(line, row=row, col=column)
        for dash, (method, level) in zip(_DASHES, (levels or {}).get(name, {}).items(), strict=False):
            across = go.Scatter(
                x=list(depth_range(n_blocks)),
                y=[level, level],
                mode="lines",
                line={"color": _GREY, "width": 1, "dash": dash},
                name=method,
                legendgroup=method,
                showlegend=number == 0,
                hovertemplate=f"{method}: %{{y:.3f}}<extra></extra>",
            )
            figure.add_trace(across, row=row, col=column)
        if not any(value is not None for value in values):  # numbers beside an empty plot would mean nothing
            figure.update_yaxes(tickvals=[], row=row, col=column)
        left = figure.get_subplot(row, column).xaxis.domain[0]
        figure.layout.annotations[number].update(x=left, xanchor="left")
    figure.update_xaxes(range=depth_range(n_blocks), showgrid=False, zeroline=False, nticks=9, fixedrange=True)
    figure.update_yaxes(showgrid=False, zeroline=False, nticks=4, fixedrange=True)
    figure.update_annotations(font_size=12)
    figure.update_layout(
        height=rows * height,
        showlegend=bool(levels),
        legend=_BELOW,
        dragmode=False,
        margin={"l": 0, "r": 0, "t": 28, "b": 0},
    )
    return figure


def depth_range(n_blocks: int) -> tuple[float, float]:
    """What the horizontal axis of `depth_curves` spans."""
    return -0.02 * n_blocks, 1.02 * n_blocks


def curve_digits(values: Sequence[float | None]) -> int:
    """How many decimals a value of this curve is read with: shares with three, ranks and counts with one."""
    return 3 if max((value for value in values if value is not None), default=0.0) <= 1 else 1


def scatter_3d(
    points: npt.NDArray[np.floating],
    labels: npt.NDArray[np.integer],
    class_names: Sequence[str],
    palette: Sequence[str],
    axes: Sequence[str],
    *,
    height: int = 520,
) -> go.Figure:
    """Points (n, 3) in three dimensions, one trace and legend entry a class, equal scale on all axes."""
    figure = go.Figure()
    for label, name in enumerate(class_names):
        members = np.flatnonzero(labels == label)
        if len(members):
            x, y, z = points[members].T
            marker = {"size": 2, "color": palette[label % len(palette)]}
            hover = f"{name}, token %{{customdata}}<extra></extra>"
            figure.add_trace(
                go.Scatter3d(
                    x=x, y=y, z=z, mode="markers", marker=marker, name=name, customdata=members, hovertemplate=hover
                )
            )
    titles = {f"{axis}axis": {"title": title} for axis, title in zip("xyz", axes, strict=True)}
    figure.update_layout(
        scene={**titles, "aspectmode": "data"},
        height=height,
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        uirevision="kept",
    )
    return figure
