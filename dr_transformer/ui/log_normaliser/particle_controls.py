"""The particles' controls: where they start and what a step does."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from dr_transformer.theory.particles import CONTRACTIONS, STARTS, Update
from dr_transformer.ui.state import remembered

_STARTS = {"gaussian": "a Gaussian", "mixture": "a mixture of Gaussians", "ring": "a ring"}
_STEPS = {True: "with residual", False: "without"}
_SCALES = {True: "one for all steps", False: "fit to each step"}
_DEFAULTS = {
    "particles_start": "gaussian",
    "particles_n": 300,
    "particles_spread": 0.5,
    "particles_radius": 2.0,
    "particles_clusters": 3,
    "particles_seed": 42,
    "particles_residual": True,
    "particles_step_size": 1.0,
    "particles_contraction": "none",
    "particles_ball": 2.0,
    "particles_steps": 4,
    "particles_scale": True,
}


@dataclass(frozen=True)
class Chosen:
    """What the controls say."""

    start: str
    n_particles: int
    spread: float
    radius: float
    n_clusters: int
    random_state: int
    update: Update
    n_steps: int
    common_scale: bool


def controls() -> Chosen:
    """Draw them, in two rows that wrap; those that change nothing are shown but cannot be set. Raises no error."""
    with remembered("particles", _DEFAULTS):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            kind = st.selectbox(
                "Start",
                STARTS,
                key="particles_start",
                format_func=_STARTS.__getitem__,
                width=190,
                help="The distribution that the particles are drawn from.",
            )
            n = st.slider("Particles N", 20, 500, step=10, key="particles_n", width=120, help="How many there are.")
            spread = st.slider(
                "Spread",
                0.05,
                2.0,
                step=0.05,
                key="particles_spread",
                width=120,
                help="Standard deviation of the Gaussians; across the ring. Attention depends on x·xₙ alone, so larger "
                "particles attend as at a lower temperature.",
            )
            radius = st.slider(
                "Radius",
                0.5,
                4.0,
                step=0.1,
                key="particles_radius",
                width=120,
                disabled=kind == "gaussian",
                help="Of the ring, or of the circle that the clusters' centres lie on.",
            )
            clusters = st.number_input(
                "Clusters",
                2,
                8,
                key="particles_clusters",
                width=120,
                disabled=kind != "mixture",
                help="How many Gaussians the mixture has.",
            )
            seed = st.number_input(
                "Seed of the draw", 0, 2**31 - 1, key="particles_seed", width=140, help="Another seed, other particles."
            )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            residual = st.segmented_control(
                "Step",
                list(_STEPS),
                key="particles_residual",
                format_func=_STEPS.__getitem__,
                required=True,
                help="With residual attention is added to the particle, without it takes its place.",
            )
            size = st.slider(
                "Step size s",
                0.05,
                2.0,
                step=0.05,
                key="particles_step_size",
                width=120,
                disabled=not residual,
                help="How many times attention is added. Without residual there is none.",
            )
            contraction = st.selectbox(
                "Contractive map after it",
                CONTRACTIONS,
                key="particles_contraction",
                format_func=CONTRACTIONS.__getitem__,
                width=175,
                help="What follows attention in every step.",
            )
            ball = st.slider(
                "Ball's radius",
                0.5,
                4.0,
                step=0.1,
                key="particles_ball",
                width=120,
                disabled=contraction != "ball",
                help="Particles beyond it are put on the sphere.",
            )
            steps = st.slider("Steps", 1, 16, key="particles_steps", width=120, help="How many steps are taken.")
            common = st.segmented_control(
                "Scale of the picture",
                list(_SCALES),
                key="particles_scale",
                format_func=_SCALES.__getitem__,
                required=True,
                help="One scale shows growth and shrinking, a fit to each step the shape.",
            )
    update = Update(bool(residual), float(size), contraction, float(ball))
    return Chosen(kind, n, float(spread), float(radius), int(clusters), int(seed), update, steps, bool(common))
