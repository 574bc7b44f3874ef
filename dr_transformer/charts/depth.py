"""Charts for the screen, by Plotly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from dr_transformer.charts.figure import series, titled

DASHES = {"dash": "– –", "dot": "· · ·", "dashdot": "– · –", "longdash": "—  —"}  # of levels, and how text shows them


def depth_curve(
    name: str,
    values: Sequence[float | None],
    *,
    n_blocks: int,
    height: int = 170,
    levels: Mapping[str, float | None] | None = None,
    before: Sequence[float | None] = (),
) -> go.Figure:
    """One figure a block over depth, on the axis `depth_range(n_blocks)`; the right end of the title is left free.

    `values` may be shorter than n_blocks + 1 while they are computed. `levels` is what other methods reach, which have
    no blocks: horizontal lines, in the order and look of `DASHES`. `before` is the curve of another run, drawn faint.
    """
    values, before = list(values), list(before)[: n_blocks + 1]
    curve = series(list(range(len(values))), values, name, "block %{x}: %{y:.3f}", width=1.5, size=4)
    if before:
        ghost = series(
            list(range(len(before))), before, "before", "before: %{y:.3f}", width=1.5, dash="dot", opacity=0.5
        )
        return over_blocks(name, [curve, ghost], n_blocks, nticks=4, height=height)
    across = [
        series(list(depth_range(n_blocks)), [level, level], method, f"{method}: %{{y:.3f}}", width=1, dash=dash)
        for dash, (method, level) in zip(DASHES, (levels or {}).items(), strict=False)
    ]
    return over_blocks(name, [curve], n_blocks, across, nticks=4, height=height)


def over_blocks(
    name: str,
    curves: Sequence[go.Scatter],
    n_blocks: int,
    across: Sequence[go.Scatter] = (),
    *,
    nticks: int,
    height: int,
) -> go.Figure:
    """Make a chart of `curves` over depth, and of lines `across`; numbers beside an empty plot would mean nothing."""
    y: dict[str, Any] = {"nticks": nticks, "tickformat": ".4~g"}
    if all(value is None for curve in curves for value in curve.y or ()):
        y["tickvals"] = []
    return titled(name, [*curves, *across], height=height, x={"range": depth_range(n_blocks), "nticks": 9}, y=y)


def depth_range(n_blocks: int) -> tuple[float, float]:
    """Return what the horizontal axis of `depth_curve` spans."""
    return -0.02 * n_blocks, 1.02 * n_blocks


def curve_digits(values: Sequence[float | None]) -> int:
    """Return how many decimals a value of this curve is read with: shares with three, ranks and counts with one."""
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
    traces = []
    for label, name in enumerate(class_names):
        members = np.flatnonzero(labels == label)
        if len(members):
            x, y, z = points[members].T
            marker = {"size": 2, "color": palette[label % len(palette)]}
            more = {"customdata": members, "hovertemplate": f"{name}, token %{{customdata}}<extra></extra>"}
            traces.append(go.Scatter3d(x=x, y=y, z=z, mode="markers", marker=marker, name=name, **more))
    titles = {f"{axis}axis": {"title": title} for axis, title in zip("xyz", axes, strict=True)}
    scene = {**titles, "aspectmode": "data"}
    margin = {"l": 0, "r": 0, "t": 0, "b": 0}
    return go.Figure(traces, {"scene": scene, "height": height, "margin": margin, "uirevision": "kept"})
