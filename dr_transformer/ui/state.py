"""Keep in the session: widgets as they were left, the last that could be computed, settings loaded at one go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import streamlit as st

from dr_transformer.errors import InputError
from dr_transformer.ui.link import LAST_BLOCK, LOADED_DEPTH
from dr_transformer.ui.text import refusal


@contextmanager
def remembered(name: str, defaults: Mapping[str, Any]) -> Iterator[None]:
    """Keep the widgets that are drawn within it, whose keys are those of `defaults`; give them no values of their own.

    They begin with the default, or with what they had on the last visit, which Streamlit forgets with the page.
    """
    kept: dict[str, Any] = st.session_state.setdefault(f"{name}_kept", {})
    for key, default in defaults.items():
        st.session_state.setdefault(key, kept.get(key, default))
    yield
    kept.update({key: st.session_state[key] for key in defaults})


T = TypeVar("T")


def last_good(key: str, make: Callable[[], T], *, what: str = "The picture below is") -> T | None:
    """Return what `make` returns, and keep it under `key`; say an `InputError`, and return the last there was, or None.

    The sentence comes and goes in a container of its own: what stands below must keep its place among the page's
    elements, or the browser would build the canvas again.
    """
    with st.container():
        try:
            found = make()
        except InputError as error:
            last: T | None = st.session_state.get(key)
            st.error(refusal(str(error)) + (f" {what} the last that could be computed." if last else ""))
            return last
    st.session_state[key] = found
    return found


REPLACED = "replaced_settings"
"""In the session: the settings before the last ones that were loaded, which the browser may still have."""


def load_settings(changed: Mapping[str, Any], depth: float | None = None) -> None:
    """Give the parameters `changed` new values, those without a widget on this page too, and go to `depth`.

    None is the last block. To be called before the sidebar is drawn, as in a widget's callback.
    """
    state = st.session_state
    state[REPLACED] = state.get("settings", {})
    state["settings"] = state[REPLACED] | dict(changed)
    state.update(changed)
    state["start_depth"] = state[LOADED_DEPTH] = LAST_BLOCK if depth is None else depth
    state["resets"] = state.get("resets", 0) + 1
