"""A small comparison trained from the page "Graph diffusion": started, watched, stopped; its runs as they come."""

from __future__ import annotations

import functools
from collections.abc import Hashable
from typing import Any

import streamlit as st

from dr_transformer.charts.training import Points, live_chart
from dr_transformer.engine.training import TrainingJob
from dr_transformer.errors import InputError
from dr_transformer.training.outcome import NAMES
from dr_transformer.training.results import Row
from dr_transformer.ui import session
from dr_transformer.ui.charts import steady_chart, tables_behind
from dr_transformer.ui.diffusion.controls import PRESET, Request, controls
from dr_transformer.ui.diffusion.source import Source
from dr_transformer.ui.job_panel import show_state
from dr_transformer.ui.poll import poll
from dr_transformer.ui.text import escaped, refusal

_OWNER = "training"
_ASKED, _JOB, _ROWS = "diffusion_asked", "diffusion_job", "diffusion_rows"


def trained_here() -> Source:
    """Draw controls and progress; return the runs there are."""
    request: Request | None = None
    problem = ""
    try:
        request = controls()
    except InputError as error:
        problem = refusal(str(error))
    with st.container():
        if problem:
            st.error(problem)
    with st.container(horizontal=True):
        start = st.button(
            "Start",
            key="diffusion_start",
            disabled=request is None,
            help="Trains in a process of its own; runs that were made before are not made again.",
        )
        stop = st.button("Cancel", key="diffusion_stop", help="Stops within seconds; Start goes on from there.")
    if start and request is not None:
        _ask(request)
    elif stop:
        session.stop(_OWNER)
        st.session_state.pop(_ASKED, None)
    job = _job()
    st.session_state[_JOB] = job
    if job is None:
        return Source("nothing", ())
    rows = _rows(job)
    _live(job, len(job.rows), rows)
    return Source(("trained", *((row.key, row.finished, row.seconds) for row in rows)), rows)


def _ask(request: Request) -> None:
    """Make this what is trained; a comparison that failed is tried again."""
    last: TrainingJob | None = st.session_state.get(_JOB)
    serial = st.session_state.get("diffusion_serial", 0) + (last is not None and last.error is not None)
    st.session_state["diffusion_serial"] = serial
    try:
        sources = request.sources()
    except InputError as error:
        st.error(refusal(str(error)))
        return
    key = ("training", request.settings, request.attentions, request.seeds, sources, serial)
    make = functools.partial(
        TrainingJob,
        settings=request.settings,
        attentions=request.attentions,
        seeds=request.seeds,
        sources=sources,
        preset=PRESET,
    )
    st.session_state[_ASKED] = (key, make)


def _job() -> TrainingJob | None:
    """The one asked for, started or taken up again, or the last there was."""
    asked: tuple[Hashable, Any] | None = st.session_state.get(_ASKED)
    if asked is None:
        return st.session_state.get(_JOB)
    key, make = asked
    return session.submit(_OWNER, key, make)


def _rows(job: TrainingJob) -> tuple[Row, ...]:
    """Its runs; while it starts again, those it had: its process takes seconds to say so itself."""
    kept: tuple[TrainingJob, tuple[Row, ...]] | None = st.session_state.get(_ROWS)
    rows = job.rows
    if kept is not None and kept[0] is job and len(kept[1]) > len(rows):
        rows = kept[1]
    st.session_state[_ROWS] = (job, rows)
    return rows


@st.fragment
def _live(job: TrainingJob, n_drawn: int, drawn: tuple[Row, ...]) -> None:
    """Progress and curves. The page is run again when a run has ended, for its results are drawn outside."""
    waited = _ASKED in st.session_state and not job.finished
    pending = waited or job.working  # asked first: if nothing is to come, all rows are there now
    if len(job.rows) != n_drawn:
        st.rerun()
    with st.container(gap=None):
        poll(pending, seconds=0.5, key="diffusion_poll")
    with st.container(key="diffusion_state"):
        _state(job, waited=waited)
    runs = _curves(job, drawn)
    if waited and runs:
        current = job.current
        training = (current[0], _training(job)) if current and job.train.get("loss") else None
        chart = live_chart(runs, training)
        steady_chart(chart, key="diffusion_live", height=260)
        tables_behind({"What is drawn": chart}, key="diffusion_live")


def _state(job: TrainingJob, *, waited: bool) -> None:
    """One line: how far it is, or how it ended."""
    done = f"{len(job.rows)} of {job.n_runs} runs"
    stopping = f"Stopping, after {done} …" if job.working else f"Stopped after {done}; Start goes on from there."
    show_state(
        job,
        _progress(job),
        running=waited,
        stopped=stopping,
        done=f"All {job.n_runs} runs are done.",
        error=lambda sentence: refusal(_for_the_page(sentence)),
    )
    if job.messages and waited:
        st.caption(escaped(_for_the_page(job.messages[-1])))


def _progress(job: TrainingJob) -> str:
    if job.current is None:
        return "Starting …" if not job.rows else f"{len(job.rows)} of {job.n_runs} runs"
    attention, seed = job.current
    number = min(len(job.rows) + 1, job.n_runs)
    said = f"Run {number} of {job.n_runs}: {NAMES[attention]}, seed {seed}, iteration {job.iteration}"
    said += f" of {job.n_iterations}" if job.n_iterations else ""
    left = job.seconds_left
    return said if left is None else f"{said}; about {_time(left)} left"


def _time(seconds: float) -> str:
    return f"{max(1, round(seconds))} s" if seconds < 100 else f"{round(seconds / 60)} min"


def _for_the_page(sentence: str) -> str:
    """Without the terminal's flags and commands."""
    sentence = sentence.replace("give the text with --text FILE (any text will do)", "choose a text file above")
    return sentence.replace("The same command goes on from there.", "Start goes on from there.")


def _curves(job: TrainingJob, rows: tuple[Row, ...]) -> dict[str, list[Points]]:
    """Validation losses by variant, those of the run under way last."""
    runs: dict[str, list[Points]] = {}
    for row in rows:
        runs.setdefault(row.attention, []).append((row.curve["step"], row.curve["val_loss"]))
    curve = job.curve
    if job.current is not None and curve.get("step"):
        runs.setdefault(job.current[0], []).append((curve["step"], curve["val_loss"]))
    return {name: runs[name] for name in job.attentions if name in runs}


def _training(job: TrainingJob) -> Points:
    every, losses = job.train["every"], job.train["loss"]
    return [(i + 0.5) * every for i in range(len(losses))], losses
