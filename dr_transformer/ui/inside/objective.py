"""The objective after every sub-step, in curves and words, and how far attention's step is from its gradient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import streamlit as st

from dr_transformer.charts.blocks import sub_step_curve
from dr_transformer.engine.inside import Cosines, InsideRun, Place, depth_of
from dr_transformer.engine.run import Run
from dr_transformer.model.unroll import SUB_STEPS
from dr_transformer.theory.objective import Objective
from dr_transformer.ui.charts import draw_chart, mark_depth, show_depth_curves, tables_behind
from dr_transformer.ui.inside.block_diagram import LABELS
from dr_transformer.ui.inside.jobs import CANVAS, inside_run
from dr_transformer.ui.job_panel import cancel_or_go_on, show_state
from dr_transformer.ui.poll import poll
from dr_transformer.ui.state import remembered
from dr_transformer.ui.text import PAPER

BETAS = tuple(float(f"{10 ** (k / 10):.3g}") for k in range(-40, 11))
"""What the β sliders offer: ten a decade, from 0.0001 to 10."""
TERMS = {"data": "L_data − βn", "regulariser": "log det(XᵀX + βI)", "kl": "KL = L_data − L_reg"}


@st.fragment
def objective_section(run: Run) -> None:
    """Draw β, curves of the three terms, what each sub-step does to them, and the gradient; follow the job."""
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
        _progress(inside, pending=pending, stopped=stopped)
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
            draw_chart(chart, key=f"objective_{term}")
        marked = {f"objective_{term}": [getattr(o, term) for o in found] for term in TERMS}
        mark_depth(marked, n_blocks=n_blocks, depths=depths, canvas=CANVAS, container="objective_curves")
    tables_behind(charts, key="objective", label="Curves as tables")
    if done and not inside.error:
        for sentence in sentences(ends):
            st.markdown(f"- {sentence}")
        st.markdown(changes_table(places, found))
        st.caption("A step that makes all rows longer or shorter moves log det by much; the LayerNorms take that back.")


def _progress(inside: InsideRun, *, pending: bool, stopped: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if cancel_or_go_on("inside", id(inside.run), pending=pending, stopped=stopped):
            st.rerun()  # the figures beside the diagram wait for the same
        with st.container(width="stretch"):
            show_state(
                inside,
                f"Computing the objective and its gradients: {inside.progress:.0%}",
                running=not stopped,
                stopped=f"Stopped at {inside.progress:.0%} of the objective and its gradients.",
            )


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


DATA = r"$L_\mathrm{data} - \beta n$"
REGULARISER = r"$\log\det(X^\top X + \beta I)$"


def sentences(ends: Sequence[Objective]) -> Iterator[str]:
    """Say what the terms do over depth: `ends` are those after each block, block 0 first, at least two."""
    data, regulariser, kl = ([getattr(o, name) for o in ends] for name in ("data", "regulariser", "kl"))
    yield f"{DATA} {_course(data)}. This is the term that attention steps on."
    falls = regulariser[-1] < regulariser[0]
    why = " The latents lose directions, and the paper's feed-forward step does nothing against it." if falls else ""
    yield f"{REGULARISER} {_course(regulariser)}.{why}"
    first, second = data[-1] - data[0], regulariser[0] - regulariser[-1]
    parts = f"{_signed(first)} from the first term, {_signed(second)} from the second"
    end = " **So the blocks do not descend the KL.**" if kl[-1] > kl[0] else ""
    yield f"KL, their difference, {_course(kl)}: {parts}.{end}"


def changes_table(places: Sequence[Place], found: Sequence[Objective]) -> str:
    """Return a Markdown table: by how much each sub-step changes each term, over all blocks together."""
    rows = []
    for name in SUB_STEPS:
        pairs = [(a, b) for (a, b), place in zip(pairwise(found), places[1:], strict=False) if place[1] == name]
        rows.append((_row_name(name), *_changes(pairs)))
    rows.append(("together", *_changes([(found[0], found[-1])])))
    head = f"| change over all blocks | {DATA} | {REGULARISER} | KL |"
    return "\n".join([head, "|---|--:|--:|--:|", *(f"| {' | '.join(row)} |" for row in rows)])


def gradient_sentence(cosines: Sequence[Cosines]) -> str:
    """Say how far 2 L̃ X is from the gradient, at the first latents and the last that are known."""
    first, last, block = cosines[0], cosines[-1], len(cosines) - 1
    said = f"At the latents after each block: the cosine of the two is {first.cosine:.2f} at block 0"
    said += f" and {last.cosine:.2f} at block {block}." if block else "."
    low, high = min(c.tangent_cosine for c in cosines), max(c.tangent_cosine for c in cosines)
    between = f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f}"
    shorter, longer = min(c.norm_ratio for c in cosines), max(c.norm_ratio for c in cosines)
    return (
        f"{said} Of what the LayerNorm leaves of both, the part across each token, it is {between}; the step is "
        f"{shorter:.2f} to {longer:.2f} times as long as the gradient."
    )


def _course(values: Sequence[float]) -> str:
    """Say how it goes, for example "falls at every block, from 25.2 to 2.7"; or at which blocks it does not."""
    if max(abs(value - values[0]) for value in values) <= 1e-6 * abs(values[0]):
        return f"stays at {_number(values[0])}"
    falls = values[-1] < values[0]
    against = [block for block, (a, b) in enumerate(pairwise(values), start=1) if (b < a) != falls]
    n_blocks = len(values) - 1
    verb = "falls" if falls else "rises"
    if not against:
        where = "at every block" if n_blocks > 1 else "in the one block"
    else:
        named = ", ".join(map(str, against[:6])) + (", …" if len(against) > 6 else "")
        where = f"at {n_blocks - len(against)} of {n_blocks} blocks (not at {named})"
    return f"{verb} {where}, from {_number(values[0])} to {_number(values[-1])}"


def _changes(pairs: Sequence[tuple[Objective, Objective]]) -> list[str]:
    return [
        _signed(sum(getattr(b, name) - getattr(a, name) for a, b in pairs)) for name in ("data", "regulariser", "kl")
    ]


def _row_name(name: str) -> str:
    return {"layer_norm_1": "LayerNorm after attention", "layer_norm_2": "LayerNorm after feed-forward"}.get(
        name, LABELS[name]
    )


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−") if abs(value) < 100 else f"{value:.0f}".replace("-", "−")


def _signed(value: float) -> str:
    return ("+" if value >= 0 else "") + _number(value)
