"""Why the equilibrium of Theorem 1 does not last: the growth rates of its modes, derived and measured."""

from __future__ import annotations

from functools import partial

import streamlit as st

from dr_transformer.charts.theorem import growth_chart
from dr_transformer.engine.theorem import MODES, Growth, GrowthRun, GrowthSettings
from dr_transformer.theory.hermite_modes import growth_factor
from dr_transformer.ui.job_panel import measured
from dr_transformer.ui.log_normaliser.layout import show, two_columns
from dr_transformer.ui.session import submit
from dr_transformer.ui.state import remembered
from dr_transformer.ui.text import grouped

_DEFAULTS = {"growth_variance": 1.0, "growth_mean": 0.0, "growth_n": 2000, "growth_seeds": 20}


def growth_section() -> bool:
    """Draw the derivation in steps, controls, chart and table; return whether to wait for more."""
    st.subheader("5. The equilibrium is unstable", anchor=False)
    left, right = two_columns("growth")
    with left:
        st.markdown(
            "1. In one dimension and standard units $z$, let the density be off by a little of the $k$-th Hermite "
            "polynomial: $\\varphi(z)\\,(1 + \\varepsilon\\,\\mathrm{He}_k(z))$.\n"
            "2. Then attention is off by a power of $z$, and the step moves each particle by "
            "$\\varepsilon k \\tfrac{\\sigma^2}{1 + \\sigma^2}\\,\\mathrm{He}_{k-1}(z)$ + lower modes.\n"
            "3. That adds to mode $k$ itself. So in each step it grows by"
        )
        st.latex(r"1 + k\,\frac{\sigma^2}{1 + \sigma^2}")
        st.markdown(
            "(derived in this project for Theorem 1's operator). It is above 1 for every $k$: what chance "
            "leaves in a sample grows, the finer the faster. Empirical renormalisation holds only $k = 1, 2$, mean and "
            "covariance."
        )
        settings = _controls()
    with right:
        job, pending = measured("growth", settings, lambda: _run(settings))
        if job is not None and (job.found or not job.error):
            _results(job)
    return pending


def _run(settings: GrowthSettings) -> GrowthRun:
    return submit("growth", settings, partial(GrowthRun, settings))


def _controls() -> GrowthSettings:
    with remembered("growth", _DEFAULTS), st.container(horizontal=True, vertical_alignment="bottom"):
        variance = st.number_input(
            "Variance of keys σ²", 0.0, 4.0, step=0.25, key="growth_variance", width=150, help="Above 0."
        )
        mean = st.number_input("Mean of keys", -2.0, 2.0, step=0.25, key="growth_mean", width=120, help="μ.")
        n = st.selectbox(
            "Particles a sample",
            [1000, 2000, 4000],
            key="growth_n",
            width=150,
            format_func=grouped,
            help="More particles: less chance, and time as the square of their number.",
        )
        seeds = st.slider("Samples", 5, 100, step=5, key="growth_seeds", width=150, help="Independent samples a mode.")
    return GrowthSettings(float(variance), float(mean), int(n), int(seeds))


def _results(job: GrowthRun) -> None:
    found = list(job.found)  # as it is now: taken up again, the job begins with none
    derived = {k: growth_factor(k, job.settings.variance) for k in MODES}
    show(growth_chart(found, derived), "growth_chart")
    if not found:
        return
    st.markdown(table(found))
    worst = max(found, key=lambda each: abs(each.deviation))
    surprise = max(each.surprise for each in found)
    c = job.settings
    st.markdown(
        f"Measured near η = 0, the rates deviate from the derived ones by up to {abs(worst.deviation):.1%} (k = "
        f"{worst.k}), at most {surprise:.1f} standard errors; by quadrature, without a sample, they agree to "
        f"{max(abs(each.quadrature / each.derived - 1) for each in found):.0e}."
    )
    st.caption(
        f"± 2 standard errors over {len(found[0].bulk)} samples of {grouped(c.n_particles)} particles, σ² = "
        f"{c.variance:g}, μ = {c.mean:g}. “Near η = 0”: particles within one standard deviation of it. Those far out "
        "have hardly any keys beyond them, respond less, and weigh most in Heₖ: the mode of all particles grows less."
    )


def table(found: list[Growth]) -> str:
    """Return a row a mode: derived, by quadrature, and measured near η = 0 and on all particles."""
    lines = ["| k | derived | quadrature | near η = 0 | deviation | all particles |", "|---|---:|---:|---:|---:|---:|"]
    for each in found:
        near, every = (f"{f.mean():.3f} ± {2 * each.standard_error(f):.3f}" for f in (each.bulk, each.whole))
        lines.append(
            f"| {each.k} | {each.derived:.3f} | {each.quadrature:.3f} | {near} | {each.deviation:+.1%} | {every} |"
        )
    return "\n".join(lines).replace("-", "−").replace("−−−", "---")
