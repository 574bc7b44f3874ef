"""Widgets that are found again as they were left, on a later visit to their page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import streamlit as st


@contextmanager
def remembered(name: str, defaults: Mapping[str, Any]) -> Iterator[None]:
    """Within it, draw widgets whose keys are those of `defaults`, without values of their own.

    They begin with the default, or with what they had on the last visit, which Streamlit forgets with the page.
    """
    kept: dict[str, Any] = st.session_state.setdefault(f"{name}_kept", {})
    for key, default in defaults.items():
        st.session_state.setdefault(key, kept.get(key, default))
    yield
    kept.update({key: st.session_state[key] for key in defaults})
