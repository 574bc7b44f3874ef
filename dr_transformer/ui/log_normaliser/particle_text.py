"""What the particles did and did not do, in sentences with the number measured on the steps on screen."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dr_transformer.charts.particles import arrow_scale
from dr_transformer.theory.particle_trajectory import Trajectory, contraction_error
from dr_transformer.theory.particles import Update
from dr_transformer.types import Floats

_TO_ROUNDING = 1e-9
_CONTRACTED = {
    "layer_norm": "In two dimensions LayerNorm leaves of a particle only the sign of $x_1 - x_2$: after every step all "
    "lie at (1, −1) or (−1, 1), to within {error}.",
    "rms_norm": "RMSNorm puts every particle on the circle of radius $\\sqrt 2$, to within {error}.",
    "whitening": "Whitening gives the crowd the covariance $I$, to within {error}. It needs the whole crowd; LayerNorm "
    "knows each token alone.",
    "ball": "Clipping keeps every particle within the radius {radius:g}, to within {error}; after the last step "
    "{share:.0%} of them lie on the circle.",
}


def claims(found: Trajectory) -> Iterator[str]:
    """Say what the steps did and did not do, one sentence each."""
    update = found.update
    if update.contraction != "none":
        errors = [contraction_error(X, update) for X in found.steps[1:]]
        lengths = np.linalg.norm(found.steps[-1], axis=1)
        share = float(np.mean(lengths > update.radius * (1 - _TO_ROUNDING)))
        said = _CONTRACTED[update.contraction]
        yield said.format(error=f"{max(errors):.1g}", radius=update.radius, share=share)
    elif update.residual:
        yield from _expanded(found)
    else:
        yield from _averaged(found)
    if found.lost_at is not None:
        yield (
            f"From step {found.lost_at} on all particles are at one point, to rounding: what the picture shows of "
            "their shape is rounding too."
        )


def at_rest(found: Trajectory, t: int) -> str:
    """Say what the particles are like after step `t` (0: at the start); what has no value there is left out."""
    now, first = found.measures[t], found.measures[0]
    said = [f"mean $\\log Z$ {_figure(now.mean_log_z)}"]
    if found.lost_at is None or t < found.lost_at:
        since = "" if t == 0 or first.trace == 0 else f" ({now.trace / first.trace:.3g} times that at the start)"
        said.append(f"trace of the covariance {_figure(now.trace)}{since}")
        said.append(f"area of the convex hull {_figure(now.hull)}")
        if np.isfinite(now.entropy):
            said.append(f"entropy {_figure(now.entropy)} nats")
    where = "At the start" if t == 0 else f"After step {t}"
    n = found.steps.shape[1]
    return f"**{where}**, {n} particles: {', '.join(said)}."


def _figure(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _expanded(found: Trajectory) -> Iterator[str]:
    traces = [measures.trace for measures in found.measures]
    if np.isfinite(found.stretch):
        verb = "No two particles came nearer" if found.stretch > 1 - _TO_ROUNDING else "Some particles came nearer"
        yield (
            f"{verb}: of all pairs and steps, the smallest ratio of the distance after a step to that before is "
            f"{found.stretch:.6f}. The trace of the covariance grew from {traces[0]:.3g} to {traces[-1]:.3g}."
        )


def _averaged(found: Trajectory) -> Iterator[str]:
    traces = np.array([measures.trace for measures in found.measures])[: found.lost_at]
    hulls = np.array([measures.hull for measures in found.measures])[: found.lost_at]
    if found.outside is not None:
        inside = found.outside <= _TO_ROUNDING
        verb = "No particle left the convex hull of the step before" if inside else "A particle left the convex hull"
        margin = f"the nearest to its edge stayed {-found.outside:.1g} inside" if inside else f"by {found.outside:.1g}"
        yield f"{verb}: {margin}. The hull's area fell in {_falls(hulls)} steps, the trace in {_falls(traces)}."


def _falls(values: Floats) -> str:
    return f"{int((np.diff(values) < 0).sum())} of {len(values) - 1}"


def field_line(points: Floats, arrows: Floats, hull: Floats | None, update: Update) -> str:
    """Say what the chart of the field shows, and how long its arrows are."""
    scale = arrow_scale(points, arrows)
    said = f"Of the step you rest at. Arrows: where it takes what is there, at {scale:.2g} times their length. Lines: "
    said += "level lines of log Z of the particles there"
    said += ", which the arrows cross at right angles." if update.residual and update.contraction == "none" else "."
    return said if hull is None else said + " Dotted: the convex hull."
