"""The home page: the picture, drawn while it is computed, and the curves over depth under it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import streamlit as st

from dr_transformer.canvas.parts import classes, story
from dr_transformer.canvas.picture import colourings, explained, picture, reachable, three_dimensions
from dr_transformer.canvas.shipped import shipped
from dr_transformer.charts.depth import scatter_3d
from dr_transformer.config import ViewConfig
from dr_transformer.engine.run import Run
from dr_transformer.engine.waiting import SLOW_LOOK, next_look
from dr_transformer.palette import PETROFF10
from dr_transformer.quality.curves import CURVES
from dr_transformer.ui import session
from dr_transformer.ui.canvas import last_depth, pinned_token, run_canvas, same_again
from dr_transformer.ui.charts import draw_chart, show_depth_curves, tables_behind
from dr_transformer.ui.explorer.layers import layers_section
from dr_transformer.ui.live import ON_CANVAS, drawn_now, is_shown_live, live_sliders, live_tokens
from dr_transformer.ui.poll import poll
from dr_transformer.ui.sidebar import Settings
from dr_transformer.ui.state import last_good
from dr_transformer.ui.text import curves_line, escaped, notes, picture_in_words, refusal, status_line

_HEIGHT = 320  # so that picture, depth and curves stand on one screen of 1440 × 900


def explorer(settings: Settings, sliders: Collection[str] = ON_CANVAS, *, opens: bool = False) -> None:
    """Draw the page for these settings; bad ones become one sentence, and the last good picture stays.

    `sliders` of `live.ON_CANVAS` stand beside the depth. It `opens` by playing once.
    """
    live_sliders(settings.values)
    run = last_good("last_run", lambda: _run(settings))
    if run is not None:
        own = run.dataset.trajectory is not None
        _picture(run, settings.view(), () if own else tuple(sliders), opens=opens)
        if own:
            layers_section(run.dataset, run.config.random_state)


def _run(settings: Settings) -> Run:
    dataset, config, view = session.dataset(settings), settings.config(), settings.view()
    live = is_shown_live(dataset, config, view)
    at_once = live or shipped(dataset, config, view) is not None
    return session.begun(session.played(dataset, config, preview=not live), wait=not at_once)


@st.fragment
def _picture(run: Run, view: ViewConfig, sliders: tuple[str, ...], *, opens: bool) -> None:
    at_once = shipped(run.dataset, run.config, view)
    live = is_shown_live(run.dataset, run.config, view)
    drawing = session.drawing(run, view, wait=at_once is None and not live)
    # Asked first: what is drawn below is then all there is, or is drawn again.
    pending = not (run.finished and drawing.finished)
    drawn = len(drawing.full.blocks) > run.config.n_blocks
    shown = picture(drawing, last_depth()) if drawn or at_once is None else at_once
    depth = float(run.config.n_blocks)
    with st.container(gap=None):
        spec, to_come = live_tokens(run, view)
        pending |= to_come
        if live and at_once is None and len(drawing.full.blocks) <= min(last_depth(), run.config.n_blocks):
            # The browser shows it already, of fewer tokens, and would keep what comes until it is all there.
            depth = min(same_again(), depth)
        elif shown is not None:
            drawn_now(run.dataset, run.config, view)
            pinned = pinned_token(run.dataset.key)
            attended = session.attended(run, pinned)
            found = colourings(run.analysis)
            depth = run_canvas(
                run,
                shown,
                found,
                attended,
                height=_HEIGHT,
                live=spec,
                sliders=sliders,
                opens=opens,
                story=story(run.dataset, sliders),
            )
        pending |= not run.finished  # somebody wants to colour by more
        poll(pending, seconds=SLOW_LOOK if shown is at_once else next_look(run))
    line = status_line(run, shown, explained(drawing, depth))
    source = escaped(run.dataset.source.rstrip("."))
    if shown is not None and (complete := reachable(shown)) and line.endswith(source):
        # Instead of where the data are from: a line that grew to two would move the curves under the reader's hand.
        line = line.removesuffix(source) + complete
    st.caption(line)
    if len(run.dataset.messages) > 1:
        st.caption(escaped(" ".join(run.dataset.messages)))
    named = ("effective_rank", "mean_cosine") if run.dataset.labels is None else tuple(CURVES)
    curves = {CURVES[name]: run.analysis.curves[name] for name in named}
    before = _curves_before(run, curves)
    show_depth_curves(curves, n_blocks=run.config.n_blocks, before=before)
    st.caption(curves_line(run) + (" Faint: the curves of the run before." if before else ""))
    picture_in_words(run, depth)
    if view.three_d:
        _three_dimensions(run, view, depth)
    if run.error:
        st.error(refusal(run.error))
    for note in notes(run):
        st.info(note)


def _curves_before(
    run: Run, curves: Mapping[str, Sequence[float | None]]
) -> Mapping[str, tuple[float | None, ...]] | None:
    """The curves of the last run of which all were there, until this one's are; by name."""
    if all(len(values) > run.config.n_blocks for values in curves.values()):
        st.session_state["last_curves"] = {name: tuple(values) for name, values in curves.items()}
        return None
    last: Mapping[str, tuple[float | None, ...]] | None = st.session_state.get("last_curves")
    return None if run.error else last


def _three_dimensions(run: Run, view: ViewConfig, depth: float) -> None:
    """The block at rest (the last one passed, or the last one computed) in three dimensions."""
    if run.block < 0:
        return
    block = min(int(depth), run.block)
    labels, class_names = classes(run.dataset)
    st.subheader(f"Block {block} in three dimensions", anchor=False)
    points, axes = session.ask(three_dimensions, run, block, view)
    chart = scatter_3d(points, labels, class_names, PETROFF10, axes)
    draw_chart(chart, key="three dimensions", config=None)
    tables_behind({f"Block {block}": chart}, key="three_dimensions", label="Points as a table")
