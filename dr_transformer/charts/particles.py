"""Plotly charts of the log normaliser: the field of one step, and its gradient checked by differences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from plotly.figure_factory import create_quiver

from dr_transformer.charts.figure import ACCENT, FAINT, GREY, series, titled
from dr_transformer.theory.exponential_family import Check
from dr_transformer.types import Floats

_LONGEST = 1.3  # of the arrows drawn, in units of the grid


def legended(title: str, traces: Iterable[Any] = (), *, showlegend: bool | None = None, **layout: Any) -> go.Figure:
    """Make a chart whose legend is below it; the title says what is drawn over what."""
    legend = {"orientation": "h", "x": 0, "y": -0.14, "yanchor": "top", "font_size": 11}
    return titled(title, traces, above=4, size=13, showlegend=showlegend, legend=legend, **layout)


def field_chart(
    particles: Floats,
    colours: Sequence[str],
    points: Floats,
    arrows: Floats,
    log_z: Floats,
    hull: Floats | None,
    *,
    name: str,
    height: int = 420,
) -> go.Figure:
    """Particles (n, 2), each in its colour (n,), and at `points` (g², 2), a square grid, `arrows` (g², 2) to where
    a step takes what is there, shortened or lengthened by `arrow_scale`; level lines of `log_z` (g²,); the `hull`.
    """
    g = round(len(points) ** 0.5)
    x, y = points[:g, 0], points[::g, 1]
    levels = go.Contour(
        x=x,
        y=y,
        z=log_z.reshape(g, g),
        ncontours=14,
        contours_coloring="lines",
        colorscale=[[0, FAINT], [1, FAINT]],
        showscale=False,
        line={"width": 1, "smoothing": 1},
        hovertemplate="log Z = %{z:.3f}<extra></extra>",
        name="level lines of log Z",
    )
    scale = arrow_scale(points, arrows)
    (quiver,) = create_quiver(*points.T, *arrows.T, scale=scale, arrow_scale=0.35).data
    quiver.update(line={"color": GREY, "width": 1}, hoverinfo="skip", name="a step")
    traces = [levels, quiver]
    if hull is not None:
        around = np.vstack([hull, hull[:1]])
        traces.append(series(around[:, 0], around[:, 1], "hull", colour=ACCENT, width=1, dash="dot"))
    number = np.arange(len(particles))
    hover = "particle %{customdata}: %{x:.3g}, %{y:.3g}"
    traces.append(
        series(particles[:, 0], particles[:, 1], "particles", hover, colour=list(colours), size=5, customdata=number)
    )
    half = (x[1] - x[0]) / 2
    axis = {"tickformat": ".3~g", "nticks": 5, "constrain": "domain"}
    across = axis | {"range": [x[0] - half, x[-1] + half]}
    along = axis | {"range": [y[0] - half, y[-1] + half], "scaleanchor": "x"}
    return legended(name, traces, height=height, x=across, y=along, showlegend=False)


def arrow_scale(points: Floats, arrows: Floats) -> float:
    """Return by how much the arrows (g², 2) of `field_chart` are scaled, so that the longest spans a bit over a
    grid cell.
    """
    cell = float(points[1, 0] - points[0, 0])
    longest = float(np.linalg.norm(arrows, axis=1).max())
    return _LONGEST * cell / longest if longest > 0 else 1.0


def gradient_chart(keys: Floats, query: Floats, check: Check, *, height: int = 340) -> go.Figure:
    """Keys (n, 2), the query from the origin, and both sides of Proposition 1(a): they are to lie upon each other."""
    arrow: dict[str, Any] = {"size": [0, 10], "symbol": "arrow", "marker_angleref": "previous"}
    ring: dict[str, Any] = {"size": 15, "symbol": "circle-open", "marker_line_width": 2}
    cross: dict[str, Any] = {"size": 9, "symbol": "x-thin", "marker_line": {"color": ACCENT, "width": 2}}
    traces = [
        series(keys[:, 0], keys[:, 1], "keys", colour=FAINT, size=4),
        series([0, query[0]], [0, query[1]], "η", "", width=2, **arrow),
        series(check.exact[:1], check.exact[1:], "attention average", "", colour=ACCENT, **ring),
        series(check.numeric[:1], check.numeric[1:], "central differences", "", colour=ACCENT, **cross),
    ]
    axis = {"tickformat": ".3~g", "nticks": 6}
    x, y = axis | {"constrain": "domain"}, axis | {"scaleanchor": "x"}
    return legended("Keys, query η, and ∇ log Z(η) in both ways", traces, height=height, x=x, y=y)


def difference_chart(steps: Floats, errors: Floats, chosen: float, error: float, *, height: int = 340) -> go.Figure:
    """The largest difference over the step h, on logarithmic axes; the chosen h and its `error` marked."""
    seen = errors > 0  # a logarithm shows no exact agreement
    hover = "h = %{x:.1e}: %{y:.1e}"
    curve = series(steps[seen], errors[seen], hover=hover, width=1.5, size=4)
    here = series([chosen], [error], hover=hover, colour=ACCENT, size=11)
    axis = {"type": "log", "tickformat": ".0e", "nticks": 7}
    title = "Largest difference over the step h"
    figure = legended(title, [curve, here], height=height, x=axis, y=axis, showlegend=False)
    figure.add_hline(y=1e-6, line={"color": GREY, "width": 1, "dash": "dash"})
    return figure


def logarithmic(values: npt.NDArray[np.floating], margin: float = 0.1) -> dict[str, object]:
    """A logarithmic axis that shows positive `values`, with numbers as close as they can be read."""
    exponents = np.log10(values[values > 0])
    low, high = float(exponents.min()), float(exponents.max())
    room = margin * max(high - low, 0.5)
    between = "D2" if high - low < 1.5 else max(1, round((high - low) / 6))  # D2: at 1, 2, 5
    return {"type": "log", "range": [low - room, high + room], "dtick": between, "tickformat": ".0e"}
