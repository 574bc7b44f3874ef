"""Work in the background on a page: how it is started and stopped, how far it is, and what it failed of.

Call all of it within a fragment. Two kinds of work: what a press starts (`started`, `followed`), and what starts by
itself and can be stopped (`kept_going`, `cancel_or_go_on`; `measured` is a whole section's). In each the page asks
first whether to wait, and draws then: what is finished in between is drawn again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Literal, Protocol, TypeVar

import streamlit as st

from dr_transformer.engine.jobs import Job
from dr_transformer.engine.waiting import others_first
from dr_transformer.ui import session
from dr_transformer.ui.poll import poll
from dr_transformer.ui.text import capitalised, refusal


class Failing(Job, Protocol):
    """A job that says in a sentence what went wrong."""

    error: str | None


class Followed(Failing, Protocol):
    """A job that also says how far it is, 0 … 1."""

    @property
    def progress(self) -> float:
        """Return the share of the work that is done."""
        ...


F = TypeVar("F", bound=Followed)


def show_state(
    job: Failing,
    doing: str,
    *,
    running: bool,
    stopped: str = "",
    done: str = "",
    error: Callable[[str], str] = capitalised,
) -> None:
    """Say in one line what became of a job: why it failed, how far it is, that it was stopped, or (`done`) its end.

    `running`: somebody on this page waits for it. `doing` stands at the bar of a job that has a `progress`, else alone.
    """
    share: float | None = getattr(job, "progress", None)
    doing = others_first(job) or doing
    if job.error:
        st.error(error(job.error))
    elif job.finished:
        if done:
            st.caption(done)
    elif not running:
        st.caption(stopped or f"Stopped at {share or 0.0:.0%}.")
    elif share is None:
        st.caption(doing)
    else:
        st.progress(share, doing)


def started(
    kind: str,
    asked: Hashable,
    *,
    label: str,
    help: str,
    stop_help: str,
    key: str = "",
    keeps: bool = False,
    quiet: bool = False,
) -> bool:
    """Draw the buttons that start a job and cancel it, and return whether it is wanted.

    It is wanted from a press until Cancel or until the page asks for something else than it did then, unless it `keeps`
    what it was asked for. That is in the session as `{key}_asked`, and `{key}_serial` counts presses. `kind` is what
    `session.stop` knows the job by, and `key` unless another is given. `quiet`: Cancel is small, and idle while there
    is nothing to stop.
    """
    key, state = key or kind, st.session_state
    if st.button(label, key=f"{key}_run", help=help):
        state[f"{key}_asked"] = asked
        state[f"{key}_serial"] = state.get(f"{key}_serial", 0) + 1
    wanted = f"{key}_asked" in state and (keeps or state[f"{key}_asked"] == asked)
    idle = quiet and not wanted
    if st.button("Cancel", key=f"{key}_stop", disabled=idle, type=_size(quiet), help=stop_help):
        session.stop(kind)
        state.pop(f"{key}_asked", None)
        return False
    return wanted


def followed(
    key: str,
    about: Hashable,
    submit: Callable[[], F],
    doing: Callable[[F], str],
    *,
    wanted: bool,
    seconds: float,
    stale: str = "",
) -> F | None:
    """Keep a job going by `submit` while it is `wanted`, say how far it is (`doing`), and return the last there was.

    `about`: the settings that its results are of; where the page has others by now, it says `stale`.
    """
    state = st.session_state
    if wanted:
        state[f"{key}_job"] = (about, submit())
    last: tuple[Hashable, F] | None = state.get(f"{key}_job")
    with st.container(gap=None):
        poll(wanted and last is not None and not last[1].finished, seconds=seconds, key=f"{key}_poll")
    if last is None:
        return None
    if stale and last[0] != about:
        st.warning(stale)
    show_state(last[1], f"{last[1].progress:.0%}: {doing(last[1])}", running=wanted)
    return last[1]


def kept_going(kind: str, asked: Hashable, submit: Callable[[], F]) -> tuple[F, bool]:
    """Return the job of `asked`, kept going by `submit` unless it was stopped, and whether it was."""
    state = st.session_state
    last: tuple[Hashable, F] | None = state.get(f"{kind}_job")
    if last is not None and last[0] == asked == state.get(f"{kind}_stopped") and not last[1].finished:
        return last[1], True
    job = submit()
    state[f"{kind}_job"] = (asked, job)
    return job, False


def cancel_or_go_on(
    kind: str,
    asked: Hashable,
    *,
    pending: bool,
    stopped: bool,
    again: str = "Go on",
    help: str = "What there is stays.",
    quiet: bool = False,
    also: tuple[str, ...] = (),
) -> bool:
    """Draw the one button that stops the job of `kept_going`, and takes it up again; return whether it was pressed.

    `also`: the kinds of those that only this job waits for.
    """
    return st.button(
        again if stopped else "Cancel",
        key=f"{kind}_stop",
        on_click=_stop,
        args=(kind, None if stopped else asked, also),
        disabled=not (stopped or pending),
        type=_size(quiet),
        help=help,
    )


def _size(quiet: bool) -> Literal["secondary", "tertiary"]:
    return "tertiary" if quiet else "secondary"


def _stop(kind: str, asked: Hashable | None, also: tuple[str, ...]) -> None:
    """Stop the job of `asked`; None: of those that were stopped, none is any more."""
    if asked is not None:
        session.stop(kind, *also)
    st.session_state[f"{kind}_stopped"] = asked


def measured(
    kind: str, asked: Hashable, submit: Callable[[], F], *, also: tuple[str, ...] = ()
) -> tuple[F | None, bool]:
    """Draw the line of a section that measures by itself, and return what to show and whether to wait for more.

    Shown is the job if it is finished, else the last one of this section that was, so that nothing goes away while the
    next is computed; before there is one, the job as far as it is. Who calls this polls, once for all that a page
    measures: of two that ask in the same moment, the browser drops one. `also` as in `cancel_or_go_on`.
    """
    job, stopped = kept_going(kind, asked, submit)
    pending = not stopped and not job.finished
    with st.container(horizontal=True, vertical_alignment="center", key=f"{kind}_line"):
        about = "Measures it." if stopped else "Stops it at the next draw; what is shown stays."
        cancel_or_go_on(kind, asked, pending=pending, stopped=stopped, again="Run", help=about, quiet=True, also=also)
        said = "Measured." if job.finished else others_first(job) or f"Measuring: {job.progress:.0%}"
        said = "Stopped. What is shown was measured before." if stopped else "" if job.error else said
        st.caption(said, width="stretch")
    if job.error:
        st.error(refusal(job.error))
    elif job.finished:
        st.session_state[f"{kind}_shown"] = job
    shown: F | None = st.session_state.get(f"{kind}_shown", None if stopped else job)
    return shown, pending
