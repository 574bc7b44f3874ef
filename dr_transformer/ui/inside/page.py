"""The page "Inside a block": which section is shown, and for which tokens and settings."""

from __future__ import annotations

import streamlit as st

from dr_transformer.errors import InputError
from dr_transformer.ui import session
from dr_transformer.ui.inside import adjacency, phase, spectrum, substeps
from dr_transformer.ui.link import put_in_link
from dr_transformer.ui.sidebar import Settings
from dr_transformer.ui.state import last_good
from dr_transformer.ui.text import escaped, refusal

SECTIONS = {
    "Sub-steps and objective": substeps,
    "Attention is a graph": adjacency,
    "Spectrum and convergence": spectrum,
    "Phase diagram": phase,
}
"""Sections by name, and the module whose `show(dataset, config, settings)` draws each."""


def inside(settings: Settings) -> None:
    """Draw the page for these settings; bad ones become one sentence, and the last good section stays."""
    name = _section()
    section = SECTIONS[name]
    asked = last_good("last_inside", lambda: (session.dataset(settings), settings.config()), what="What is below is")
    if asked is not None:
        with st.container(key=f"inside_{_in_link(name)}"):
            try:
                section.show(*asked, settings)
            except InputError as error:
                st.error(refusal(str(error)))


def _in_link(section: str) -> str:
    return SECTIONS[section].__name__.rpartition(".")[2]


def _section() -> str:
    """The chosen section: the link's on arrival, else that of the last visit, which a widget alone would forget."""
    first, asked = next(iter(SECTIONS)), st.query_params.get("section")
    with st.container():  # always there, so that what follows keeps its place when the sentence goes
        if "inside_section" not in st.session_state:
            kept = st.session_state.get("inside_kept", first)
            known = {_in_link(name): name for name in SECTIONS}
            st.session_state["inside_section"] = known.get(asked or "", kept)
            if asked and asked not in known:
                st.warning(f"This link was changed: there is no section “{escaped(asked)}”; choose one here.")
    chosen = st.segmented_control(
        "Section",
        list(SECTIONS),
        required=True,
        key="inside_section",
        label_visibility="collapsed",
        help="Which part of the theory is shown; what other parts compute is kept.",
    )
    st.session_state["inside_kept"] = chosen
    put_in_link("section", None if chosen in (None, first) else _in_link(str(chosen)))
    return str(chosen)
