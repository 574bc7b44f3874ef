"""The page "Inside a block": which section is shown, and for which tokens and settings."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

import streamlit as st

from dr_transformer.config import Config
from dr_transformer.data import Dataset
from dr_transformer.errors import InputError
from dr_transformer.ui import session
from dr_transformer.ui.sidebar import Settings
from dr_transformer.ui.summary import capitalised

SECTIONS = {
    "Sub-steps and objective": "substeps",
    "Attention is a graph": "adjacency",
    "Spectrum and convergence": "spectrum_section",
    "Phase diagram": "phase",
}
"""Sections by name, and the module of `dr_transformer.ui` whose `show` draws each."""


class Section(Protocol):
    """What a section's module has."""

    def show(self, dataset: Dataset, config: Config, settings: Settings) -> None:
        """Draw the section for these tokens; raise `InputError` with a sentence for what cannot be shown."""
        ...


def inside(settings: Settings) -> None:
    """Draw the page for these settings; bad ones become one sentence, and the last good section stays."""
    chosen = _section()
    with st.container():  # always there: what stands below keeps its place when a sentence goes
        asked = _asked(settings)
    if asked is not None:
        st.session_state["last_inside"] = asked
        module = cast("Section", import_module(f"dr_transformer.ui.{SECTIONS[chosen]}"))
        with st.container(key=f"inside_{SECTIONS[chosen]}"):
            try:
                module.show(*asked, settings)
            except InputError as error:
                st.error(capitalised(str(error)))


def _section() -> str:
    """The chosen section; of another page's visitor, too: a widget alone would forget it there."""
    st.session_state.setdefault("inside_section", st.session_state.get("inside_kept", next(iter(SECTIONS))))
    chosen = st.segmented_control(
        "Section",
        list(SECTIONS),
        required=True,
        key="inside_section",
        label_visibility="collapsed",
        help="Which part of the theory is shown; what other parts compute is kept.",
    )
    st.session_state["inside_kept"] = chosen
    return str(chosen)


def _asked(settings: Settings) -> tuple[Dataset, Config] | None:
    try:
        return session.dataset(settings), settings.config()
    except InputError as error:
        last: tuple[Dataset, Config] | None = st.session_state.get("last_inside")
        st.error(capitalised(str(error)) + (" What is below is the last that could be computed." if last else ""))
        return last
