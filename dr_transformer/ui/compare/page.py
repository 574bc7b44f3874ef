"""The compare page: the transformer next to Laplacian Eigenmaps, UMAP and PCA, with quality figures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from dr_transformer.config import BaselineConfig, ViewConfig
from dr_transformer.engine.baselines import BaselineRun, Measurement, curves, levels
from dr_transformer.engine.run import Run
from dr_transformer.engine.waiting import next_look
from dr_transformer.quality.metrics import METRICS
from dr_transformer.ui import session
from dr_transformer.ui.canvas import last_depth, pinned_token, run_canvas
from dr_transformer.ui.charts import show_depth_curves
from dr_transformer.ui.compare.comparison import (
    CURVES,
    colourings,
    figure_columns,
    panels,
    sentences,
    table,
)
from dr_transformer.ui.compare.reality import reality_section
from dr_transformer.ui.poll import poll
from dr_transformer.ui.sidebar import Settings
from dr_transformer.ui.state import last_good
from dr_transformer.ui.text import capitalised, picture_in_words, refusal, status_line

_HEIGHT = 225  # of a panel: two rows and the depth stand on one screen of 1440 × 900


def compare(settings: Settings) -> None:
    """Draw the page for these settings; bad ones become one sentence, and the last good picture stays."""
    runs = last_good("last_comparison", lambda: _runs(settings))
    if runs is not None:
        _picture(*runs, settings.view(), settings.baselines())
        if runs[0].dataset.trajectory is None:
            reality_section(runs[0].dataset, runs[0].config, replace(settings.baselines(), align="none"))


def _runs(settings: Settings) -> tuple[Run, BaselineRun, Measurement]:
    dataset, config = session.dataset(settings), settings.config()
    run = session.played(dataset, config)
    baselines = session.baseline_run(dataset, config, settings.baselines())
    measured = session.measurement(run, baselines)
    return session.begun(run), baselines, measured


@st.fragment
def _picture(run: Run, baselines: BaselineRun, measured: Measurement, view: ViewConfig, chosen: BaselineConfig) -> None:
    # Asked first: what is drawn below is then all there is, or is drawn again.
    drawing = session.drawing(run, view)
    pending = not (run.finished and drawing.finished and baselines.finished and measured.finished)
    shown = panels(drawing, baselines, last_depth(), chosen.align)
    depth = float(run.config.n_blocks)
    with st.container(gap=None):
        if shown is not None:
            depth = run_canvas(
                run,
                shown,
                colourings(run, baselines),
                session.attended(run, pinned_token(run.dataset.key, key="compare_canvas")),
                height=_HEIGHT,
                attention_panel=0,
                about=str(chosen),
                offered=("clusters", "preservation"),
                key="compare_canvas",
            )
        pending |= not run.finished  # somebody wants to colour by more
        poll(pending, seconds=next_look(run), key="compare_poll")
    st.caption(status_line(run, shown))
    _umap_line(baselines)
    if baselines.error:
        st.error(refusal(baselines.error))
    _figures(run, baselines, measured)
    picture_in_words(run, depth)


def _umap_line(baselines: BaselineRun) -> None:
    """Return how far UMAP is, and the button to stop it or to have it again; always there, so that nothing moves."""
    umap, method = baselines.umap_run, baselines.methods["umap"]
    with st.container(horizontal=True, vertical_alignment="center"):
        if method.error:
            again = st.button("Run UMAP again", key="umap_again", disabled=baselines.working, type="tertiary")
            if again:
                session.ask(BaselineRun.forget_umap, baselines)
                st.rerun()
        elif st.button(
            "Cancel UMAP",
            key="umap_cancel",
            disabled=umap is None or umap.done.is_set(),
            type="tertiary",
            help="Stops at the end of the epoch; the other methods stay.",
        ):
            st.session_state["umap_shared"] = not session.stop_umap(baselines)
        st.caption(_umap_state(baselines), width="stretch")
    if umap is not None and not umap.done.is_set() and st.session_state.pop("umap_shared", False):
        st.info("Somebody else waits for the same layout, so it goes on.")


def _umap_state(baselines: BaselineRun) -> str:
    umap, method = baselines.umap_run, baselines.methods["umap"]
    if method.error:
        return f"UMAP: {method.error}"
    if umap is None:
        return "" if baselines.finished else "UMAP waits for the kNN graph."
    if umap.state == "running":
        return f"UMAP: epoch {umap.epoch} of {umap.n_epochs}."
    if umap.state == "queued":
        why = "it compiles once after the start" if baselines.compiling else f"{umap.queue_position} before it"
        return f"UMAP waits: {why}."
    return (
        f"UMAP: {umap.n_epochs} epochs in {umap.seconds:.1f} s, after {umap.seconds_of_compilation:.0f} s of waiting."
    )


def _figures(run: Run, baselines: BaselineRun, measured: Measurement) -> None:
    """Curves and table: there from the start, still empty, so that nothing moves when they come."""
    labelled = run.dataset.labels is not None
    possible = [name for name, metric in METRICS.items() if labelled or not metric.needs_labels]
    first = [name for name in CURVES if name in possible]
    names = st.pills(
        "Figures over depth",
        possible,
        selection_mode="multi",
        default=first,
        format_func=lambda name: METRICS[name].title,
        key="compare_figures",
        help="Which quality figures are drawn over the blocks; the broken lines are the other methods.",
    )
    if names:
        chosen = tuple(names)
        show_depth_curves(
            curves(measured, chosen),
            n_blocks=run.config.n_blocks,
            levels=levels(baselines, chosen),
            canvas="compare_canvas",
            key="compare_curves",
        )
    rows = table(run, baselines, measured)
    helps: dict[str, Any] = figure_columns(images=run.dataset.image_shape is not None)
    helps["seconds"] = st.column_config.NumberColumn(help="All blocks together; the kNN graph included.", format="%.1f")
    frame = pd.DataFrame(rows, columns=["method", "dimensions", *helps, "device"])
    height = 35 * (max(len(rows), 1) + 1) + 3  # an empty table has a line that says so
    st.dataframe(frame, hide_index=True, column_config=helps, key="compare_table", height=height)
    for sentence in sentences(run, baselines, measured):
        st.markdown(capitalised(sentence))
