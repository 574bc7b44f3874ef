"""The section "Sub-steps and objective": the latents before and after the sub-step that is chosen in a diagram."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import streamlit as st

from dr_transformer.canvas.parts import Attended
from dr_transformer.canvas.picture import Picture
from dr_transformer.config import Config, ViewConfig
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.inside import InsideRun, LatentFigures, Place, overlaps_around
from dr_transformer.engine.run import Run
from dr_transformer.errors import InputError
from dr_transformer.model.unroll import SUB_STEPS
from dr_transformer.paths import asset
from dr_transformer.quality.words import changed, has_classes
from dr_transformer.ui import session
from dr_transformer.ui.canvas import last_depth, pinned_token, run_canvas
from dr_transformer.ui.inside.block_diagram import LABELS, block_diagram, chosen_sub_step
from dr_transformer.ui.inside.jobs import CANVAS, inside_run, section_run, sub_step_frames
from dr_transformer.ui.inside.objective import objective_section
from dr_transformer.ui.inside.reparametrisation import reparametrisation_section
from dr_transformer.ui.inside.variants import variants_section
from dr_transformer.ui.poll import poll
from dr_transformer.ui.sidebar import Settings, view_bar
from dr_transformer.ui.text import PAPER, escaped, grouped, picture_in_words, refusal, status_line


def show(dataset: Dataset, config: Config, settings: Settings) -> None:
    """Draw the section; raises `InputError` for what cannot be shown."""
    st.html(asset("inside.css"))
    run = section_run(dataset, config)
    if not run.sub_steps:
        n, q, L = run.dataset.n_samples, config.n_components, config.n_blocks
        raise InputError(
            f"{grouped(n)} tokens, {q} dimensions and {L} blocks are too much to keep every sub-step in memory; take "
            "fewer of one of them."
        )
    st.markdown(
        "**Click a sub-step**: the panels show the latents before and after it, at the block of the depth axis."
    )
    view_bar()
    substep_panels(run, settings.view())
    objective_section(run)
    variants_section(dataset, config, settings.view())
    reparametrisation_section(dataset, config)


_HEIGHT = 300


@st.fragment
def substep_panels(run: Run, view: ViewConfig) -> None:
    """Draw diagram, panels, formula and figures, which follow the depth of the canvas once it rests."""
    inside, stopped = inside_run(run)
    pending = not stopped and not inside.finished  # asked first: what is drawn below is then all there is
    frames = sub_step_frames(run, view)
    pending |= not frames.finished
    n_blocks = run.config.n_blocks
    block = max(1, min(round(last_depth()), frames.n_blocks or n_blocks))
    name = chosen_sub_step()
    above = st.container()  # for the diagram, which names the block that the canvas says it shows
    with st.container(key="substep_body"):
        with st.container(gap=None, key="substep_picture"):
            panels = frames.panels(name, LABELS[name] if name.startswith("layer") else LABELS[name].lower())
            if panels:
                shown = Picture(panels, None)
                depth = run_canvas(
                    run, shown, [], _attended(run, name), height=_HEIGHT, attention_panel=0, about=name, key=CANVAS
                )
                block = max(1, min(round(depth), frames.n_blocks))
            # Figures come with the run, the gradient's later and slowly.
            poll(pending, seconds=0.5 if not inside.undone else 2.0, key="inside_poll")
            st.caption(status_line(run, None) + " · both panels have the same axes")
        with st.container(key="substep_words"):
            _words(run, inside, name, block)
    with above:
        block_diagram(run.config, block)
    picture_in_words(run, float(block), _step_in_words(run, name, block))
    if run.error or inside.error:
        st.error(refusal(run.error or inside.error or ""))


def _words(run: Run, inside: InsideRun, name: str, block: int) -> None:
    said = explained(name, run.config, inside.undone.get(block))
    st.markdown(f"**Block {block}, {_named(name)}** ({PAPER})")
    st.latex(said.formula)
    st.markdown(said.text)
    places = (_before(name, block), (block, name))
    cosines = (_cosine(inside, places[0]), _cosine(inside, places[1]))
    target = (run.config.n_components / run.dataset.n_samples) ** 0.5
    figures = [inside.figures.get(place) for place in places]
    st.markdown(figures_table(figures[0], figures[1], cosines, target))


def _named(name: str) -> str:
    """A sub-step within a sentence: "attention", "first LayerNorm"."""
    ordinal = {"layer_norm_1": "first ", "layer_norm_2": "second "}.get(name, "")
    return f"{ordinal}{LABELS[name]}" if ordinal else LABELS[name].lower()


def _step_in_words(run: Run, name: str, block: int) -> str:
    """Return what the chosen sub-step does to the classes; empty before the run is done and where there are none."""
    labels, names = run.dataset.labels, list(map(escaped, run.dataset.class_names))
    if labels is None or not has_classes(labels) or not run.done.is_set() or run.error:
        return ""
    asked = (run, name, block)
    kept: tuple[object, str] | None = st.session_state.get("step_in_words")
    if kept is None or kept[0] != asked:
        found = session.ask(overlaps_around, run, block, name)
        if found is None:  # the run is so large that its sub-steps were not kept
            return ""
        before, after = found
        said = f"The sub-step chosen above, {_named(name)} of block {block}: {changed(before, after, names)}"
        kept = st.session_state["step_in_words"] = (asked, said)
    return kept[1]


def _before(name: str, block: int) -> Place:
    """The sub-step before this one."""
    place = SUB_STEPS.index(name)
    if place > 0:
        return block, SUB_STEPS[place - 1]
    return (block - 1, SUB_STEPS[-1]) if block > 1 else (0, "layer_norm_0")


def _cosine(inside: InsideRun, place: Place) -> float | None:
    """Between the two gradients at the end of a block; None elsewhere."""
    block, name = place
    ends = name in ("layer_norm_0", SUB_STEPS[-1])
    return inside.cosines[block].cosine if ends and block < len(inside.cosines) else None


def _attended(run: Run, name: str) -> Attended | None:
    """Return what the clicked token attends to in this block, on the panel before attention."""
    found = session.attended(run, pinned_token(run.dataset.key, key=CANVAS)) if name == "attention" else None
    if found is None or len(found.indices) < 2:
        return None
    n = len(found.indices) - 1  # the attention of block b is that of the latents after block b − 1
    depths = tuple(float(block) for block in range(1, n + 1))
    return replace(found, indices=found.indices[:n], weights=found.weights[:n], depths=depths)


class Explained(NamedTuple):
    """`formula` is LaTeX, `text` Markdown."""

    formula: str
    text: str


def explained(name: str, config: Config, undone: float | None) -> Explained:
    """Explain the sub-step `name`; `undone` is `InsideRun.undone` of the block on screen, None before it is known."""
    return {
        "attention": _attention,
        "layer_norm_1": _layer_norm,
        "feed_forward": _feed_forward,
        "layer_norm_2": _layer_norm_again,
    }[name](config, undone)


def _attention(config: Config, _: float | None) -> Explained:
    masked = r",\quad A_{ii} = 0" if config.mask_self else ""
    step = r"X + 2\eta\,(A - I)\,X" if config.graph_diffusion else r"X + 2\eta\,A X"
    softmax = r"\mathrm{softmax}\left(\tfrac{\alpha n}{q} X X^\top\right)"
    formula = rf"\begin{{aligned}} X &\leftarrow {step} \\ A &= {softmax}{masked} \end{{aligned}}"
    if config.graph_diffusion:
        return Explained(
            formula,
            r"Each token moves towards the mean of those it attends to. A step down $L_\mathrm{data}$ by the paper's "
            r"gradient, $2\tilde L X$ with $\tilde L = I - A$.",
        )
    return Explained(
        formula,
        r"Each token moves towards the mean of those it attends to. A step down $L_\mathrm{data}$: the paper's "
        r"gradient is $2\tilde L X$ with $\tilde L = I - A$, and the missing $-X$ is a change of scale, which the "
        "LayerNorm behind takes away.",
    )


def _layer_norm(_config: Config, _: float | None) -> Explained:
    return Explained(
        r"X \leftarrow \mathrm{LN}(X) / \sqrt n",
        "A step on neither term: it puts every token back on the constraint, a sphere. Its coordinates get mean 0 and "
        r"its norm becomes $\sqrt{q/n}$. The $1/\sqrt n$ is that of Laplacian Eigenmaps, where $X^\top X = I$.",
    )


def _feed_forward(config: Config, _: float | None) -> Explained:
    factor = 1 - 2 * config.eta
    if config.activation == "relu":
        return Explained(
            r"X \leftarrow X - 2\eta\,\mathrm{relu}(X)",
            r"Stands for a step on $L_\mathrm{reg}$, whose gradient is $2X(X^\top X + \beta I)^{-1}$, with the paper's "
            rf"sparsity prior: positive coordinates become {factor:.3g} of what they were, negative ones "
            "stay.",
        )
    return Explained(
        r"X \leftarrow X + X W_\mathrm{ff} = (1 - 2\eta)\,X",
        r"Stands for a step up $L_\mathrm{reg} = \log\det(XX^\top + \beta I)$, whose gradient is "
        r"$2X(X^\top X + \beta I)^{-1}$; the paper takes the linear map $X W_\mathrm{ff}$, $W_\mathrm{ff} = -2\eta I$. "
        f"That multiplies every latent by {factor:.3g}"
        + (", so it *lowers* the log det that KL asks to raise." if abs(factor) < 1 else "."),
    )


def _layer_norm_again(config: Config, undone: float | None) -> Explained:
    if config.activation == "relu":
        end = (
            "Coordinate by coordinate, they differ from those before the feed-forward step by up to {} of the largest."
        )
    elif config.eta > 0.5:
        end = "It undoes the feed-forward step, but for the sign: mirrored, the latents are those before it to {}."
    else:
        end = "It undoes the feed-forward step: the latents are those before it to {} of the largest coordinate."
    said = "…" if undone is None else f"{undone:.0e}"
    return Explained(r"X \leftarrow \mathrm{LN}(X) / \sqrt n", "Back on the constraint. " + end.format(said))


def figures_table(
    before: LatentFigures | None,
    after: LatentFigures | None,
    cosines: tuple[float | None, float | None],
    target: float,
) -> str:
    """Return a Markdown table of the latents' figures before and after; … for what is not known yet.

    `cosines` between the paper's and the exact gradient, at the two; a row only where there is one. `target` is the
    norm that a LayerNorm gives, √(q/n).
    """
    lines: list[tuple[str, Callable[[LatentFigures], str]]] = [
        (f"row norm, least (LayerNorm: {target:.4f})", lambda f: f"{f.norms[0]:.4f}"),
        ("row norm, mean", lambda f: f"{f.norms[1]:.4f}"),
        ("row norm, largest", lambda f: f"{f.norms[2]:.4f}"),
        ("norm of the mean latent", lambda f: f"{f.mean_norm:.4f}"),
        ("mean over coordinates, largest", lambda f: f"{f.coordinate_mean:.0e}"),
        ("effective rank", lambda f: f"{f.effective_rank:.2f}"),
    ]
    rows = [(name, *("…" if f is None else read(f) for f in (before, after))) for name, read in lines]
    if cosines != (None, None):
        said = ["–" if c is None else f"{c:.3f}" for c in cosines]
        rows.append((r"cosine of $2\tilde L X$ and $(\tilde L + \tilde L^\top)X$", *said))
    return "\n".join(["| | before | after |", "|---|--:|--:|", *(f"| {' | '.join(row)} |" for row in rows)])
