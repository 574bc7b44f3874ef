"""Charts of what happens inside a block, by Plotly: curves over sub-steps, variants side by side, two runs as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from dr_transformer.charts.depth import over_blocks
from dr_transformer.charts.figure import GREY, ZOOMS, series, titled
from dr_transformer.palette import SEQUENTIAL

# How the variants look, and the sign that says so in text: told apart by shape and dash, with colours or without.
LOOKS = {
    "●": ("circle", "solid", GREY),
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
    thin = series(
        depths,
        values,
        "after each sub-step",
        "after %{text}: %{y:.4~g}",
        width=0.75,
        size=3,
        text=list(steps),
        opacity=0.8,
    )
    x, y = [depths[i] for i in ends], [values[i] for i in ends]
    thick = series(x, y, "after each block", "after block %{x}: %{y:.4~g}", width=2.5, size=6)
    return over_blocks(name, [thin, thick], n_blocks, nticks=5, height=height)


def variants_curve(name: str, curves: Mapping[str, Sequence[float]], *, n_blocks: int, height: int = 210) -> go.Figure:
    """One figure over blocks of up to four variants by name, in the order and look of `LOOKS`."""
    lines = []
    for (symbol, dash, colour), (variant, values) in zip(LOOKS.values(), curves.items(), strict=False):
        x, y, hover = list(range(len(values))), list(values), f"{variant}, block %{{x}}: %{{y:.4~g}}"
        lines.append(series(x, y, variant, hover, colour=colour, width=1.5, dash=dash, size=6, symbol=symbol))
    return over_blocks(name, lines, n_blocks, nticks=5, height=height)


def overlaid(
    first: npt.NDArray[np.floating],
    second: npt.NDArray[np.floating],
    names: tuple[str, str],
    axes: tuple[str, str],
    *,
    height: int = 420,
) -> go.Figure:
    """Two pictures (n, 2) of the same tokens on top of each other: equal where each ring has its dot."""
    looks = (
        {"symbol": "circle-open", "size": 7, "color": GREY, "line": {"width": 1}},
        {"symbol": "circle", "size": 3, "color": SEQUENTIAL[44]},
    )
    traces = []
    for (x, y), name, look in zip((first.T, second.T), names, looks, strict=True):
        hover = f"token %{{pointNumber}}, {name}: %{{x:.5g}}, %{{y:.5g}}<extra></extra>"
        traces.append(go.Scattergl(x=x, y=y, mode="markers", marker=look, name=name, hovertemplate=hover))
    return titled(
        "",
        traces,
        height=height,
        x={**ZOOMS, "title": axes[0]},
        y={**ZOOMS, "title": axes[1], "scaleanchor": "x"},
        margin={"t": 0},
        showlegend=None,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
        dragmode="zoom",
        uirevision="kept",
    )
