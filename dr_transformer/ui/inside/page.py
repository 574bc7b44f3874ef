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
_LINKS = {module.__name__.rpartition(".")[2]: name for name, module in SECTIONS.items()}


def inside(settings: Settings) -> None:
    """Draw the page for these settings; bad ones become one sentence, and the last good section stays."""
    section = SECTIONS[_section()]
    asked = last_good("last_inside", lambda: (session.dataset(settings), settings.config()), what="What is below is")
    if asked is not None:
        with st.container(key=f"inside_{section.__name__.rpartition('.')[2]}"):
            try:
                section.show(*asked, settings)
            except InputError as error:
                st.error(refusal(str(error)))


def _section() -> str:
    """The chosen section: the link's on arrival, else that of the last visit, which a widget alone would forget."""
    first, asked = next(iter(SECTIONS)), st.query_params.get("section")
    with st.container():  # always there, so that what follows keeps its place when the sentence goes
        if "inside_section" not in st.session_state:
            kept = st.session_state.get("inside_kept", first)
            st.session_state["inside_section"] = _LINKS.get(asked or "", kept)
            if asked and asked not in _LINKS:
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
    put_in_link("section", None if chosen == first else next(link for link, name in _LINKS.items() if name == chosen))
    return str(chosen)
