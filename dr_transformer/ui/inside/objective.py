"""The objective after every sub-step, term by term, and how far attention's step is from its gradient."""

from __future__ import annotations

import streamlit as st

from dr_transformer.charts.blocks import sub_step_curve
from dr_transformer.engine.inside import InsideRun, depth_of
from dr_transformer.engine.run import Run
from dr_transformer.ui.charts import mark_depth, show_depth_curves, tables_behind
from dr_transformer.ui.inside.block_diagram import LABELS
from dr_transformer.ui.inside.jobs import inside_run, resume_inside, stop_inside
from dr_transformer.ui.inside.objective_text import changes_table, gradient_sentence, sentences
from dr_transformer.ui.inside.substep_panels import CANVAS
from dr_transformer.ui.inside.substep_texts import PAPER
from dr_transformer.ui.poll import poll
from dr_transformer.ui.state import remembered

BETAS = tuple(float(f"{10 ** (k / 10):.3g}") for k in range(-40, 11))
"""What the β sliders offer: ten a decade, from 0.0001 to 10."""
TERMS = {"data": "L_data − βn", "regulariser": "log det(XᵀX + βI)", "kl": "KL = L_data − L_reg"}


@st.fragment
def objective_section(run: Run) -> None:
    """β, curves of the three terms, what each sub-step does to them; then the gradient. Follows its job by polling."""
    inside, stopped = inside_run(run)
    pending = not stopped and not inside.finished  # asked first: what is drawn below is then all there is
    st.subheader("The objective, after every sub-step", anchor=False)
    st.markdown(
        r"The model is $\Gamma \sim \mathcal W\left((XX^\top + \beta I)^{-1}, \nu\right)$, and $\tilde L = I - A(X)$, "
        f"held fixed, stands for the graph. Up to a constant and a factor, the KL between the two is ({PAPER})"
    )
    st.latex(
        r"\begin{aligned} \mathrm{KL} &= L_\mathrm{data} - L_\mathrm{reg} \\ "
        r"L_\mathrm{data} &= \mathrm{tr}\left(\tilde L\,(XX^\top + \beta I)\right) \\ "
        r"L_\mathrm{reg} &= \log\det(XX^\top + \beta I) = (n - q)\log\beta + \log\det(X^\top X + \beta I) \end{aligned}"
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with remembered("inside_objective", {"inside_beta": 0.01}):
            beta = st.select_slider(
                "Jitter β",
                BETAS,
                key="inside_beta",
                width=280,
                format_func=lambda value: f"{value:g}",
                help="Of the model. It changes no latents here, only what the objective makes of them.",
            )
        st.caption(
            r"Drawn is what the latents decide: the terms without $\beta n$ and $(n - q) \log \beta$. Thin: after each "
            "sub-step. Thick: after each block.",
            width="stretch",
        )
    _curves(inside, beta, done=not pending and not stopped)
    if pending or stopped:
        _progress(inside, stopped)
    if run.config.n_heads > 1:
        st.caption(f"{run.config.n_heads} heads are as many models, each of its slice of the latents: their terms add.")
    _gradient(inside)
    with st.container(gap=None):
        poll(pending, seconds=1.5, key="objective_poll")


def _curves(inside: InsideRun, beta: float, *, done: bool) -> None:
    n_blocks = inside.run.config.n_blocks
    known = list(zip(inside.places, inside.terms, strict=False))  # one may arrive meanwhile
    found = [terms.at(beta) for _, terms in known]
    places = [place for place, _ in known]
    depths = [depth_of(*place) for place in places]
    names = ["block 0" if b == 0 else f"{LABELS[name]} of block {b}" for b, name in places]
    ends = [o for o, depth in zip(found, depths, strict=True) if depth == int(depth)]
    charts = {}
    with st.container(key="objective_curves", gap=None):
        for term, title in TERMS.items():
            values = [getattr(o, term) for o in found]
            chart = sub_step_curve(title, depths, values, names, n_blocks=n_blocks)
            charts[title] = chart
            height = int(chart.layout.height)
            st.plotly_chart(chart, key=f"objective_{term}", height=height, config={"displayModeBar": False})
        marked = {f"objective_{term}": [getattr(o, term) for o in found] for term in TERMS}
        mark_depth(marked, n_blocks=n_blocks, depths=depths, canvas=CANVAS, container="objective_curves")
    tables_behind(charts, key="objective", label="Curves as tables")
    if done and not inside.error:
        for sentence in sentences(ends):
            st.markdown(f"- {sentence}")
        st.markdown(changes_table(places, found))
        st.caption("A step that makes all rows longer or shorter moves log det by much; the LayerNorms take that back.")


def _progress(inside: InsideRun, stopped: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Go on" if stopped else "Cancel", key="inside_stop", help="What there is stays."):
            if stopped:
                resume_inside()
            else:
                stop_inside(inside)
            st.rerun()  # the figures beside the diagram wait for the same
        if stopped:
            st.caption(f"Stopped at {inside.progress:.0%} of the objective and its gradients.", width="stretch")
        else:
            st.progress(inside.progress, f"Computing the objective and its gradients: {inside.progress:.0%}")


def _gradient(inside: InsideRun) -> None:
    st.subheader("Attention's step and the gradient", anchor=False)
    st.markdown(
        r"Rows of $A$ sum to 1, columns do not: $\tilde L$ is not symmetric. With $A$ held fixed the gradient is not "
        "what the paper steps along, but near it:"
    )
    st.latex(
        r"\frac{\partial L_\mathrm{data}}{\partial X} = (\tilde L + \tilde L^\top)\,X "
        r"\qquad\text{and, in the paper,}\qquad 2\tilde L X"
    )
    st.caption(
        rf"Left: derived in this project, the derivative of $\mathrm{{tr}}(\tilde L X X^\top)$ with $\tilde L$ held "
        f"fixed. Right: {PAPER}."
    )
    cosines = list(inside.cosines)
    curves: dict[str, list[float | None]] = {
        "cosine of the two": [c.cosine for c in cosines],
        "cosine of what LayerNorm leaves": [c.tangent_cosine for c in cosines],
        "length, over the gradient's": [c.norm_ratio for c in cosines],
    }
    n_blocks = inside.run.config.n_blocks
    show_depth_curves(curves, n_blocks=n_blocks, canvas=CANVAS, key="gradient_curves")
    if cosines:
        st.markdown(gradient_sentence(cosines))
