"""Charts for the screen, by Plotly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

_GREY = "#8a8f98"  # readable on the light and on the dark ground
DASHES = {"dash": "– –", "dot": "· · ·", "dashdot": "– · –", "longdash": "—  —"}  # of levels, and how text shows them


def depth_curve(
    name: str,
    values: Sequence[float | None],
    *,
    n_blocks: int,
    height: int = 170,
    levels: Mapping[str, float | None] | None = None,
) -> go.Figure:
    """One figure a block over depth, on the axis `depth_range(n_blocks)`; the right end of the title is left free.

    `values` may be shorter than n_blocks + 1 while they are computed. `levels` is what other methods reach, which have
    no blocks: horizontal lines, in the order and look of `DASHES`.
    """
    values = list(values)
    line = go.Scatter(
        x=list(range(len(values))),
        y=values,
        mode="lines+markers",
        marker={"size": 4, "color": _GREY},
        line={"color": _GREY, "width": 1.5},
        name=name,
        hovertemplate="block %{x}: %{y:.3f}<extra></extra>",
    )
    figure = go.Figure(line)
    for dash, (method, level) in zip(DASHES, (levels or {}).items(), strict=False):
        across = go.Scatter(
            x=list(depth_range(n_blocks)),
            y=[level, level],
            mode="lines",
            line={"color": _GREY, "width": 1, "dash": dash},
            name=method,
            hovertemplate=f"{method}: %{{y:.3f}}<extra></extra>",
        )
        figure.add_trace(across)
    figure.update_xaxes(range=depth_range(n_blocks), showgrid=False, zeroline=False, nticks=9, fixedrange=True)
    figure.update_yaxes(showgrid=False, zeroline=False, nticks=4, fixedrange=True, tickformat=".4~g")
    if not any(value is not None for value in values):  # numbers beside an empty plot would mean nothing
        figure.update_yaxes(tickvals=[])
    figure.add_annotation(text=name, xref="paper", yref="paper", x=0, y=1, xanchor="left", yanchor="bottom", yshift=2)
    figure.update_annotations(showarrow=False, font_size=12)
    figure.update_layout(height=height, showlegend=False, dragmode=False, margin={"l": 0, "r": 8, "t": 28, "b": 0})
    return figure


def depth_range(n_blocks: int) -> tuple[float, float]:
    """What the horizontal axis of `depth_curve` spans."""
    return -0.02 * n_blocks, 1.02 * n_blocks


def curve_digits(values: Sequence[float | None]) -> int:
    """How many decimals a value of this curve is read with: shares with three, ranks and counts with one."""
    return 3 if max((abs(value) for value in values if value is not None), default=0.0) <= 1 else 1


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
