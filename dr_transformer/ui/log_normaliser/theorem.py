"""Theorem 1: the Gaussian that attention and renormalisation leave as it is, and for how long."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st

from dr_transformer.charts.theorem import displacement_chart, energy_chart
from dr_transformer.engine.theorem import N_DRAWS, NullBand, TheoremRun, TheoremSettings
from dr_transformer.theory.renormalisation import RENORMALISATIONS
from dr_transformer.ui.job_panel import measured
from dr_transformer.ui.log_normaliser.layout import pair, show, two_columns
from dr_transformer.ui.session import submit
from dr_transformer.ui.state import remembered
from dr_transformer.ui.text import SHIM, grouped

_DEFAULTS = {
    "theorem_how": "empirical",
    "theorem_variance": 1.0,
    "theorem_mean": 0.0,
    "theorem_d": 2,
    "theorem_n": 3000,
    "theorem_steps": 6,
    "theorem_seed": 42,
}
_BANDS = {False: "plain draws of the Gaussian", True: "draws given exactly its mean and covariance"}


_NULL_BANDS = ("null band", "fitted null band")  # kinds of jobs


def theorem_section() -> bool:
    """Draw the operator in steps, controls, charts, and for how long it held; return whether to wait for more."""
    st.subheader("4. An equilibrium: Theorem 1", anchor=False)
    left, right = two_columns("theorem")
    with left:
        st.markdown("Particles η are queries, the keys are $y_n = \\Sigma\\eta_n$. One step of the operator:")
        st.latex(
            r"\begin{aligned} \eta' &= \eta + \sum_n \mathrm{softmax}_n(\eta \cdot y_n)\, y_n \\ "
            r"&\to (I + \Sigma)\,\eta + \mu \end{aligned}"
        )
        st.caption(f"{SHIM}: the operator of Theorem 1; its limit by Corollary 1.")
        st.markdown("In population, by Corollary 1, this takes the Gaussian of the theorem to a wider one:")
        st.latex(
            r"\begin{aligned} &\mathcal N(\Sigma^{-1}\mu,\ \Sigma^{-1}) \;\mapsto \\ "
            r"&\mathcal N(\Sigma^{-1}\mu + 2\mu,\ (I+\Sigma)\,\Sigma^{-1}(I+\Sigma)) \end{aligned}"
        )
        st.caption("Derived in this project from that limit, which is affine.")
        st.markdown(
            "Then it is brought back. **Population**: that affine map undone, particle by particle. **Empirical**: the "
            "sample given its mean and covariance back, by symmetric square roots. LayerNorm, which knows each token "
            "alone, is neither."
        )
        settings = _controls()
    with right:
        job, pending = measured("theorem", settings, lambda: _run(settings), also=_NULL_BANDS)
        if job is not None and job.found:
            found = job.found
            with pair("theorem"):
                show(energy_chart(found), "energy_chart")
                show(displacement_chart(found[False]), "displacement_chart")
            for sentence in sentences(job):
                st.markdown(sentence)
            st.caption(_about(job))
    return pending


def _run(settings: TheoremSettings) -> TheoremRun:
    """The measurement of Theorem 1, and of the null bands, which all settings of one size share."""
    nulls = []
    for fitted in settings.bands():
        about = (settings.n_particles, settings.n_dimensions, fitted)
        nulls.append(submit(_NULL_BANDS[fitted], ("null band", *about), partial(NullBand, *about)))
    return submit("theorem", settings, partial(TheoremRun, settings, tuple(nulls)))


def _controls() -> TheoremSettings:
    with remembered("theorem", _DEFAULTS):
        how = st.segmented_control(
            "Renormalisation",
            RENORMALISATIONS,
            key="theorem_how",
            required=True,
            help="Population undoes the map of infinitely many particles, empirical restores these particles' moments.",
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            variance = st.number_input(
                "Keys' variance σ²", 0.0, 4.0, step=0.25, key="theorem_variance", width=130, help="Σ = σ² I, above 0."
            )
            mean = st.number_input(
                "Keys' mean", -2.0, 2.0, step=0.25, key="theorem_mean", width=120, help="Each entry of μ."
            )
            d = st.selectbox("Dimensions", [1, 2, 3], key="theorem_d", width=120, help="Of particles and keys.")
            n = st.selectbox(
                "Number of particles",
                [300, 1000, 3000],
                key="theorem_n",
                width=150,
                format_func=grouped,
                help="More particles are nearer to the population, and are tested more sharply.",
            )
            steps = st.slider(
                "Number of steps", 1, 12, key="theorem_steps", width=150, help="How many steps are taken."
            )
            seed = st.number_input(
                "Seed of particles", 0, 2**31 - 1, key="theorem_seed", width=140, help="Of the draw."
            )
    return TheoremSettings(float(variance), float(mean), int(d), int(n), int(steps), str(how), int(seed))


def sentences(job: TheoremRun) -> list[str]:
    """Say for how many steps it held by each band, and how far particles moved: from the figures on screen."""
    found, t = job.found, job.settings.n_steps
    held = [f"**{each.holds} of {t}** steps compared with {_BANDS[fitted]}" for fitted, each in found.items()]
    said = f"The equilibrium holds for {', and for '.join(held)}."
    last = next(reversed(found.values()))
    growth = last.energy[-1] / last.energy[0]
    said += f" From start to end the energy distance has become {growth:.{0 if growth >= 10 else 1}f} times as large."
    first, final = (np.median(found[False].displacement[i]) for i in (0, -1))
    moved = (
        f"In step 1 a particle moves by {first:.2g} standard deviations (median; the farthest "
        f"{found[False].displacement[0].max():.2g}), in step {t} by {final:.2g}. At an equilibrium it would not move."
    )
    if job.settings.how == "empirical":
        moved += " Mean and covariance hold by construction, so they are no evidence."
    return [said, moved]


def _about(job: TheoremRun) -> str:
    c = job.settings
    level = job.found[False].level
    return (
        f"Measured on {grouped(c.n_particles)} particles in {c.n_dimensions} dimensions, σ² = {c.variance:g}, μ = "
        f"{c.mean:g}, {c.how} renormalisation, seed {c.random_state}. A band is the {level:.0%} quantile of "
        f"{N_DRAWS} draws."
    )
