"""The compare page: the transformer next to Laplacian Eigenmaps, UMAP and PCA, with quality figures."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import streamlit as st

from dr_transformer.baseline_run import BaselineRun
from dr_transformer.config import BaselineConfig, ViewConfig
from dr_transformer.errors import InputError
from dr_transformer.measurement import Measurement
from dr_transformer.metrics import METRICS
from dr_transformer.run import Run
from dr_transformer.ui import session
from dr_transformer.ui.canvas import pinned_token
from dr_transformer.ui.comparison import CURVES, colourings, curves, levels, panels, sentences, table
from dr_transformer.ui.depth_curves import show_depth_curves
from dr_transformer.ui.picture import attended
from dr_transformer.ui.poll import poll
from dr_transformer.ui.reality import reality_section
from dr_transformer.ui.run_canvas import last_depth, run_canvas
from dr_transformer.ui.sidebar import Settings
from dr_transformer.ui.summary import capitalised, status_line

_FIRST_PICTURE_SECONDS = 5.0
_HEIGHT = 225  # of a panel: two rows and the depth stand on one screen of 1440 × 900


def compare(settings: Settings) -> None:
    """Draw the page for these settings; bad ones become one sentence, and the last good picture stays."""
    with st.container():
        runs = _runs(settings)
    if runs is not None:
        st.session_state["last_comparison"] = runs
        _picture(*runs, settings.view(), settings.baselines())
        reality_section(runs[0].dataset, runs[0].config, replace(settings.baselines(), align="none"))


def _runs(settings: Settings) -> tuple[Run, BaselineRun, Measurement] | None:
    try:
        dataset, config = session.dataset(settings), settings.config()
        run = session.run(dataset, config)
        baselines = session.baseline_run(dataset, config, settings.baselines())
        measured = session.measurement(run, baselines)
        run.begun.wait(_FIRST_PICTURE_SECONDS)
        if run.error:
            raise InputError(run.error)
        return run, baselines, measured
    except InputError as error:
        last: tuple[Run, BaselineRun, Measurement] | None = st.session_state.get("last_comparison")
        st.error(capitalised(str(error)) + (" The picture below is the last that could be computed." if last else ""))
        return last


@st.fragment
def _picture(run: Run, baselines: BaselineRun, measured: Measurement, view: ViewConfig, chosen: BaselineConfig) -> None:
    # Asked first: what is drawn below is then all there is, or is drawn again.
    pending = not (run.finished and baselines.finished and measured.finished)
    shown = panels(run, baselines, view, last_depth(), chosen.align)
    with st.container(gap=None):
        if shown is not None:
            run_canvas(
                run,
                shown,
                colourings(run, baselines),
                attended(run, pinned_token(run.dataset.key, key="compare_canvas")),
                height=_HEIGHT,
                key="compare_canvas",
            )
        poll(pending, seconds=0.5 if not run.done.is_set() else 1.0, key="compare_poll")
    st.caption(status_line(run, shown is not None and shown.is_preview) + _waiting(baselines))
    if baselines.error:
        st.error(capitalised(baselines.error))
    _figures(run, baselines, measured)


def _waiting(baselines: BaselineRun) -> str:
    umap = baselines.umap_run
    if baselines.finished or umap is None:
        return ""
    if umap.state == "running":
        return f" · UMAP: epoch {umap.epoch} of {umap.n_epochs}"
    if umap.state == "queued":
        compiling = " (it compiles once after the start, up to a minute)" if baselines.worker.compiling else ""
        return f" · UMAP waits, {umap.queue_position} before it{compiling}"
    return ""


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
            height=200,
            canvas="compare_canvas",
            key="compare_curves",
        )
    for sentence in sentences(run, baselines, measured):
        st.markdown(capitalised(sentence))
    rows = table(run, baselines, measured)
    number = st.column_config.NumberColumn
    helps = {metric.title: number(help=metric.help, format="%.3f") for metric in METRICS.values()}
    helps["seconds"] = number(help="All blocks together; the kNN graph included.", format="%.1f")
    frame = pd.DataFrame(rows, columns=["method", "dimensions", *helps, "device"])
    st.dataframe(frame, hide_index=True, column_config=helps, key="compare_table", height=35 * (len(rows) + 1) + 3)
