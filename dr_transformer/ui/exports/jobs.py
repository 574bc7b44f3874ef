"""The session's files in the making; their owners' names are those `session.leave_page` knows."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import streamlit as st

from dr_transformer.config import BaselineConfig, ViewConfig
from dr_transformer.engine.baselines import BaselineRun
from dr_transformer.engine.jobs import J
from dr_transformer.engine.run import Run
from dr_transformer.export.figure_config import AnimationConfig, FigureConfig
from dr_transformer.export.job import FigureJob, FilmJob, Measured, TableJob
from dr_transformer.export.pages.live_page import LivePageJob
from dr_transformer.export.pages.run_page import WebPageJob
from dr_transformer.ui.session import baseline_run, session_name, submit


def figure(
    run: Run, view: ViewConfig, options: FigureConfig, kind: str, compared: BaselineConfig, measured: Measured | None
) -> FigureJob:
    """Make a figure of the run; the baselines are computed for the template that shows them."""
    shows = options.template == "methods"
    baselines = _baselines(run, compared) if shows else None

    def make() -> FigureJob:
        kept = compared if shows or measured is not None else None
        return FigureJob(run, view, options=options, kind=kind, baselines=baselines, compared=kept, measured=measured)

    about = (view, options, kind, compared if shows else None, measured.key if measured else None)
    return _submit("figure", ("figure", id(run), *about), make)


def film(run: Run, view: ViewConfig, options: AnimationConfig, suffix: str) -> FilmJob:
    """Make a film of the run."""
    about: Hashable = ("film", id(run), view, options, suffix)
    return _submit("film", about, lambda: FilmJob(run, view, options=options, suffix=suffix))


def table(
    run: Run, view: ViewConfig, method: str, block: int, plane: bool, suffix: str, compared: BaselineConfig
) -> TableJob:
    """Make a table of an embedding of the run's tokens; a baseline is computed if it is the one."""
    of_a_baseline = method != "transformer"
    baselines = _baselines(run, compared) if of_a_baseline else None

    def make() -> TableJob:
        kept = compared if of_a_baseline else None
        return TableJob(
            run,
            view,
            method=method,
            block=block,
            plane=plane,
            suffix=suffix,
            baselines=baselines,
            compared=kept,
        )

    about = (view, method, block, plane, suffix, compared if of_a_baseline else None)
    return _submit("table", ("table", id(run), *about), make)


def web_page(run: Run, view: ViewConfig, depth: float, baselines: BaselineRun | None) -> WebPageJob:
    """Make one web page of the run, and of the baselines if given."""
    about: Hashable = ("web page", id(run), view, depth, id(baselines) if baselines else None)
    return _submit("web page", about, lambda: WebPageJob(run, view, depth=depth, baselines=baselines))


def live_page(run: Run, view: ViewConfig) -> LivePageJob:
    """Make one web page that runs the model itself, of some of the run's tokens."""
    return _submit("web page", ("live page", id(run), view), lambda: LivePageJob(run, view))


def _submit(kind: str, key: Hashable, make: Callable[[], J]) -> J:
    serial = st.session_state.get(f"{kind}_serial", 0)  # each press of the button makes the file again
    return submit(kind, (session_name(), serial, key), make)


def _baselines(run: Run, compared: BaselineConfig) -> BaselineRun:
    return baseline_run(run.dataset, run.config, compared)
