"""The home page: the picture, drawn while it is computed, and the curves over depth under it."""

from __future__ import annotations

import streamlit as st

from dr_transformer.canvas.attended import attended
from dr_transformer.canvas.parts import classes
from dr_transformer.canvas.picture import colourings, explained, in_three_dimensions, picture, reachable
from dr_transformer.charts.depth import scatter_3d
from dr_transformer.config import ViewConfig
from dr_transformer.engine.run import Run
from dr_transformer.palette import PETROFF10
from dr_transformer.quality.curves import CURVES
from dr_transformer.ui import session
from dr_transformer.ui.canvas import last_depth, pinned_token, run_canvas
from dr_transformer.ui.charts import draw_chart, show_depth_curves, tables_behind
from dr_transformer.ui.poll import poll
from dr_transformer.ui.sidebar import Settings
from dr_transformer.ui.state import last_good
from dr_transformer.ui.text import capitalised, curves_line, notes, picture_in_words, status_line

_HEIGHT = 340  # so that picture, depth and curves stand on one screen of 1440 × 900


def explorer(settings: Settings) -> None:
    """Draw the page for these settings; bad ones become one sentence, and the last good picture stays."""
    run = last_good("last_run", lambda: session.begun(session.run(session.dataset(settings), settings.config())))
    if run is not None:
        _picture(run, settings.view())


@st.fragment
def _picture(run: Run, view: ViewConfig) -> None:
    pending = not run.finished  # asked first: what is drawn below is then all there is, or is drawn again
    shown = picture(run, view, last_depth())
    depth = float(run.config.n_blocks)
    with st.container(gap=None):
        if shown is not None:
            pinned = pinned_token(run.dataset.key)
            depth = run_canvas(run, shown, colourings(run), attended(run, pinned), height=_HEIGHT)
        poll(pending, seconds=0.25 if not run.done.is_set() else 1.0)
    line = status_line(run, shown is not None and shown.is_preview, explained(run, view, depth))
    source = run.dataset.source.rstrip(".")
    if shown is not None and (complete := reachable(shown)) and line.endswith(source):
        # Instead of where the data are from: a line that grew to two would move the curves under the reader's hand.
        line = line.removesuffix(source) + complete
    st.caption(line)
    if len(run.dataset.messages) > 1:
        st.caption(" ".join(run.dataset.messages))
    named = ("effective_rank", "mean_cosine") if run.dataset.labels is None else tuple(CURVES)
    curves = {CURVES[name]: run.analysis.curves[name] for name in named}
    show_depth_curves(curves, n_blocks=run.config.n_blocks)
    st.caption(curves_line(run))
    picture_in_words(run, depth)
    if view.three_d:
        _three_dimensions(run, view, depth)
    if run.error:
        st.error(capitalised(run.error))
    for note in notes(run):
        st.info(note)


def _three_dimensions(run: Run, view: ViewConfig, depth: float) -> None:
    """The block at rest (the last one passed, or the last one computed) in three dimensions."""
    latents = list(run.full.latents)
    if not latents:
        return
    block = min(int(depth), len(latents) - 1)
    labels, class_names = classes(run.dataset)
    st.subheader(f"Block {block} in three dimensions", anchor=False)
    points, axes = in_three_dimensions(latents[block], view)
    chart = scatter_3d(points, labels, class_names, PETROFF10, axes)
    draw_chart(chart, key="three dimensions", config=None)
    tables_behind({f"Block {block}": chart}, key="three_dimensions", label="Points as a table")
