"""Runs a fragment again and again while there is something to wait for.

Streamlit's own `st.fragment(run_every=…)` can only be stopped by a full rerun of the page, and when that one meets a
click on a link to another page, the click is lost. Here the browser asks for each next run, and simply stops asking.
What people press goes before: poll.js says how.
"""

from __future__ import annotations

import functools
from typing import Any

import streamlit as st

from dr_transformer.paths import asset


def poll(pending: bool, *, seconds: float = 0.25, key: str = "poll") -> None:
    """Within a fragment: run it again after `seconds` if `pending`. Call it in every run: it must keep its place."""
    data: dict[str, Any] = {"pending": pending}
    if pending:
        serial = st.session_state.get(f"{key}_serial", 0) + 1
        st.session_state[f"{key}_serial"] = serial  # each answer must differ from the last, or the browser ignores it
        data |= {"serial": serial, "milliseconds": round(1000 * seconds)}
    named = f"{key}_nothing"
    st.fragment(_nothing, key=named)()
    callbacks = {
        "on_tick_change": lambda: None,
        # A button that was pressed is known to a run that begins here only if the rerun is asked for by a name, too.
        "on_pressed_change": st.rerun,
        "on_button_change": functools.partial(st.rerun, named),
    }
    _component()(data=data, key=key, height="content", **callbacks)


def _nothing() -> None:
    """A fragment to name in a rerun."""


@functools.cache
def _component() -> Any:
    source = "".join(asset(name).read_text(encoding="utf-8") for name in ("canvas/staying.js", "poll.js"))
    return st.components.v2.component("poll", js=source)
