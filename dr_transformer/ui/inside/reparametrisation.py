"""η' = η / (1 + 2η): standard attention and graph diffusion drawn on top of each other, with what lies between them."""

from __future__ import annotations

import streamlit as st

from dr_transformer.charts.blocks import overlaid
from dr_transformer.config import Config
from dr_transformer.data.dataset import Dataset, subset
from dr_transformer.engine.inside import SUBSAMPLE, Reparametrisation
from dr_transformer.model.unroll import LAYER_NORM_EPS
from dr_transformer.theory.variants import diffusion_eta
from dr_transformer.ui.charts import draw_chart, tables_behind
from dr_transformer.ui.inside.jobs import reparametrisation
from dr_transformer.ui.inside.variants import sample_sentence
from dr_transformer.ui.poll import poll
from dr_transformer.ui.state import remembered
from dr_transformer.ui.text import PAPER, refusal

WITHOUT_EPSILON = (
    f"In float64 it comes from LayerNorm's ε = {LAYER_NORM_EPS:g}: without ε less than 1e-13 stays, which is rounding. "
    "In float32 rounding has a part in it: without ε some 1e-6 stay. (Measured on 2\u202f000 tokens of MNIST at the "
    "paper's values.)"
)
"""What is left of the difference without LayerNorm's ε, by precision."""
RATES = {"η / (1 + 2η)": 1.0, "5 % more": 1.05, "η itself": None}


@st.fragment
def reparametrisation_section(dataset: Dataset, config: Config) -> None:
    """Draw the claim, the choice of η', the two pictures as one, and the largest difference measured."""
    st.subheader("Graph diffusion is standard attention with another η", anchor=False)
    st.markdown("LayerNorm does not see a change of scale, and the two steps differ by one:")
    st.latex(
        r"X + 2\eta A X = (1 + 2\eta)\left(X + 2\eta' (A - I) X\right),\qquad \eta' = \frac{\eta}{1 + 2\eta} < \tfrac12"
    )
    st.caption(
        f"Derived in this project from the paper's two steps ({PAPER}); there $\\eta$ is to be below ½, which is where "
        "$\\eta'$ ends."
    )
    with remembered("inside_reparametrisation", {"diffusion_rate": next(iter(RATES))}):
        chosen = st.segmented_control(
            "η' of graph diffusion",
            list(RATES),
            required=True,
            key="diffusion_rate",
            help="With any other η' than the first the two are not the same.",
        )
    factor = RATES[str(chosen)]
    eta = config.eta if factor is None else factor * diffusion_eta(config.eta)
    job = reparametrisation(subset(dataset, SUBSAMPLE, config.random_state), config, eta)
    with st.container(gap=None):
        poll(not job.finished, seconds=0.5, key="reparametrisation_poll")
    if job.error:
        st.error(refusal(job.error))
    if job.standard is not None and job.diffusion is not None and job.complete:
        st.markdown(said(job, exact=factor == 1.0))
        names = (f"standard, η = {config.eta:g}", f"diffusion, η' = {eta:.4g}")
        chart = overlaid(job.standard[:, :2], job.diffusion[:, :2], names, ("latent axis 0", "latent axis 1"))
        draw_chart(chart, key="reparametrisation_chart", config=None)
        tables_behind({f"Block {config.n_blocks}": chart}, key="reparametrisation", label="Points as a table")
        st.caption(f"After block {config.n_blocks}, in float64, on {sample_sentence(dataset, config)}.")
    elif not job.finished:
        st.caption("Running both …")


def said(job: Reparametrisation, *, exact: bool) -> str:
    """Say the largest difference over all blocks, and where it comes from."""
    double, single = (max(job.apart[precision]) for precision in ("float64", "float32"))
    measured = (
        f"Largest difference over all blocks, relative to the largest coordinate: **{double:.1e}** in float64, "
        f"{single:.1e} in float32."
    )
    if job.config.activation == "relu":
        return (
            f"{measured} With ReLU the feed-forward step is no change of scale: it has η too, so the two runs differ."
        )
    if exact:
        return f"{measured} {WITHOUT_EPSILON}"
    return f"{measured} They are two models."
