"""Particles that attend to each other: the canvas, the field of the step on screen beside it, curves under both."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import streamlit as st

from dr_transformer.canvas.attended import N_ATTENDED
from dr_transformer.canvas.parts import Attended, CanvasSpec, Panel
from dr_transformer.charts.depth import depth_curve
from dr_transformer.charts.particles import field_chart
from dr_transformer.palette import PETROFF10
from dr_transformer.theory.exponential_family import log_normaliser
from dr_transformer.theory.particle_trajectory import Trajectory, hull_corners, trajectory
from dr_transformer.theory.particles import field, grid, start
from dr_transformer.types import Floats
from dr_transformer.ui.canvas import latent_canvas, pinned_token
from dr_transformer.ui.charts import mark_depth
from dr_transformer.ui.log_normaliser.layout import pair, show, two_columns
from dr_transformer.ui.log_normaliser.particle_controls import Chosen, controls
from dr_transformer.ui.log_normaliser.particle_text import at_rest, claims, field_line
from dr_transformer.ui.state import last_good
from dr_transformer.ui.text import SHIM

CANVAS = "particles"
_HEIGHT = 400
_N_SECTORS = 6
_EXPLAINED = {
    f"With residual: ascent** ({SHIM}: Proposition 1(a); the abstract's ascent and expansion)": (
        r"x \leftarrow x + s\,\nabla \log Z(x)",
        "A gradient step up $\\log Z$, from level line to level line. $\\log Z$ is convex, so no two particles come "
        "nearer: the crowd **expands**. In a transformer LayerNorm works against that; a map below takes its place.",
    ),
    f"Without: averaging** ({SHIM}: attention alone, Proposition 1(a))": (
        r"x \leftarrow \nabla \log Z(x) = \sum_n \mathrm{softmax}_n(x \cdot x_n)\, x_n",
        "Every particle becomes a weighted mean of all, so the crowd **contracts** into its convex hull, which shrinks "
        "in every step. The trace of its covariance need not.",
    ),
}


@st.fragment
def particle_section() -> None:
    """Draw formulas, controls, picture, curves, and what these steps did and did not do."""
    st.subheader("1. Particles: expansion and contraction", anchor=False)
    with pair("particles"):
        for title, (formula, text) in _EXPLAINED.items():
            with st.container():
                st.markdown(f"**{title}")
                st.latex(formula)
                st.markdown(text)
    chosen = controls()
    found = last_good("last_particles", lambda: (chosen, _trajectory(chosen)))
    if found is not None:
        _picture(*found)


@st.cache_resource(max_entries=32, show_spinner=False)
def _trajectory(chosen: Chosen) -> Trajectory:
    return trajectory(_start(chosen), chosen.update, chosen.n_steps)


def _start(chosen: Chosen) -> Floats:
    return start(
        chosen.start,
        chosen.n_particles,
        spread=chosen.spread,
        radius=chosen.radius,
        n_clusters=chosen.n_clusters,
        random_state=chosen.random_state,
    )


def _picture(chosen: Chosen, found: Trajectory) -> None:
    labels, names = _classes(chosen, found)
    left, right = two_columns("particles", wide=0)
    with left:
        depth = _canvas(chosen, found, labels, names)
        t = int(depth + 1e-9)
        st.markdown(at_rest(found, t))
    with right:
        _field(found, t, [PETROFF10[label % len(PETROFF10)] for label in labels])
    _curves(found)
    for sentence in claims(found):
        st.markdown(sentence)
    st.caption(
        "Curves over steps. Entropy: the Kozachenko–Leonenko estimate by four neighbours; where particles lie on a "
        "curve it only says how densely. A value reads “none” where particles lie at so few places that it has none."
    )


def _canvas(chosen: Chosen, found: Trajectory, labels: npt.NDArray[np.intp], names: list[str]) -> float:
    """Draw it; returns the depth at which the user rests."""
    n = found.steps.shape[1]
    key = f"particles {chosen}"
    index = pinned_token(key, CANVAS)
    attended = None
    if index is not None and index < n:
        attended = Attended(index, *found.attended(index, min(N_ATTENDED, n)))
    panel = Panel(
        "Particles at {frame}",
        found.frames,
        found.depths,
        "dimension 1",
        "dimension 2",
        frame_names=found.names,
        extent=_extent(found.frames) if chosen.common_scale else None,
    )
    shown = CanvasSpec(
        [panel],
        labels=labels,
        class_names=names,
        dataset_key=key,
        n_blocks=found.n_steps,
        depth_unit="step",
        height=_HEIGHT,
        attended=attended,
        content_key=key,
        key=CANVAS,
    )
    return min(latent_canvas(shown).depth, float(found.n_steps))


def _extent(frames: Floats) -> tuple[float, float, float, float]:
    """Return what all frames (F, n, 2) lie in."""
    (x0, y0), (x1, y1) = frames.min(axis=(0, 1)), frames.max(axis=(0, 1))
    return float(x0), float(y0), float(x1), float(y1)


def _curves(found: Trajectory) -> None:
    curves = found.curves()
    with st.container(key="step_curves", gap=None):
        for number, (name, values) in enumerate(curves.items()):
            chart = depth_curve(name, values, n_blocks=found.n_steps)
            chart.update_xaxes(dtick=-(-found.n_steps // 8))
            chart.update_traces(hovertemplate="step %{x}: %{y:.4g}<extra></extra>")
            show(chart, f"particle_curve_{number}")
        marked = {f"particle_curve_{number}": values for number, values in enumerate(curves.values())}
        mark_depth(marked, n_blocks=found.n_steps, canvas=CANVAS, container="step_curves")


def _classes(chosen: Chosen, found: Trajectory) -> tuple[npt.NDArray[np.intp], list[str]]:
    """The particles' colours: a mixture's clusters, else from which direction they started."""
    n = found.steps.shape[1]
    if chosen.start == "mixture":
        return np.arange(n) % chosen.n_clusters, [f"cluster {i + 1}" for i in range(chosen.n_clusters)]
    width = 360 // _N_SECTORS
    angles = np.degrees(np.arctan2(*found.steps[0].T[::-1])) % 360
    names = [f"{width * i}–{width * (i + 1)}°" for i in range(_N_SECTORS)]
    return (angles // width).astype(np.intp) % _N_SECTORS, names


def _field(found: Trajectory, t: int, colours: list[str]) -> None:
    X, update = found.steps[t], found.update
    points = grid(X)
    arrows = field(points, X, update)
    hull = None if update.residual else hull_corners(X)
    name = f"What step {t + 1} does, at every place"
    chart = field_chart(X, colours, points, arrows, log_normaliser(points, X), hull, name=name, height=_HEIGHT + 60)
    show(chart, "particle_field")
    st.caption(field_line(points, arrows, hull, update))
