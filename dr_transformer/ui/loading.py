"""Settings that do not come from the sidebar's widgets: presets, lessons, saved files, cells of a phase diagram."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dr_transformer.ui.link import LAST_BLOCK, LOADED_DEPTH

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
