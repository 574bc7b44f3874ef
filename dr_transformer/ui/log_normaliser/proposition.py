"""Proposition 1(a), checked live: central differences of log Z against the attention average."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dr_transformer.charts.particles import difference_chart, gradient_chart
from dr_transformer.theory.exponential_family import Check, check_gradient, check_hessian
from dr_transformer.theory.particles import STARTS, start
from dr_transformer.types import Floats
from dr_transformer.ui.log_normaliser.layout import pair, show, two_columns
from dr_transformer.ui.state import remembered
from dr_transformer.ui.text import SHIM

TOLERANCE = 1e-6
AUTOMATIC = "automatic"
_STEPS = (AUTOMATIC, *(f"1e-{k}" for k in range(1, 14)))
_DEFAULTS = {
    "gradient_keys": "mixture",
    "gradient_n": 200,
    "gradient_seed": 42,
    "gradient_eta_1": 1.0,
    "gradient_eta_2": 0.5,
    "gradient_h": AUTOMATIC,
}


@st.fragment
def proposition_section() -> None:
    """Draw formula and controls, the two vectors, and two charts, all at once."""
    st.subheader("2. Attention is the gradient: Proposition 1(a)", anchor=False)
    left, right = two_columns("proposition")
    with left:
        st.latex(r"\nabla_\eta \log \sum_n e^{\eta \cdot x_n} = \sum_n \mathrm{softmax}_n(\eta \cdot x_n)\, x_n")
        st.caption(f"{SHIM}: Proposition 1(a).")
        st.markdown(
            "1. Choose a query η.\n"
            "2. Left side by central differences: $\\big(\\log Z(\\eta + h e_i) - \\log Z(\\eta - h e_i)\\big) / 2h$.\n"
            "3. Right side: the attention average. In float64 they must agree to $10^{-6}$."
        )
        keys, query, h = _controls()
    check = check_gradient(query, keys, None if h == AUTOMATIC else float(h))
    curvature = check_hessian(query, keys)
    with right:
        chosen = float(np.sqrt(check.steps.prod()))
        steps, errors = _over_steps(query, keys)
        with pair("proposition"):
            show(gradient_chart(keys, query, check), "gradient_chart")
            show(difference_chart(steps, errors, chosen, check.error), "difference_chart")
        st.markdown(_table(check))
        st.markdown(_verdict(check))
        st.caption(
            f"One derivative up (Proposition 1): differences of attention against the keys' covariance under the same "
            f"weights, ∇² log Z, agree to {curvature.error:.1e}. The broken line in the chart is at 1e-6."
        )


def _controls() -> tuple[Floats, Floats, str]:
    with remembered("gradient", _DEFAULTS):
        first, second = st.columns(2)
        a = first.slider("η₁", -3.0, 3.0, step=0.05, key="gradient_eta_1", help="First entry of the query.")
        b = second.slider("η₂", -3.0, 3.0, step=0.05, key="gradient_eta_2", help="Second entry of the query.")
        h = st.select_slider(
            "Step h of the differences",
            _STEPS,
            key="gradient_h",
            help="Too large, and differences are no derivative; too small, and they are rounding. Automatic: where "
            "both errors are alike.",
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            kind = st.selectbox("Keys", STARTS, key="gradient_keys", width=130, help="Where the keys are drawn from.")
            n = st.slider("Number of keys", 1, 500, key="gradient_n", width=150, help="How many keys there are.")
            seed = st.number_input(
                "Seed of the keys", 0, 2**31 - 1, key="gradient_seed", width=130, help="Of the draw."
            )
    return start(kind, n, spread=1.0, random_state=int(seed)), np.array([a, b]), h


def _over_steps(query: Floats, keys: Floats) -> tuple[Floats, Floats]:
    steps = np.logspace(-13, -1, 25)
    return steps, np.array([check_gradient(query, keys, h).error for h in steps])


def _table(check: Check) -> str:
    rows = {
        "central differences": [f"{value:.12f}" for value in check.numeric],
        "attention average": [f"{value:.12f}" for value in check.exact],
        "difference": [f"{value:.1e}" for value in np.abs(check.numeric - check.exact)],
    }
    lines = [f"| {name} | {' | '.join(values)} |" for name, values in rows.items()]
    return "\n".join(["| | dimension 1 | dimension 2 |", "|---|---:|---:|", *lines])


def _verdict(check: Check) -> str:
    steps = " and ".join(f"{h:.1e}" for h in sorted(set(check.steps)))
    said = f"Largest difference: **{check.error:.1e}**, with h = {steps}."
    if check.error <= TOLERANCE:
        return f"{said} That is at most 1e-6: the two sides agree."
    why = "too large a step is no derivative" if check.steps.max() > 1e-6 else "so small a step leaves only rounding"
    return f"{said} That is more than 1e-6: {why}."
