"""Charts of what happens inside a block, by Plotly: curves over sub-steps, variants side by side, two runs as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from dr_transformer.charts.depth import depth_range
from dr_transformer.palette import SEQUENTIAL

_GREY = "#8a8f98"  # readable on the light and on the dark ground
# How the variants look, and the sign that says so in text: told apart by shape and dash, with colours or without.
LOOKS = {
    "●": ("circle", "solid", _GREY),
    "▲": ("triangle-up", "dash", SEQUENTIAL[32]),
    "■": ("square", "dot", SEQUENTIAL[78]),
    "◆": ("diamond", "dashdot", SEQUENTIAL[124]),
}


def sub_step_curve(
    name: str,
    depths: Sequence[float],
    values: Sequence[float],
    steps: Sequence[str],
    *,
    n_blocks: int,
    height: int = 210,
) -> go.Figure:
    """A figure after each of the `steps`, named, which lie at `depths`; thin, with a thick line through whole depths.

    All may be shorter than the run has sub-steps while they are computed. The right end of the title is left free.
    """
    depths, values = list(depths), list(values)
    ends = [i for i, depth in enumerate(depths) if depth == int(depth)]
    thin = go.Scatter(
        x=depths,
        y=values,
        text=list(steps),
        mode="lines+markers",
        line={"color": _GREY, "width": 0.75},
        marker={"color": _GREY, "size": 3},
        opacity=0.8,
        name="after each sub-step",
        hovertemplate="after %{text}: %{y:.4~g}<extra></extra>",
    )
    thick = go.Scatter(
        x=[depths[i] for i in ends],
        y=[values[i] for i in ends],
        mode="lines+markers",
        line={"color": _GREY, "width": 2.5},
        marker={"color": _GREY, "size": 6},
        name="after each block",
        hovertemplate="after block %{x}: %{y:.4~g}<extra></extra>",
    )
    return _figure([thin, thick], name, n_blocks, height)


def variants_curve(name: str, curves: Mapping[str, Sequence[float]], *, n_blocks: int, height: int = 210) -> go.Figure:
    """One figure over blocks of up to four variants by name, in the order and look of `LOOKS`."""
    lines = [
        go.Scatter(
            x=list(range(len(values))),
            y=list(values),
            mode="lines+markers",
            line={"color": colour, "width": 1.5, "dash": dash},
            marker={"color": colour, "size": 6, "symbol": symbol},
            name=variant,
            hovertemplate=f"{variant}, block %{{x}}: %{{y:.4~g}}<extra></extra>",
        )
        for (symbol, dash, colour), (variant, values) in zip(LOOKS.values(), curves.items(), strict=False)
    ]
    return _figure(lines, name, n_blocks, height)


def overlaid(
    first: npt.NDArray[np.floating],
    second: npt.NDArray[np.floating],
    names: tuple[str, str],
    axes: tuple[str, str],
    *,
    height: int = 420,
) -> go.Figure:
    """Two pictures (n, 2) of the same tokens on top of each other: equal where each ring has its dot."""
    figure = go.Figure()
    looks = (
        {"symbol": "circle-open", "size": 7, "color": _GREY, "line": {"width": 1}},
        {"symbol": "circle", "size": 3, "color": SEQUENTIAL[44]},
    )
    for points, name, look in zip((first, second), names, looks, strict=True):
        hover = f"token %{{pointNumber}}, {name}: %{{x:.5g}}, %{{y:.5g}}<extra></extra>"
        figure.add_scattergl(
            x=points[:, 0], y=points[:, 1], mode="markers", marker=look, name=name, hovertemplate=hover
        )
    figure.update_xaxes(title=axes[0], showgrid=False, zeroline=False)
    figure.update_yaxes(title=axes[1], showgrid=False, zeroline=False, scaleanchor="x")
    figure.update_layout(
        height=height,
        margin={"l": 0, "r": 8, "t": 0, "b": 0},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
        uirevision="kept",
    )
    return figure


def _figure(lines: Sequence[go.Scatter], name: str, n_blocks: int, height: int) -> go.Figure:
    axis = {"showgrid": False, "zeroline": False, "fixedrange": True}
    y_axis: dict[str, object] = {**axis, "nticks": 5, "tickformat": ".4~g"}
    if not any(line.y for line in lines):  # numbers beside an empty plot would mean nothing
        y_axis["tickvals"] = []
    title = {"text": name, "xref": "paper", "yref": "paper", "x": 0, "y": 1, "xanchor": "left", "yanchor": "bottom"}
    layout = {
        "xaxis": {**axis, "range": depth_range(n_blocks), "nticks": 9},
        "yaxis": y_axis,
        "annotations": [{**title, "yshift": 2, "showarrow": False, "font": {"size": 12}}],
        "height": height,
        "showlegend": False,
        "dragmode": False,
        "margin": {"l": 0, "r": 8, "t": 28, "b": 0},
    }
    return go.Figure(list(lines), layout)  # at once: each update of a figure takes milliseconds
