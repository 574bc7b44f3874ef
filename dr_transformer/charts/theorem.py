"""Plotly charts of Corollary 1 and Theorem 1: errors, distances and growth rates against what is derived."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dr_transformer.charts.figure import ACCENT, FAINT, GREY, series
from dr_transformer.charts.particles import legended, logarithmic
from dr_transformer.engine.theorem import Growth
from dr_transformer.theory.gaussian import Convergence
from dr_transformer.theory.renormalisation import Persistence
from dr_transformer.types import Floats

_MEASURED: dict[str, Any] = {"colour": ACCENT, "width": 2, "size": 6}
_DERIVED: dict[str, Any] = {"width": 1.5, "dash": "dash"}


def samples_chart(found: Convergence, *, height: int = 330) -> go.Figure:
    """The error of attention over the number of samples, of every draw, their root mean square, and the expected."""
    each = np.repeat(found.n_samples, found.errors.shape[1])
    draws = series(each, found.errors.ravel(), "single draws", colour=FAINT, size=4)
    title = f"Error over the number of samples N, d = {found.n_dimensions}"
    return _errors(title, found.n_samples, found.rms, found.expected, "slope −½, expected", height, [draws])


def dimensions_chart(found: Sequence[Convergence], *, height: int = 330) -> go.Figure:
    """Root mean square error over the dimension, at the same tilt and number of samples, and the expected."""
    if not found:
        return legended("Error over the dimension d", height=height)
    d = np.array([each.n_dimensions for each in found], np.float64)
    rms, expected = (np.array([getattr(each, name)[-1] for each in found]) for name in ("rms", "expected"))
    title = f"Error over the dimension d, N = {int(found[0].n_samples[-1])}"
    return _errors(title, d, rms, expected, "√(e<sup>s²</sup>(tr Σ + |Ση|²)/N)", height)


def _errors(
    title: str, x: Floats, rms: Floats, expected: Floats, formula: str, height: int, below: Sequence[go.Scatter] = ()
) -> go.Figure:
    hover = "%{x}: %{y:.3g}"
    measured = series(x, rms, "root mean square", hover, **_MEASURED)
    traces = [*below, measured, series(x, expected, formula, hover, **_DERIVED)]
    y = np.concatenate([trace.y for trace in traces])
    ticks = {"type": "log", "tickvals": x, "ticktext": [f"{value:g}" for value in x]}
    return legended(title, traces, height=height, x=ticks, y=logarithmic(y[np.isfinite(y)]))


def energy_chart(found: Mapping[bool, Persistence], *, height: int = 330) -> go.Figure:
    """Energy distance to the equilibrium over steps, and by `fitted` the null bands, on a logarithmic axis."""
    energy = next(iter(found.values())).energy
    level = next(iter(found.values())).level
    steps = np.arange(len(energy))
    traces = [series(steps, energy, "particles", "step %{x}: %{y:.2e}", **_MEASURED)]
    names = {False: f"{level:.0%} of plain draws are below", True: f"{level:.0%} of draws with these moments are below"}
    for (fitted, held), dash in zip(found.items(), ("dash", "dot"), strict=False):
        traces.append(series(steps[[0, -1]], [held.band] * 2, names[fitted], "%{y:.2e}", **_DERIVED | {"dash": dash}))
    y = logarithmic(np.concatenate([energy, [held.band for held in found.values()]]))
    return legended("Energy distance to the equilibrium over steps", traces, height=height, x={"dtick": 1}, y=y)


def displacement_chart(found: Persistence, *, height: int = 330) -> go.Figure:
    """Return how far particles move in each step: the middle 90 %, the median, the root mean square; logarithmic."""
    steps = np.arange(1, len(found.displacement) + 1)
    low, median, high = np.quantile(found.displacement, [0.05, 0.5, 0.95], axis=1)
    hover, rms = "step %{x}: %{y:.3g}", found.rms_displacement
    traces = [
        series(steps, high, width=0, showlegend=False),
        series(steps, low, "middle 90 %", width=0, fill="tonexty", fillcolor=FAINT),
        series(steps, median, "median", hover, **_MEASURED),
        series(steps, rms, "root mean square", hover, **_DERIVED, size=6),
    ]
    y = logarithmic(np.concatenate([low, high, rms]))
    title = "Displacement in a step, in standard deviations"
    return legended(title, traces, height=height, x={"dtick": 1}, y=y)


def growth_chart(found: Sequence[Growth], derived: Mapping[int, float], *, height: int = 330) -> go.Figure:
    """Growth a step over the mode k: `derived` by k, and with ± 2 standard errors what was measured so far."""
    formula = "1 + kσ²/(1 + σ²)"
    traces = [series(list(derived), list(derived.values()), formula, "k = %{x}: %{y:.3f}", **_DERIVED)]
    shown = {"bulk": ("near η = 0", ACCENT, "circle", -0.03), "whole": ("all particles", GREY, "square-open", 0.03)}
    for name, (title, colour, symbol, shift) in shown.items():
        values = [getattr(each, name) for each in found]
        bars = [2 * each.standard_error(value) for each, value in zip(found, values, strict=True)]
        x, y = [each.k + shift for each in found], [float(value.mean()) for value in values]
        error = {"type": "data", "array": bars, "thickness": 1.5, "width": 4}
        traces.append(series(x, y, title, "%{y:.3f}", colour=colour, size=9, symbol=symbol, error_y=error))
    ticks = {"tickvals": list(derived), "range": [min(derived) - 0.4, max(derived) + 0.4]}
    figure = legended("Growth in a step, over the Hermite mode k", traces, height=height, x=ticks)
    figure.add_hline(y=1, line={"color": GREY, "width": 1})
    return figure
