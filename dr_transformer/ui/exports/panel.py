"""Take it home: the panel that saves what a page shows, and takes it back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import PurePath
from typing import Any

import streamlit as st

from dr_transformer.canvas.live import MOST_COMPONENTS, is_live
from dr_transformer.config import BaselineConfig, ViewConfig
from dr_transformer.engine.baselines import BASELINES, BaselineRun, Measurement
from dr_transformer.engine.run import Run
from dr_transformer.errors import InputError
from dr_transformer.export import animation, session_file, tables
from dr_transformer.export.figure_config import TEMPLATES, AnimationConfig, FigureConfig
from dr_transformer.export.job import Measured, TableJob
from dr_transformer.export.job import compared as comparison
from dr_transformer.export.script import script
from dr_transformer.ui.canvas import last_depth
from dr_transformer.ui.compare.comparison import CURVES
from dr_transformer.ui.exports import jobs
from dr_transformer.ui.exports.session import session_section
from dr_transformer.ui.exports.widgets import choice, declared_widgets, file_row
from dr_transformer.ui.sidebar import Settings
from dr_transformer.ui.text import refusal

MIME = {
    ".csv": "text/csv",
    ".gif": "image/gif",
    ".html": "text/html",
    ".json": "application/json",
    ".mp4": "video/mp4",
    ".npz": "application/octet-stream",
    ".parquet": "application/octet-stream",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
METHODS = {"transformer": "Transformer", **BASELINES}


def export_panel(
    run: Run,
    settings: Settings,
    *,
    baselines: BaselineRun | None = None,
    measured: Callable[[], Measured] | None = None,
) -> None:
    """Save a run as figure, film, table, web page or session, and take a figure or a session back.

    Call it outside of fragments, for what is taken back sets the sidebar. On a page with `baselines` the web page shows
    them too, and the template metrics has the curves that `measured` returns when the file is asked for.
    """
    view, compared = settings.view(), settings.baselines()
    with st.expander("Save and restore", key="save_and_restore"):
        tabs = st.tabs(["Figure", "Animation", "Data", "Web page", "Session"], key="save_tabs")
        with tabs[0]:
            _figure(run, view, compared, measured)
        with tabs[1]:
            _animation(run, view)
        with tabs[2]:
            _data(run, view, compared)
        with tabs[3]:
            _web_page(run, view, baselines)
        with tabs[4]:
            session_section(run, settings, _stem(run))


def export_comparison(run: Run, baselines: BaselineRun, measurement: Measurement, settings: Settings) -> None:
    """Draw the panel of the page Compare, whose figure of metrics has the curves that are chosen there."""

    def measured() -> Measured:
        return comparison(measurement, baselines, tuple(st.session_state.get("compare_figures") or CURVES))

    export_panel(run, settings, baselines=baselines, measured=measured)


@st.fragment
def _figure(run: Run, view: ViewConfig, compared: BaselineConfig, ask: Callable[[], Measured] | None) -> None:
    measured = None if ask is None else ask()
    try:
        with _row():
            kind = _format("figure", (".png", ".svg", ".pdf"), "PNG is pixels; SVG and PDF are vectors, for print.")
            options = declared_widgets(FigureConfig, "figure", {"template": 300, "palette": 130, "dpi": 150}, _named)
        name = f"{_stem(run)}-{options.template}{kind}"
        asked = (id(run), view, compared, options, kind, measured.key if measured else None)
        file_row(
            "figure",
            asked,
            lambda: jobs.figure(run, view, options, kind[1:], compared, measured),
            name,
            MIME[kind],
        )
    except InputError as error:
        st.error(refusal(str(error)))
    st.caption(
        "The file holds the settings that made it: drop it on “Session” here, or give it to `dr-transformer figure "
        "--from`, and they are back."
    )


@st.fragment
def _animation(run: Run, view: ViewConfig) -> None:
    try:
        with _row():
            suffix = _format("film", animation.FORMATS, "A GIF plays by itself everywhere; an MP4 has all colours.")
            options = declared_widgets(AnimationConfig, "film", {"seconds_per_block": 190, "fps": 150, "palette": 150})
        animation.frame_counts(run.config, options)
        name = f"{_stem(run)}-collapse{suffix}"
        asked = (id(run), view, options, suffix)
        file_row("film", asked, lambda: jobs.film(run, view, options, suffix), name, MIME[suffix])
    except InputError as error:
        st.error(refusal(str(error)))


@st.fragment
def _data(run: Run, view: ViewConfig, compared: BaselineConfig) -> None:
    last = run.config.n_blocks
    with _row():
        suffix = _format("table", tables.FORMATS, "All three can be opened again here, as your own file.")
        method = choice("Method", METHODS, "table_method", "Whose map of the tokens.", width=190)
        ours = method == "transformer"
        block = st.number_input(
            "Block",
            0,
            last,
            last,
            key=f"table_block_{last}",
            width=120,
            disabled=not ours,
            help="After which block the latents are taken; 0 is before the first.",
        )
        which = choice(
            "Coordinates",
            {"all": "all", "view": "the two on screen"},
            "table_coordinates",
            "All latent dimensions, or the plane that the view shows.",
            width=190,
            disabled=not ours,
        )
    plane = ours and which == "view"
    name = f"{_stem(run)}-{f'block{block}' if ours else method}{suffix}"
    asked = (id(run), view, method, block, plane, suffix, None if ours else compared)
    job = file_row(
        "table",
        asked,
        lambda: jobs.table(run, view, method, block, plane, suffix, compared),
        name,
        MIME[suffix],
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        source = script(run.config, run.dataset, method, block=block, view=view if plane else None, baselines=compared)
        st.download_button(
            "Save script.py",
            source,
            "script.py",
            "text/x-python",
            key="table_script",
            on_click="ignore",
            help="A few lines of Python that compute the same numbers again.",
        )
        if suffix == ".csv" and isinstance(job, TableJob) and job.complete:
            settings_name = f"{PurePath(name).stem}{session_file.SUFFIX}"
            st.download_button(
                f"Save {settings_name}",
                session_file.dump(job.made_with),
                settings_name,
                MIME[".json"],
                key="table_settings",
                on_click="ignore",
                help="A CSV has no place for settings, so they are a file beside it.",
            )


WEB_PAGES = {"recorded": "has the pictures of this run", "live": "runs the model itself: α, η, depth live"}
WEB_PAGE_HELP = (
    "The first has all tokens, and opens at the depth where you are now. The second has at most 1 000 tokens and the "
    "model with them, which runs in the browser of whoever opens it."
)


@st.fragment
def _web_page(run: Run, view: ViewConfig, baselines: BaselineRun | None) -> None:
    st.caption("One HTML file that needs no server and no network: lay it on any web space, or send it.")
    is_model = baselines is None and run.dataset.trajectory is None
    if is_model and choice("It", WEB_PAGES, "web_page_kind", WEB_PAGE_HELP, width=330) == "live":
        if is_live(run.config, view):
            asked: tuple[Any, ...] = (id(run), view, "live")
            file_row("web page", asked, lambda: jobs.live_page(run, view), f"{_stem(run)}-live.html", MIME[".html"])
        else:
            st.info(f"A live page shows two latent axes of at most {MOST_COMPONENTS} dimensions: set View and q so.")
        return
    depth = min(last_depth(), float(run.config.n_blocks))
    kept = st.session_state.get("web page_asked")
    if kept is not None and kept[:2] == (id(run), view) and kept[2] != "live":
        depth = kept[2]  # a file that is made, or in the making, is not given up because the depth moves on
    name = f"{_stem(run)}.html"
    asked = (id(run), view, depth)
    file_row("web page", asked, lambda: jobs.web_page(run, view, depth, baselines), name, MIME[".html"])


def _row() -> AbstractContextManager[object]:
    return st.container(horizontal=True, vertical_alignment="bottom")


def _format(kind: str, suffixes: Sequence[str], help: str) -> str:
    return choice("Format", {suffix: suffix[1:].upper() for suffix in suffixes}, f"{kind}_format", help, width=130)


def _stem(run: Run) -> str:
    """Return what files are called: the data set, without what no file system likes."""
    stem = PurePath(run.dataset.name).stem
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in stem) or "tokens"


def _named(choice: str) -> str:
    """A template in words; palettes are called what they are called."""
    return TEMPLATES.get(choice, choice)
