"""Widgets of declared parameters that are not the sidebar's, and the row that makes a file and hands it over."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, Protocol, TypeVar

import streamlit as st

from dr_transformer.jobs import Job
from dr_transformer.parameters import Declared, Parameter
from dr_transformer.ui import export_jobs
from dr_transformer.ui.poll import poll
from dr_transformer.ui.remember import remembered
from dr_transformer.ui.summary import capitalised

_WIDTH = 190  # of a widget, in pixels: as many in a row as there is room for
_OWN = {None: "template's own", True: "yes", False: "no"}

D = TypeVar("D", bound=Declared)


class FileJob(Job, Protocol):
    """A job that makes a file."""

    error: str | None
    complete: bool
    content: bytes | None


def declared_widgets(declared: type[D], prefix: str, first: Iterable[str], named: Callable[[str], str] = str) -> D:
    """All parameters of `declared` as widgets, those of `first` in sight and the others under "More options".

    Keys are `prefix` and the parameter's name. `named` says choices in words. Raises `InputError` as `declared` does.
    """
    parameters = declared.parameters()
    shown = list(first)
    values: dict[str, Any] = {}
    defaults = {f"{prefix}_{name}": parameter.default for name, parameter in parameters.items()}
    with remembered(prefix, defaults), st.container(horizontal=True, vertical_alignment="bottom"):
        for name in shown:
            values[name] = _widget(parameters[name], prefix, named)
        with st.popover("More options", help="All that can be set, each with what it means."):
            for name in parameters:
                if name not in shown:
                    values[name] = _widget(parameters[name], prefix, named, width="stretch")
    return declared(**values)


def _widget(parameter: Parameter, prefix: str, named: Callable[[str], str], width: int | str = _WIDTH) -> Any:
    shared: dict[str, Any] = {"key": f"{prefix}_{parameter.name}", "help": parameter.help, "width": width}
    if parameter.type is bool and parameter.optional:
        return st.selectbox(parameter.label, list(_OWN), format_func=lambda value: _OWN[value], **shared)
    if parameter.type is bool:
        return st.toggle(parameter.label, **shared)
    if parameter.choices:
        return st.selectbox(parameter.label, parameter.choices, format_func=named, **shared)
    of: Any = parameter.type
    least = 0.1 if parameter.exclusive_minimum else parameter.minimum or 0
    shared |= {"min_value": of(least), "max_value": of(parameter.maximum or 0), "step": of(1) if of is int else 0.1}
    if parameter.optional:
        shared |= {"value": None, "placeholder": "its own"}
    return st.number_input(parameter.label, **shared)


def file_row(
    kind: str, asked: Hashable, submit: Callable[[], FileJob], name: str, mime: str, *, ready: bool = True
) -> FileJob | None:
    """The buttons that make a file in the background, stop that, and save it; within a fragment. Returns its job.

    What is asked for is remembered until something else is (`asked`) or Cancel is pressed. `kind` is the owner's name
    that `session.leave_page` knows.
    """
    with st.container(horizontal=True, vertical_alignment="center", key=f"{kind}_row"):
        make = st.button("Make the file", key=f"{kind}_make", disabled=not ready, help=f"Makes {name} as set here.")
        stop = st.button("Cancel", key=f"{kind}_cancel", type="tertiary", help="Stops at once; nothing is kept.")
        if make:
            st.session_state[f"{kind}_asked"] = asked
            st.session_state[f"{kind}_serial"] = st.session_state.get(f"{kind}_serial", 0) + 1
        if stop:
            export_jobs.stop(kind)
            st.session_state.pop(f"{kind}_asked", None)
        job = submit() if st.session_state.get(f"{kind}_asked") == asked else None
        if job is not None and job.complete:
            assert job.content is not None
            st.download_button(
                f"Save {name} ({_size(len(job.content))})",
                job.content,
                name,
                mime,
                key=f"{kind}_save",
                on_click="ignore",
                type="primary",
                help="Saves the file through the browser.",
            )
    with st.container(gap=None):
        poll(not ready or (job is not None and not job.finished), seconds=0.5, key=f"{kind}_poll")
    if job is not None:
        _state(job)
    return job


def _state(job: FileJob) -> None:
    if job.error:
        st.error(capitalised(job.error))
    elif job.complete:
        if note := getattr(job, "note", ""):
            st.caption(note)
    else:
        current, progress = getattr(job, "current", ""), getattr(job, "progress", None)
        if progress is None:
            st.caption(f"{current.capitalize() or 'Working'} …")
        else:
            st.progress(progress, f"{progress:.0%}: {current}")


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e5 else f"{n_bytes / 1e3:.0f} kB"
