"""Tune α: the curve of agreement with a kNN graph, its optimum, and one click to use it."""

from __future__ import annotations

import math

import streamlit as st

from dr_transformer.charts.attention import alpha_chart, mass_chart
from dr_transformer.config import PARAMETERS, Config
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.alpha import AlphaTuning, relevant
from dr_transformer.theory.alpha_tuning import AlphaCurve
from dr_transformer.ui.charts import steady_chart, tables_behind
from dr_transformer.ui.inside import jobs
from dr_transformer.ui.job_panel import followed, started
from dr_transformer.ui.state import remembered
from dr_transformer.ui.text import grouped

_GRAPHS = {True: "symmetrised", False: "each token's own"}


@st.fragment
def alpha_section(dataset: Dataset, config: Config, n_neighbors: int) -> None:
    """Draw controls, progress and curves; nothing runs before the button is pressed."""
    st.subheader("Tune α to the kNN graph", anchor=False)
    st.markdown(
        "The paper asks that α be tuned so that $A$ is close to a reference kNN graph of the data (section 4.1). Close "
        "by the cross-entropy of $A$'s rows to the walk that goes to each neighbour $N_i$ of a token with the same "
        "probability, at block 0, whose latents do not depend on α. It is convex in α: one optimum."
    )
    st.latex(r"\mathrm{CE}(\alpha) = -\frac1n \sum_i \frac1{|N_i|} \sum_{j \in N_i} \log A_{ij}(\alpha)")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with remembered("alpha", {"alpha_symmetric": True}):
            symmetric = st.segmented_control(
                "Reference graph",
                list(_GRAPHS),
                required=True,
                format_func=_GRAPHS.__getitem__,
                key="alpha_symmetric",
                help="Symmetrised: i and j are neighbours where either is among the other's k nearest, as for "
                "Laplacian Eigenmaps. Or each token's own k nearest alone.",
            )
        asked = (dataset.key, relevant(config), n_neighbors, bool(symmetric))
        about = "Takes some seconds for 10 000 tokens; it can be cancelled."
        wanted = started("alpha", asked, label="Tune α", help=about, stop_help="Stops within a moment.")
    tuning = followed(
        "alpha",
        asked,
        lambda: jobs.alpha_tuning(dataset, config, n_neighbors, bool(symmetric)),
        lambda job: "the curve" if job.passes == 0 else f"its optimum, step {job.passes}",
        wanted=wanted,
        seconds=0.5,
        stale="This curve is of other settings than the page has now; press Tune α for the new one.",
    )
    if tuning is not None and tuning.curve is not None:
        _result(tuning, tuning.curve, config.alpha)


def _result(tuning: AlphaTuning, curve: AlphaCurve, alpha: float) -> None:
    charts = {"cross-entropy": alpha_chart(curve, alpha), "mass": mass_chart(curve, alpha)}
    with st.container(horizontal=True):
        for key, chart in charts.items():
            with st.container(width=430):
                steady_chart(chart, key=key)
    tables_behind(charts, key="alpha", label="Curves as tables")
    for said in sentences(tuning, alpha):
        st.markdown(said)
    best = usable(curve.best)
    used = st.button(
        f"Use α = {best:g}",
        key="alpha_use",
        on_click=use_alpha,
        args=(best,),
        disabled=best == alpha,
        type="primary",
        help="Sets α in the sidebar, for every page.",
    )
    if used:
        st.rerun()


def sentences(tuning: AlphaTuning, alpha: float) -> list[str]:
    """Say the optimum in words and figures."""
    curve, k = tuning.curve, tuning.n_neighbors
    assert curve is not None
    where = (
        f"the {_GRAPHS[tuning.symmetric]} {k}-NN graph"
        if tuning.symmetric
        else f"the graph of each token's own {k} nearest"
    )
    tokens = f"{grouped(tuning.dataset.n_samples)} tokens"
    if not curve.inside:
        end = "above" if curve.best == curve.alphas[-1] else "below"
        return [f"For {where} of {tokens} the optimum lies {end} α = {curve.best:g}, where this curve ends."]
    found = [
        f"For {where} of {tokens} **the best α is {curve.best:.1f}**: cross-entropy {curve.best_cross_entropy:.2f} "
        f"nats, {curve.best_mass:.0%} of the attention on true neighbours. α is {alpha:g} now."
    ]
    if (most := float(curve.agreement.mass[-1])) > curve.best_mass:
        found.append(
            f"At α = {curve.alphas[-1]:g} more of it lies on true neighbours ({most:.0%}), but not on all of them "
            "alike, which the cross-entropy asks for."
        )
    return found


def usable(best: float) -> float:
    """Return the best α as the sidebar can hold it: to one decimal, within its range."""
    low, high = PARAMETERS["alpha"].widget_range or (0.0, math.inf)
    return min(max(round(best, 1), low), high)


def use_alpha(alpha: float) -> None:
    """Set the sidebar's α, as a preset does."""
    st.session_state["settings"] = st.session_state["settings"] | {"alpha": alpha}
    st.session_state["alpha"] = alpha
