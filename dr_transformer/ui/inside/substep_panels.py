"""The block as a diagram, and the latents before and after the sub-step that is chosen in it, with their figures."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import streamlit as st

from dr_transformer.canvas.attended import attended
from dr_transformer.canvas.parts import Attended
from dr_transformer.canvas.picture import Picture
from dr_transformer.config import ViewConfig
from dr_transformer.engine.inside import InsideRun, Place, sub_steps
from dr_transformer.engine.run import Run
from dr_transformer.model.unroll import SUB_STEPS
from dr_transformer.quality.words import changed, has_classes, overlaps
from dr_transformer.ui.canvas import last_depth, pinned_token, run_canvas
from dr_transformer.ui.inside.block_diagram import LABELS, block_diagram, chosen_sub_step
from dr_transformer.ui.inside.jobs import inside_run
from dr_transformer.ui.inside.substep_frames import SubStepFrames
from dr_transformer.ui.inside.substep_texts import PAPER, explained, figures_table
from dr_transformer.ui.poll import poll
from dr_transformer.ui.text import capitalised, picture_in_words, status_line

CANVAS = "inside_canvas"
_HEIGHT = 300


@st.fragment
def substep_panels(run: Run, view: ViewConfig) -> None:
    """Diagram, panels, formula and figures; they follow the depth of the canvas once it rests."""
    inside, stopped = inside_run(run)
    pending = not stopped and not inside.finished  # asked first: what is drawn below is then all there is
    frames = _frames(run, view)
    frames.grow()
    n_blocks = run.config.n_blocks
    block = max(1, min(round(last_depth()), frames.n_blocks or n_blocks))
    name = chosen_sub_step()
    above = st.container()  # for the diagram, which names the block that the canvas says it shows
    with st.container(key="substep_body"):
        with st.container(gap=None, key="substep_picture"):
            panels = frames.panels(name)
            if panels:
                shown = Picture(panels, None)
                depth = run_canvas(
                    run, shown, [], _attended(run, name), height=_HEIGHT, attention_panel=0, about=name, key=CANVAS
                )
                block = max(1, min(round(depth), frames.n_blocks))
            # Figures come with the run, the gradient's later and slowly.
            poll(pending, seconds=0.5 if not inside.undone else 2.0, key="inside_poll")
            st.caption(status_line(run, False) + " · both panels have the same axes")
        with st.container(key="substep_words"):
            _words(run, inside, name, block)
    with above:
        block_diagram(run.config, block)
    picture_in_words(run, float(block), _step_in_words(run, name, block))
    if run.error or inside.error:
        st.error(capitalised(run.error or inside.error or ""))


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
    """What the chosen sub-step does to the classes; empty before the run is done and where there are none."""
    labels, names = run.dataset.labels, run.dataset.class_names
    if labels is None or not has_classes(labels) or not run.done.is_set() or run.error:
        return ""
    if len(run.full.attention) < block:  # the run is so large that its sub-steps were not kept
        return ""
    asked = (run, name, block)
    kept: tuple[object, str] | None = st.session_state.get("step_in_words")
    if kept is None or kept[0] != asked:
        steps = islice(sub_steps(run.full, run.config, first_block=block), len(SUB_STEPS))
        latents = [run.full.latents[block - 1], *(step.X.numpy() for step in steps)]
        place = SUB_STEPS.index(name)
        before, after = overlaps(latents[place : place + 2], labels, len(names), run.config.random_state)
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
    """Whom the clicked token attends to in this block, on the panel before attention."""
    found = attended(run, pinned_token(run.dataset.key, key=CANVAS)) if name == "attention" else None
    if found is None or len(found.indices) < 2:
        return None
    n = len(found.indices) - 1  # the attention of block b is that of the latents after block b − 1
    depths = tuple(float(block) for block in range(1, n + 1))
    return replace(found, indices=found.indices[:n], weights=found.weights[:n], depths=depths)


def _frames(run: Run, view: ViewConfig) -> SubStepFrames:
    """Those of the last script run, if they are of this run in this view."""
    frames: SubStepFrames | None = st.session_state.get("substep_frames")
    if frames is None or frames.run is not run or frames.view != view:
        frames = st.session_state["substep_frames"] = SubStepFrames(run, view)
    return frames
