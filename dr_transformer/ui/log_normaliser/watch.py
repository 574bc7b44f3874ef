"""A section's work in the background: it starts by itself, shows how far it is, and can be stopped."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol, TypeVar

import streamlit as st

from dr_transformer.engine.jobs import Job
from dr_transformer.ui.log_normaliser.jobs import stop
from dr_transformer.ui.text import capitalised


class Watched(Job, Protocol):
    """A job that says how far it is, 0 … 1, and in a sentence what went wrong."""

    error: str | None

    @property
    def progress(self) -> float:
        """Share of the work that is done."""
        ...


W = TypeVar("W", bound=Watched)


def watch(kind: str, asked: Hashable, submit: Callable[[], W]) -> tuple[W | None, bool]:
    """Within a fragment: the job of the settings `asked`, kept running by `submit`, and a line about it.

    Cancel stops the jobs of `kind` and of no other. Returns what is to be shown: the job if it is finished, else the
    last one of this section that was, so that nothing goes away while the next is computed; before there is one, the
    job as far as it is, or None. And whether there is something to wait for: the fragment is then to `poll`. One poll
    for all that a page watches: of two that ask in the same moment, the browser drops one.
    """
    stopped = st.session_state.get(f"{kind}_stopped") == asked
    job = None if stopped else submit()
    pending = job is not None and not job.finished  # asked first: what is drawn below is then all there is
    with st.container(horizontal=True, vertical_alignment="center", key=f"{kind}_line"):
        if stopped:
            st.button("Run", key=f"{kind}_run", on_click=_resume, args=(kind,), type="tertiary", help="Measures it.")
        else:
            st.button(
                "Cancel",
                key=f"{kind}_cancel",
                on_click=_stop,
                args=(kind, asked),
                disabled=not pending,
                type="tertiary",
                help="Stops it at the next draw; what is shown stays.",
            )
        st.caption(_state(job, stopped), width="stretch")
    if job is not None and job.error:
        st.error(capitalised(job.error))
    elif job is not None and job.finished:
        st.session_state[f"{kind}_shown"] = job
    shown: W | None = st.session_state.get(f"{kind}_shown", job)
    return shown, pending


def _state(job: Watched | None, stopped: bool) -> str:
    if stopped:
        return "Stopped. What is shown was measured before."
    if job is None or job.error:
        return ""
    return "Measured." if job.finished else f"Measuring: {job.progress:.0%}"


def _stop(kind: str, asked: Hashable) -> None:
    stop(kind)
    st.session_state[f"{kind}_stopped"] = asked


def _resume(kind: str) -> None:
    st.session_state.pop(f"{kind}_stopped", None)
