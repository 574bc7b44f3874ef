"""Plotly charts of Corollary 1 and Theorem 1: errors, distances and growth rates against what is derived."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from dr_transformer.charts.particles import ACCENT, FAINT, GREY, blank, logarithmic
from dr_transformer.engine.theorem import Growth
from dr_transformer.theory.gaussian import Convergence
from dr_transformer.theory.renormalisation import Persistence
from dr_transformer.types import Floats

_MEASURED = {"color": ACCENT, "width": 2}
_DERIVED = {"color": GREY, "width": 1.5, "dash": "dash"}


def samples_chart(found: Convergence, *, height: int = 330) -> go.Figure:
    """The error of attention over the number of samples, of every draw, their root mean square, and the expected."""
    figure = blank(f"Error over the number of samples N, d = {found.n_dimensions}", height=height)
    draws = {"size": 4, "color": FAINT}
    each = np.repeat(found.n_samples, found.errors.shape[1])
    figure.add_trace(_points(each, found.errors.ravel(), "single draws", marker=draws, hoverinfo="skip"))
    _add_measured(figure, found.n_samples, found.rms, found.expected, "slope −½, expected")
    _logarithmic(figure, np.concatenate([found.errors.ravel(), found.rms]), found.n_samples)
    return figure


def dimensions_chart(found: Sequence[Convergence], *, height: int = 330) -> go.Figure:
    """Root mean square error over the dimension, at the same tilt and number of samples, and the expected."""
    n = int(found[0].n_samples[-1]) if found else 0
    figure = blank(f"Error over the dimension d, N = {n}" if found else "Error over the dimension d", height=height)
    if not found:
        return figure
    d = np.array([each.n_dimensions for each in found], np.float64)
    rms, expected = (np.array([getattr(each, name)[-1] for each in found]) for name in ("rms", "expected"))
    _add_measured(figure, d, rms, expected, "√(e<sup>s²</sup>(tr Σ + |Ση|²)/N)")
    _logarithmic(figure, rms, d)
    return figure


def _add_measured(figure: go.Figure, x: Floats, measured: Floats, expected: Floats, formula: str) -> None:
    hover = "%{x}: %{y:.3g}<extra></extra>"
    lines = {"mode": "lines+markers", "line": _MEASURED, "marker": {"size": 6, "color": ACCENT}}
    figure.add_trace(go.Scatter(x=x, y=measured, name="root mean square", hovertemplate=hover, **lines))
    figure.add_trace(go.Scatter(x=x, y=expected, mode="lines", line=_DERIVED, name=formula, hovertemplate=hover))


def _logarithmic(figure: go.Figure, y: Floats, x: Floats) -> None:
    figure.update_xaxes(type="log", tickvals=x, ticktext=[f"{value:g}" for value in x])
    shown = [value for trace in figure.data for value in trace.y if np.isfinite(value)]
    figure.update_yaxes(**logarithmic(np.concatenate([y, shown])))


def energy_chart(found: Mapping[bool, Persistence], *, height: int = 330) -> go.Figure:
    """Energy distance to the equilibrium over steps, and by `fitted` the null bands, on a logarithmic axis."""
    energy = next(iter(found.values())).energy
    level = next(iter(found.values())).level
    figure = blank("Energy distance to the equilibrium over steps", height=height)
    steps = np.arange(len(energy))
    lines = {"mode": "lines+markers", "line": _MEASURED, "marker": {"size": 6, "color": ACCENT}}
    hover = "step %{x}: %{y:.2e}<extra></extra>"
    figure.add_trace(go.Scatter(x=steps, y=energy, name="particles", hovertemplate=hover, **lines))
    names = {False: f"{level:.0%} of plain draws are below", True: f"{level:.0%} of draws with these moments are below"}
    for (fitted, held), dash in zip(found.items(), ("dash", "dot"), strict=False):
        line = _DERIVED | {"dash": dash}
        across = {"x": steps[[0, -1]], "y": [held.band] * 2, "mode": "lines", "line": line}
        figure.add_trace(go.Scatter(**across, name=names[fitted], hovertemplate="%{y:.2e}<extra></extra>"))
    bands = [held.band for held in found.values()]
    figure.update_xaxes(dtick=1)
    figure.update_yaxes(**logarithmic(np.concatenate([energy, bands])))
    return figure


def displacement_chart(found: Persistence, *, height: int = 330) -> go.Figure:
    """How far particles move in each step: the middle 90 %, the median, the root mean square; logarithmic."""
    figure = blank("Displacement in a step, in standard deviations", height=height)
    steps = np.arange(1, len(found.displacement) + 1)
    low, median, high = np.quantile(found.displacement, [0.05, 0.5, 0.95], axis=1)
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    figure.add_trace(go.Scatter(x=steps, y=high, showlegend=False, **edge))
    figure.add_trace(go.Scatter(x=steps, y=low, fill="tonexty", fillcolor=FAINT, name="middle 90 %", **edge))
    hover = "step %{x}: %{y:.3g}<extra></extra>"
    look = {"mode": "lines+markers", "hovertemplate": hover}
    figure.add_trace(go.Scatter(x=steps, y=median, name="median", line=_MEASURED, marker={"color": ACCENT}, **look))
    rms = found.rms_displacement
    figure.add_trace(go.Scatter(x=steps, y=rms, name="root mean square", line=_DERIVED, marker={"color": GREY}, **look))
    figure.update_xaxes(dtick=1)
    figure.update_yaxes(**logarithmic(np.concatenate([low, high, rms])))
    return figure


def growth_chart(found: Sequence[Growth], derived: Mapping[int, float], *, height: int = 330) -> go.Figure:
    """Growth a step over the mode k: `derived` by k, and with ± 2 standard errors what was measured so far."""
    figure = blank("Growth in a step, over the Hermite mode k", height=height)
    line = {"x": list(derived), "y": list(derived.values()), "mode": "lines", "line": _DERIVED}
    figure.add_trace(go.Scatter(**line, name="1 + kσ²/(1 + σ²)", hovertemplate="k = %{x}: %{y:.3f}<extra></extra>"))
    series = {"bulk": ("near η = 0", ACCENT, "circle", -0.03), "whole": ("all particles", GREY, "square-open", 0.03)}
    for name, (title, colour, symbol, shift) in series.items():
        values = [getattr(each, name) for each in found]
        bars = [2 * each.standard_error(value) for each, value in zip(found, values, strict=True)]
        figure.add_trace(
            go.Scatter(
                x=[each.k + shift for each in found],
                y=[float(value.mean()) for value in values],
                error_y={"type": "data", "array": bars, "thickness": 1.5, "width": 4},
                mode="markers",
                marker={"size": 9, "color": colour, "symbol": symbol},
                name=title,
                hovertemplate="%{y:.3f}<extra></extra>",
            )
        )
    figure.add_hline(y=1, line={"color": GREY, "width": 1})
    figure.update_xaxes(tickvals=list(derived), range=[min(derived) - 0.4, max(derived) + 0.4])
    return figure


def _points(x: Floats, y: Floats, name: str, **look: object) -> go.Scatter:
    return go.Scatter(x=x, y=y, mode="markers", name=name, **look)
