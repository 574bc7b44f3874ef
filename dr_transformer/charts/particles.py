"""Plotly charts of the log normaliser: the field of one step, and its gradient checked by differences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from plotly.figure_factory import create_quiver

from dr_transformer.theory.exponential_family import Check
from dr_transformer.types import Floats

GREY = "#8a8f98"  # readable on the light and on the dark ground, as the next two
ACCENT = "#c4624b"
FAINT = "rgba(138, 143, 152, 0.45)"
_LONGEST = 1.3  # of the arrows drawn, in units of the grid


def blank(name: str, *, height: int = 300) -> go.Figure:
    """A chart without anything in it: above, its name, which says what is drawn over what; no tools."""
    figure = go.Figure()
    figure.update_xaxes(showgrid=False, zeroline=False, fixedrange=True)
    figure.update_yaxes(showgrid=False, zeroline=False, fixedrange=True)
    figure.add_annotation(text=name, xref="paper", yref="paper", x=0, y=1, xanchor="left", yanchor="bottom", yshift=4)
    figure.update_annotations(showarrow=False, font_size=13)
    legend = {"orientation": "h", "x": 0, "y": -0.14, "yanchor": "top", "font_size": 11}
    figure.update_layout(height=height, dragmode=False, margin={"l": 0, "r": 8, "t": 28, "b": 0}, legend=legend)
    return figure


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
    figure = blank(name, height=height)
    g = round(len(points) ** 0.5)
    x, y = points[:g, 0], points[::g, 1]
    lines = {"width": 1, "smoothing": 1}
    grey = [[0, FAINT], [1, FAINT]]
    figure.add_trace(
        go.Contour(
            x=x,
            y=y,
            z=log_z.reshape(g, g),
            ncontours=14,
            contours_coloring="lines",
            colorscale=grey,
            showscale=False,
            line=lines,
            hovertemplate="log Z = %{z:.3f}<extra></extra>",
            name="level lines of log Z",
        )
    )
    scale = arrow_scale(points, arrows)
    u, v = arrows.T
    (quiver,) = create_quiver(*points.T, u, v, scale=scale, arrow_scale=0.35).data
    quiver.update(line={"color": GREY, "width": 1}, hoverinfo="skip", name="a step")
    figure.add_trace(quiver)
    if hull is not None:
        closed = np.vstack([hull, hull[:1]])
        line = {"color": ACCENT, "width": 1, "dash": "dot"}
        figure.add_trace(
            go.Scatter(x=closed[:, 0], y=closed[:, 1], mode="lines", line=line, hoverinfo="skip", name="hull")
        )
    marker = {"size": 5, "color": list(colours)}
    hover = "particle %{customdata}: %{x:.3g}, %{y:.3g}<extra></extra>"
    figure.add_trace(
        go.Scatter(
            x=particles[:, 0],
            y=particles[:, 1],
            mode="markers",
            marker=marker,
            customdata=np.arange(len(particles)),
            hovertemplate=hover,
            name="particles",
        )
    )
    half = (x[1] - x[0]) / 2
    figure.update_xaxes(range=[x[0] - half, x[-1] + half], tickformat=".3~g", nticks=5, constrain="domain")
    figure.update_yaxes(
        range=[y[0] - half, y[-1] + half], tickformat=".3~g", nticks=5, scaleanchor="x", constrain="domain"
    )
    figure.update_layout(showlegend=False)
    return figure


def arrow_scale(points: Floats, arrows: Floats) -> float:
    """By how much the arrows (g², 2) of `field_chart` are scaled, so that the longest spans a bit over a grid cell."""
    cell = float(points[1, 0] - points[0, 0])
    longest = float(np.linalg.norm(arrows, axis=1).max())
    return _LONGEST * cell / longest if longest > 0 else 1.0


def gradient_chart(keys: Floats, query: Floats, check: Check, *, height: int = 340) -> go.Figure:
    """Keys (n, 2), the query from the origin, and both sides of Proposition 1(a): they are to lie upon each other."""
    figure = blank("Keys, query η, and ∇ log Z(η) in both ways", height=height)
    marker = {"size": 4, "color": FAINT}
    figure.add_trace(
        go.Scatter(x=keys[:, 0], y=keys[:, 1], mode="markers", marker=marker, name="keys", hoverinfo="skip")
    )
    arrow = {"size": [0, 10], "symbol": "arrow", "angleref": "previous", "color": GREY}
    line = {"color": GREY, "width": 2}
    figure.add_trace(
        go.Scatter(x=[0, query[0]], y=[0, query[1]], mode="lines+markers", line=line, marker=arrow, name="η")
    )
    ways = {
        "attention average": (check.exact, {"size": 15, "symbol": "circle-open", "color": ACCENT, "line_width": 2}),
        "central differences": (check.numeric, {"size": 9, "symbol": "x-thin", "line": {"color": ACCENT, "width": 2}}),
    }
    for name, (vector, look) in ways.items():
        figure.add_trace(go.Scatter(x=vector[:1], y=vector[1:], mode="markers", marker=look, name=name))
    figure.update_xaxes(tickformat=".3~g", nticks=6, constrain="domain")
    figure.update_yaxes(tickformat=".3~g", nticks=6, scaleanchor="x")
    return figure


def difference_chart(steps: Floats, errors: Floats, chosen: float, error: float, *, height: int = 340) -> go.Figure:
    """The largest difference over the step h, on logarithmic axes; the chosen h and its `error` marked."""
    figure = blank("Largest difference over the step h", height=height)
    seen = errors > 0  # a logarithm shows no exact agreement
    hover = "h = %{x:.1e}: %{y:.1e}<extra></extra>"
    line = {"color": GREY, "width": 1.5}
    look = {"size": 4, "color": GREY}
    figure.add_trace(
        go.Scatter(x=steps[seen], y=errors[seen], mode="lines+markers", line=line, marker=look, hovertemplate=hover)
    )
    marker = {"size": 11, "color": ACCENT}
    figure.add_trace(go.Scatter(x=[chosen], y=[error], mode="markers", marker=marker, hovertemplate=hover))
    figure.add_hline(y=1e-6, line={"color": GREY, "width": 1, "dash": "dash"})
    figure.update_xaxes(type="log", tickformat=".0e", nticks=7)
    figure.update_yaxes(type="log", tickformat=".0e", nticks=7)
    figure.update_layout(showlegend=False)
    return figure


def logarithmic(values: npt.NDArray[np.floating], margin: float = 0.1) -> dict[str, object]:
    """A logarithmic axis that shows positive `values`, with numbers as close as they can be read."""
    exponents = np.log10(values[values > 0])
    low, high = float(exponents.min()), float(exponents.max())
    room = margin * max(high - low, 0.5)
    between = "D2" if high - low < 1.5 else max(1, round((high - low) / 6))  # D2: at 1, 2, 5
    return {"type": "log", "range": [low - room, high + room], "dtick": between, "tickformat": ".0e"}
