"""Corollary 1: attention over ever more samples of a Gaussian, and how fast it nears its limit."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st

from dr_transformer.charts.theorem import dimensions_chart, samples_chart
from dr_transformer.engine.theorem import N_OF_DIMENSIONS, CorollaryRun, CorollarySettings
from dr_transformer.theory.gaussian import Convergence
from dr_transformer.ui.job_panel import measured
from dr_transformer.ui.log_normaliser.layout import pair, show, two_columns
from dr_transformer.ui.session import submit
from dr_transformer.ui.state import remembered
from dr_transformer.ui.text import SHIM, grouped

_DEFAULTS = {
    "corollary_tilt": 1.0,
    "corollary_d": 8,
    "corollary_variance": 1.0,
    "corollary_mean": 0.0,
    "corollary_draws": 20,
    "corollary_seed": 42,
}


def corollary_section() -> bool:
    """Draw formula, controls, charts of the error, and what its slope says; return whether to wait for more."""
    st.subheader("3. Over samples of a Gaussian: Corollary 1", anchor=False)
    left, right = two_columns("corollary")
    with left:
        st.latex(
            r"\begin{gathered} x_1 \dots x_N \sim \mathcal N(\mu, \Sigma): \\ "
            r"\sum_n \mathrm{softmax}_n(\eta \cdot x_n)\, x_n \;\to\; \mu + \Sigma \eta \end{gathered}"
        )
        st.caption(f"{SHIM}: Corollary 1. The rate and $N e^{{-s^2}}$ below: derived in this project.")
        st.markdown(
            "1. Draw N keys from $\\mathcal N(\\mu, \\sigma^2 I)$ in $d$ dimensions.\n"
            "2. Measure how far attention at η is from $\\mu + \\Sigma\\eta$.\n"
            "3. More keys: the error should fall as $N^{-1/2}$. How soon it does is up to the tilt "
            "$s^2 = \\eta^\\top \\Sigma \\eta$, for only $N e^{-s^2}$ of the keys count."
        )
        settings = _controls()
    with right:
        job, pending = measured("corollary", settings, lambda: _run(settings))
        over_samples = None if job is None else job.over_samples  # kept: taken up again, the job begins with none
        if job is not None and over_samples is not None:
            with pair("corollary"):
                show(samples_chart(over_samples), "samples_chart")
                show(dimensions_chart(job.over_dimensions), "dimensions_chart")
            for sentence in sentences(over_samples):
                st.markdown(sentence)
            st.caption(_about(job))
    return pending


def _run(settings: CorollarySettings) -> CorollaryRun:
    return submit("corollary", settings, partial(CorollaryRun, settings))


def _controls() -> CorollarySettings:
    with remembered("corollary", _DEFAULTS):
        tilt = st.slider(
            "Tilt s²",
            0.0,
            9.0,
            step=0.25,
            key="corollary_tilt",
            help="By how many standard deviations, squared, attention moves the keys' mean. η follows from it.",
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            d = st.select_slider(
                "Dimension d", [1, 2, 4, 8, 16, 32, 64], key="corollary_d", width=150, help="Of keys and query."
            )
            draws = st.slider("Draws", 5, 50, key="corollary_draws", width=150, help="Independent draws of each N.")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            variance = st.number_input(
                "Variance σ²", 0.0, 100.0, step=0.25, key="corollary_variance", width=120, help="Of the keys, above 0."
            )
            mean = st.number_input(
                "Mean", -100.0, 100.0, step=0.5, key="corollary_mean", width=120, help="Each entry of μ."
            )
            seed = st.number_input(
                "Seed of the draws", 0, 2**31 - 1, key="corollary_seed", width=140, help="Of all draws."
            )
    return CorollarySettings(float(tilt), int(d), float(variance), float(mean), int(draws), int(seed))


def sentences(found: Convergence) -> list[str]:
    """Say the fitted slope with its range, and how many of the keys count."""
    low, high = slope_range(found)
    n, counting, seen = found.n_samples[-1], found.effective[-1], found.kish[-1]
    slope = (
        f"Fitted slope of log error over log N: **{found.slope:.2f}**, range {low:.2f} to {high:.2f} (± 2 standard "
        f"errors over {found.errors.shape[1]} draws). Expected of Monte Carlo: −0.50."
    ).replace("-", "−")
    share = (
        f"s² = {found.tilt:g}: of {grouped(int(n))} keys $N e^{{-s^2}}$ = {grouped(round(counting))} count; the "
        f"weights themselves show {grouped(round(seen))} (1/Σp²)."
    )
    if found.tilt > 1 + 1e-9:
        ratio = found.rms[-1] / found.expected[-1]
        share += (
            f" Beyond s² = 1 the error falls more slowly, until N is far above $e^{{s^2}}$ = "
            f"{grouped(round(float(np.exp(found.tilt))))}: at the largest N it is {ratio:.2g} times the expected one. "
            "1/Σp² is no warning, for it misses the keys that are not there."
        )
    return [slope, share]


def slope_range(found: Convergence) -> tuple[float, float]:
    """Return the fitted slope ± 2 standard errors over draws."""
    slopes = found.slopes
    room = 2 * float(slopes.std(ddof=1) / np.sqrt(len(slopes)))
    return found.slope - room, found.slope + room


def _about(job: CorollaryRun) -> str:
    c = job.settings
    return (
        f"Measured with μ = {c.mean:g}, σ² = {c.variance:g}, s² = {c.tilt:g}, {c.n_repeats} draws, seed "
        f"{c.random_state}; on the right N = {grouped(N_OF_DIMENSIONS[-1])}: at the same tilt the "
        "dimension adds √(d + s²) and no more."
    )
