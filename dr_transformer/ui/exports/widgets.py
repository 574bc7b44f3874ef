"""Widgets of declared parameters that are not the sidebar's, and the row that makes a file and hands it over."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Protocol, TypeVar

import streamlit as st

from dr_transformer.engine.jobs import Job
from dr_transformer.parameters import Declared, Parameter
from dr_transformer.ui.job_panel import show_state, started
from dr_transformer.ui.poll import poll

_OWN: dict[str, bool | None] = {"automatic": None, "yes": True, "no": False}

D = TypeVar("D", bound=Declared)


class FileJob(Job, Protocol):
    """A job that makes a file."""

    error: str | None
    complete: bool
    content: bytes | None


def declared_widgets(declared: type[D], prefix: str, first: Mapping[str, int], named: Callable[[str], str] = str) -> D:
    """Draw all parameters of `declared`: those of `first` in sight, so many pixels wide, the others in a popover.

    Call it in a horizontal container. They begin as they were left on the last visit, or as `set_widgets` says. `named`
    says choices in words. Raises `InputError` as `declared` does.
    """
    parameters = declared.parameters()
    # Each is given its value as the default it begins with: what a popover or a tab shows is drawn when it is opened,
    # long after a value in the session state would have been sent.
    kept = st.session_state.setdefault(f"{prefix}_kept", {name: p.default for name, p in parameters.items()})
    begun = st.session_state.setdefault(f"{prefix}_begun", dict(kept))

    def widget(name: str, width: int | str) -> None:
        kept[name] = _widget(parameters[name], kept[name], begun[name], prefix, named, width)

    for name, width in first.items():
        widget(name, width)
    with st.popover("More options", help="All else that can be set."):
        for name in parameters:
            if name not in first:
                widget(name, "stretch")
    return declared(**kept)


def set_widgets(prefix: str, values: Mapping[str, Any]) -> None:
    """Have the widgets of `declared_widgets` show these values from the next run on."""
    st.session_state[f"{prefix}_kept"], st.session_state[f"{prefix}_begun"] = dict(values), dict(values)
    st.session_state[f"{prefix}_times_set"] = st.session_state.get(f"{prefix}_times_set", 0) + 1


def _widget(
    parameter: Parameter, value: Any, begun: Any, prefix: str, named: Callable[[str], str], width: int | str
) -> Any:
    """The widget of a parameter, which is `value` now and was `begun` when the widget was new; returns its value."""
    number = st.session_state.get(f"{prefix}_times_set", 0)  # new values, new widgets
    shared: dict[str, Any] = {"key": f"{prefix}_{parameter.name}_{number}", "help": parameter.help, "width": width}
    if parameter.type is bool and not parameter.optional:
        return st.toggle(parameter.label, value, **shared)
    if parameter.type is bool:
        words = list(_OWN)
        return _OWN[st.selectbox(parameter.label, words, list(_OWN.values()).index(value), **shared)]
    if parameter.choices:
        options = parameter.choices
        return st.selectbox(parameter.label, options, options.index(value), format_func=named, **shared)
    of: Any = parameter.type
    least = parameter.minimum or 0
    if parameter.exclusive_minimum:  # above it; a restored file may have gone below what is offered here
        least = 0.1 if begun is None else min(0.1, begun)
    step = parameter.step or (1 if of is int else 0.1)
    shared |= {"min_value": of(least), "max_value": of(parameter.maximum or 0), "step": of(step)}
    if parameter.optional:
        shared["placeholder"] = "automatic"
    if of is float and begun is not None and round(begun, 2) != begun:
        shared["format"] = "%.6g"  # rather than with two decimals
    return st.number_input(parameter.label, value=value, **shared)


def choice(label: str, options: Mapping[str, str], key: str, help: str, *, width: int, disabled: bool = False) -> str:
    """Draw a list to choose from; `options` are values and how they are called."""
    found: str = st.selectbox(
        label, list(options), format_func=options.__getitem__, key=key, help=help, width=width, disabled=disabled
    )
    return found


def file_row(kind: str, asked: Hashable, submit: Callable[[], FileJob], name: str, mime: str) -> FileJob | None:
    """Draw, within a fragment, the buttons that make a file, stop that, and save it; return its job.

    What is asked for is remembered until something else is (`asked`) or Cancel is pressed. `kind` is the owner's name
    that `session.leave_page` knows.
    """
    with st.container(horizontal=True, vertical_alignment="center", key=f"{kind}_row"):
        wanted = started(
            kind,
            asked,
            label="Make the file",
            help=f"Makes {name} as set here.",
            stop_help="Stops at once; nothing is kept.",
            quiet=True,
        )
        job = submit() if wanted else None
        # Asked first: if it is finished now, what is drawn below is all there is; else it is drawn again.
        pending = job is not None and not job.finished
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
        poll(pending, seconds=0.5, key=f"{kind}_poll")
    if job is not None:
        current, progress = getattr(job, "current", ""), getattr(job, "progress", None)
        doing = f"{current.capitalize() or 'Working'} …" if progress is None else f"{progress:.0%}: {current}"
        show_state(job, doing, running=True, done=getattr(job, "note", ""))
    return job


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e5 else f"{n_bytes / 1e3:.0f} kB"
