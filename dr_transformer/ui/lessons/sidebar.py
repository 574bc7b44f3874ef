"""The sidebar of a lesson: only the controls that the step shows, the others as the step sets them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import streamlit as st

from dr_transformer.config import PARAMETERS
from dr_transformer.ui.link import DEFAULTS
from dr_transformer.ui.page import BEFORE_LESSON
from dr_transformer.ui.sidebar import Settings, page_links, parameter_widget
from dr_transformer.ui.state import load_settings


def lesson_sidebar(
    show: Collection[str] | None,
    lock: Collection[str],
    load: Callable[[bool], None],
    elsewhere: Collection[str] = (),
) -> Callable[[bool], tuple[Settings, list[str]]]:
    """Return what draws, for `begin_page`, the parameters `show` (None: all), those of `lock` disabled, and none of
    those that stand `elsewhere` on the page.

    `load` is called first, and is told whether the page was entered in this run.
    """

    def draw(entered: bool) -> tuple[Settings, list[str]]:
        st.session_state.setdefault("settings", dict(DEFAULTS))
        load(entered)
        values: dict[str, Any] = dict(st.session_state["settings"])
        ours = [name for name in PARAMETERS if name not in ("dataset", "label", "drop", *elsewhere)]
        shown = [name for name in ours if show is None or name in show]
        with st.sidebar:
            page_links()
            if shown:
                st.subheader("Controls of this step")
            for name in shown:
                st.session_state.setdefault(name, values[name])
                values[name] = parameter_widget(PARAMETERS[name], name in lock)
        st.session_state["settings"] = values
        return Settings(values, None), []

    return draw


def load_step(values: dict[str, Any], depth: float | None, *, kept: bool) -> None:
    """Load what a step sets, on top of the paper's values or, if `kept`, of what is set; before any widget is drawn.

    What the user had set before the lesson comes back on the next page.
    """
    st.session_state.setdefault(BEFORE_LESSON, st.session_state["settings"])
    load_settings((st.session_state["settings"] if kept else DEFAULTS) | values, depth)
