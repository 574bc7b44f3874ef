"""Runs a fragment again and again while there is something to wait for.

Streamlit's own `st.fragment(run_every=…)` asks at fixed intervals, whether or not the last question was answered: a
server that is slower than that would draw without a pause. Here the browser asks some time after each answer, and
simply stops asking. What people press goes before: poll.js says how.
"""

from __future__ import annotations

import functools
from typing import Any

import streamlit as st

from dr_transformer.paths import asset_text


def poll(pending: bool, *, seconds: float = 0.25, key: str = "poll") -> None:
    """Run the fragment that calls this again after `seconds` if `pending`. Call it in every run: it keeps its place."""
    data: dict[str, Any] = {"pending": pending}
    if pending:
        serial = st.session_state.get(f"{key}_serial", 0) + 1
        st.session_state[f"{key}_serial"] = serial  # each answer must differ from the last, or the browser ignores it
        data |= {"serial": serial, "milliseconds": round(1000 * seconds)}
    _component()(data=data, key=key, height="content", on_tick_change=lambda: None)


@functools.cache
def _component() -> Any:
    return st.components.v2.component("poll", js=asset_text("canvas/transport/sending.js", "poll.js"))
