"""A session to take home: notes, the file that holds them with settings and selection, and the link to the settings."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

import streamlit as st

from dr_transformer.config import PARAMETERS
from dr_transformer.engine.run import Run
from dr_transformer.export import session_file
from dr_transformer.export.files import settings as settings_of
from dr_transformer.ui.canvas import last_depth, last_selection
from dr_transformer.ui.exports.restore import NOTES, restore_section
from dr_transformer.ui.sidebar import Settings


def session_section(run: Run, settings: Settings, stem: str) -> None:
    """Draw notes, the session file and the link; `stem` is what files are called. To be called outside of fragments."""
    notes = st.text_area(
        "Notes",
        st.session_state.get(NOTES, ""),
        key=f"notes_{st.session_state.get('notes_times_set', 0)}",
        height=90,
        max_chars=session_file.MAX_NOTES,
        placeholder="What you saw, what to ask the class …",
        help="Kept while this page is open, and in the session file.",
    )
    st.session_state[NOTES] = notes
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Make the session file", key="session_make", help="Settings, selected tokens, depth and notes."):
            selection = last_selection(run.dataset.key)
            depth = min(last_depth(), float(run.config.n_blocks))
            made_with = settings_of(run.config, run.dataset, view=settings.view(), baselines=settings.baselines())
            content = session_file.dump(made_with, selection.tolist(), notes, depth)
            said = f"{len(selection)} selected tokens, depth {depth:g}, {len(notes)} characters of notes."
            st.session_state["session_made"] = (id(run), notes, content, said)
        made = st.session_state.get("session_made")
        if made is not None and made[:2] == (id(run), notes):
            name = f"{stem}{session_file.SUFFIX}"
            st.download_button(
                f"Save {name}",
                made[2],
                name,
                "application/json",
                key="session_save",
                on_click="ignore",
                type="primary",
                help="Saves the file through the browser.",
            )
            st.caption(f"It holds the settings, {made[3]}", width="content")
    query = {name: text for name, text in st.query_params.to_dict().items() if name in PARAMETERS}
    st.caption("A link to these settings, without selection and notes; what is not in it is as in the paper:")
    address = (st.context.url or "").rstrip("/")
    page = address if urlsplit(address).path else f"{address}/"
    st.code(f"{page}?{urlencode(query)}", language=None, wrap_lines=True)
    restore_section(run)
