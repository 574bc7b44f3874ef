"""The section "Phase diagram" of the page "Inside a block": any figure over α and η or depth, cell by cell."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from dr_transformer.charts.phase import phase_chart
from dr_transformer.charts.phase_reading import SYMBOLS, reading, records, rounding, settings_text, table
from dr_transformer.config import Config
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.sweep import Sweep
from dr_transformer.quality.metrics import METRICS
from dr_transformer.quality.sweep_grid import RESOLUTIONS, Cell, Grid
from dr_transformer.ui import session
from dr_transformer.ui.caps import caps
from dr_transformer.ui.charts import steady_chart
from dr_transformer.ui.job_panel import show_state
from dr_transformer.ui.poll import poll
from dr_transformer.ui.sidebar import Settings
from dr_transformer.ui.state import load_settings
from dr_transformer.ui.text import capitalised, fitting, grouped

_EXPLAINED = (
    "Two numbers rule a block (paper, section 3; its values, α = 30 and η = 0.4, section 4.1). **α** sharpens "
    "attention, "
    r"$A = \mathrm{softmax}\left(\frac{\alpha n}{q} X X^\top\right)$; **η** is the length of the step, "
    r"$X \leftarrow X + 2\eta A X$. Each cell of this map is a transformer of its own, run to its last block and "
    "measured."
)
_FORMULAS = {
    "nmi": r"With classes $C$ and clusters $K$ it is $2\,I(C; K) / (H(C) + H(K))$.",
    "effective_rank": r"Effective rank $= \exp(-\sum_i p_i \ln p_i)$, $p$ the spectrum of $X^\top X$ (rows of norm 1) "
    "over its sum.",
}
_COLUMNS = {"eta": "α × η", "n_blocks": "α × depth L"}
_TOKENS = (500, 1000, 2000)


def show(dataset: Dataset, config: Config, settings: Settings) -> None:  # noqa: ARG001 - as every section's
    """Draw the section for these tokens; it polls while it computes."""
    st.markdown(_EXPLAINED)
    _section(dataset, config)


@st.fragment
def _section(dataset: Dataset, config: Config) -> None:
    if was_loaded():
        st.rerun()  # the whole page follows
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted, metric = _controls(dataset, config)
        job = _job(wanted)
        asked = st.session_state.get("phase_asked") == job.key
        pending = not job.finished and (asked or job.recall_only)  # once: what is drawn below is all, or is drawn again
        _buttons(job, running=pending and asked)
    with st.container(gap=None):
        poll(pending, seconds=0.25 if job.recall_only else 1.0, key="phase_poll")
    _state(job, running=pending and asked)
    left, right = st.columns([5, 3], gap="medium")
    with left:
        _map(job, metric, config, pending=pending)
        load_a_cell(job, config)
    with right:
        _guide(job, metric, config)
    with st.expander(f"Table: {METRICS[metric].title}", key="phase_table_open"):
        _table(job, metric)


def _controls(dataset: Dataset, config: Config) -> tuple[Sweep, str]:
    """Return what is swept (not started), and the metric to show."""
    _keep("phase_column", list(_COLUMNS))
    column = st.segmented_control(
        "Axes",
        list(_COLUMNS),
        required=True,
        format_func=_COLUMNS.__getitem__,
        key="phase_column",
        help="What runs across: η, with the sidebar's depth, or the depth, with the sidebar's η.",
    )
    resolutions = [cells for cells in RESOLUTIONS if cells <= caps().sweep_cells]
    _keep("phase_resolution", resolutions, default=13)
    resolution = st.selectbox(
        "Cells",
        resolutions,
        format_func=lambda cells: f"{cells} × {cells}",
        key="phase_resolution",
        width=120,
        help="A finer map has all cells of a coarser one, so nothing is computed twice.",
    )
    sizes = _sizes(dataset.n_samples)
    _keep("phase_tokens", sizes, default=min(sizes, key=lambda size: abs(size - 1000)))
    n_samples = st.selectbox(
        "Tokens",
        sizes,
        format_func=grouped,
        key="phase_tokens",
        width=120,
        help="On how many tokens each cell is run and measured: a class-balanced subset, with the sidebar's seed.",
    )
    possible = [name for name, metric in METRICS.items() if dataset.labels is not None or not metric.needs_labels]
    _keep("phase_metric", possible, default="nmi" if "nmi" in possible else "recall")
    metric = st.selectbox(
        "Figure",
        possible,
        format_func=lambda name: METRICS[name].title,
        key="phase_metric",
        width=210,
        help="All of them are computed with each cell, so another one takes no time.",
    )
    _kept().update({name: st.session_state[name] for name in _KEPT})
    return Sweep(dataset, config, Grid.of(str(column), resolution), n_samples), metric


_KEPT = ("phase_column", "phase_resolution", "phase_tokens", "phase_metric")


def _kept() -> dict[str, Any]:
    found: dict[str, Any] = st.session_state.setdefault("phase_kept", {})
    return found


def _keep(key: str, options: list[Any], default: Any = None) -> None:
    """Begin the widget with what it last had, if that is still an option: a widget alone forgets on other pages.

    Its state is written only where it must change: what is written goes to the browser, and would undo a choice that
    is on its way from there.
    """
    if st.session_state.get(key) in options:
        return
    kept = _kept().get(key)
    st.session_state[key] = kept if kept in options else options[0] if default is None else default


def _sizes(n_total: int) -> list[int]:
    offered = [size for size in _TOKENS if size <= caps().sweep_samples]
    sizes = [size for size in offered if size < n_total]
    return [*sizes, n_total] if n_total <= offered[-1] else sizes


def _job(wanted: Sweep) -> Sweep:
    """The sweep to show: what is asked for, or was; otherwise what the disk has, without being asked."""
    state = st.session_state
    shown: Sweep | None = state.get("phase_job")
    if state.get("phase_asked") == wanted.key:
        shown = session.sweep(wanted)
    elif shown is None or shown.key != wanted.key:
        wanted.recall_only = True
        shown = session.sweep(wanted)
    elif shown.recall_only:
        session.sweep(shown)
    state["phase_job"] = shown
    return shown


def _buttons(job: Sweep, *, running: bool) -> None:
    st.button(
        "Compute",
        key="phase_run",
        on_click=_ask,
        args=(job,),
        disabled=running or bool(job.done.all()),
        help=f"Figures are kept in {_folder(job)}.",
    )
    st.button(
        "Cancel",
        key="phase_stop",
        on_click=_cancel,
        disabled=not running,
        help="Stops within a cell; what is computed stays.",
    )


def _ask(job: Sweep) -> None:
    st.session_state["phase_asked"] = job.key


def _cancel() -> None:
    st.session_state.pop("phase_asked", None)
    session.stop("sweep")


def _folder(sweep: Sweep) -> str:
    path = sweep.cache.path if sweep.cache else None
    return "memory alone" if path is None else str(path)


def _state(job: Sweep, *, running: bool) -> None:
    """One line: how far it is, what came from the cache, on what it was measured."""
    done, total = int(job.done.sum()), job.done.size
    cached = f"{job.n_cached} of {total} from the cache"
    said = f"All {total} cells" if done == total else f"{done} of {total} cells" if done else "Nothing is computed yet"
    c = job.config
    fixed = f"L = {c.n_blocks}" if job.grid.column == "eta" else f"η = {c.eta:g}"
    line = f"{said}; {cached}. {capitalised(job.sample)}; {fixed}, q = {c.n_components}."
    doing = f"{done} of {total} cells, coarse ones first; {cached}"
    show_state(job, doing, running=running, stopped=line, done=line)


def _map(job: Sweep, metric: str, config: Config, *, pending: bool) -> None:
    title = METRICS[metric].title
    st.markdown(f"**{title[:1].upper()}{title[1:]}** over {_COLUMNS[job.grid.column]}")
    chart = phase_chart(job, metric, config, coarse=pending)
    steady_chart(
        chart,
        key="phase_map",
        on_select=partial(clicked, job, key="phase_map"),
        selection_mode="points",
    )
    crosses = "; ×: rounding" if rounding(job).any() else ""
    st.caption(
        "Click a cell to load it. Frame or ring: the sidebar's settings; star: best; dot: effective rank below 2"
        f"{crosses}."
    )


def _guide(job: Sweep, metric: str, config: Config) -> None:
    explained = fitting(METRICS[metric].help, images=job.dataset.image_shape is not None)
    st.markdown(f"{explained} {_FORMULAS.get(metric, '')}")
    for sentence in reading(job, config):
        st.markdown(sentence)
    if metric != "effective_rank":
        st.caption(_FORMULAS["effective_rank"])


def _table(job: Sweep, metric: str) -> None:
    shown = table(job, metric)
    number = st.column_config.NumberColumn(format="%.3f")
    st.dataframe(shown, key="phase_table", column_config=dict.fromkeys(shown.columns, number))
    st.download_button(
        "Save as CSV",
        records(job).to_csv(index=False),
        "phase_diagram.csv",
        "text/csv",
        key="phase_csv",
        help="One row for each computed cell: its settings and every figure.",
    )


def load_a_cell(job: Sweep, config: Config) -> None:
    """Offer what a click on a cell does to keyboards and fingers, and say that it was loaded."""
    grid = job.grid
    symbol = SYMBOLS[grid.column]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        keys = f"phase_row_{len(grid.alphas)}", f"phase_{grid.column}_{len(grid.values)}"
        st.selectbox(
            "Load α",
            range(len(grid.alphas)),
            index=_nearest(grid.alphas, config.alpha),
            format_func=lambda i: f"{grid.alphas[i]:g}",
            key=keys[0],
            width=110,
            help="The cell's α: what a click on the map sets, without a mouse.",
        )
        st.selectbox(
            symbol,
            range(len(grid.values)),
            index=_nearest(grid.values, getattr(config, grid.column)),
            format_func=lambda i: f"{grid.values[i]:g}",
            key=keys[1],
            width=110,
            help=f"The cell's {symbol}.",
        )
        st.button(
            "Load",
            key="phase_load",
            on_click=_load_chosen,
            args=(job, keys),
            help="Sets the sidebar to these values; every page follows.",
        )
    values, said = st.session_state.get("phase_loaded", ({}, ""))
    if values and all(getattr(config, name) == value for name, value in values.items()):
        st.success(said)  # until the sidebar is changed


def _nearest(values: tuple[float, ...], value: float) -> int:
    return int(np.abs(np.log(values) - np.log(value)).argmin())


def clicked(job: Sweep, key: str) -> None:
    """Load the cell of the chart `key` that was clicked, as its callback."""
    points = st.session_state[key]["selection"]["points"]
    if points:
        row, column = points[-1]["customdata"]
        _load(job, (int(row), int(column)))


def _load_chosen(job: Sweep, keys: tuple[str, str]) -> None:
    row, column = (int(st.session_state[key]) for key in keys)
    _load(job, (row, column))


def was_loaded() -> bool:
    """Return whether a cell was loaded since this was asked last: the sidebar has to be drawn again."""
    return bool(st.session_state.pop("phase_new", False))


def _load(job: Sweep, cell: Cell) -> None:
    """Set the sidebar to the cell's settings, and all pictures to the last block, which is what the cell shows."""
    values = {"alpha": job.grid.alphas[cell[0]], job.grid.column: job.grid.values[cell[1]]}
    load_settings(values)
    st.session_state.pop("last_depth", None)
    n, n_cell = job.dataset.n_samples, job.n_samples
    tokens = "" if n == n_cell else f" A run has all {grouped(n)} tokens, the cell {grouped(n_cell)}."
    said = f"Loaded {settings_text(job, cell)}; sidebar, link and pictures follow.{tokens}"
    st.session_state["phase_loaded"] = values, said
    st.session_state["phase_new"] = True
