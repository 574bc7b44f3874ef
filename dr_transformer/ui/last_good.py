"""Bad settings cost a sentence, not the picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from dr_transformer.errors import InputError
from dr_transformer.ui.summary import capitalised

T = TypeVar("T")


def last_good(key: str, make: Callable[[], T], *, what: str = "The picture below is") -> T | None:
    """What `make` returns, kept in the session under `key`; after an `InputError`, said, what it returned last or None.

    The sentence comes and goes in a container of its own: what stands below must keep its place among the page's
    elements, or the browser would build the canvas anew.
    """
    with st.container():
        try:
            found = make()
        except InputError as error:
            last: T | None = st.session_state.get(key)
            st.error(capitalised(str(error)) + (f" {what} the last that could be computed." if last else ""))
            return last
    st.session_state[key] = found
    return found
