"""A saved figure or session dropped back on the app: settings, selection and notes as they were, or one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from dr_transformer.config import DATASETS, PARAMETERS
from dr_transformer.engine.run import Run
from dr_transformer.errors import InputError
from dr_transformer.export.metadata import read_settings
from dr_transformer.export.session_file import Session, load
from dr_transformer.export.settings import SavedSettings
from dr_transformer.ui.canvas import GIVEN_SELECTION
from dr_transformer.ui.exports.widgets import set_widgets
from dr_transformer.ui.link import DEFAULTS, UPLOAD, missing_device, missing_precision
from dr_transformer.ui.state import load_settings
from dr_transformer.ui.text import refusal

NOTES = "notes"
"""In the session: what the user has written."""


def restore_section(run: Run) -> None:
    """Offer a place to drop a file on, and say what came of the last one. To be called outside of fragments."""
    st.file_uploader(
        "Restore a figure or a session",
        type=["png", "svg", "pdf", "gif", "json"],
        key="restore_file",
        on_change=_restored,
        max_upload_size=128,
        help="A figure or session file that this app saved: its settings, selection and notes come back.",
    )
    restored: tuple[str, SavedSettings | None] | None = st.session_state.get("restored")
    if restored is None:
        return
    sentence, saved = restored
    if saved is None:
        st.error(refusal(sentence))
        return
    st.success(sentence)
    if saved.data_key and saved.data_key != run.dataset.key:
        st.warning(
            f"The tokens are not those of the file ({saved.data.dataset}, {saved.data.n_samples} tokens): their hashes "
            "differ, so the picture may, and a selection is not taken over."
        )


def _restored() -> None:
    """Take over the file, and have the whole page follow.

    The browser may send the file along with what a fragment reports, and then only that fragment would run.
    """
    _restore()
    st.rerun()


def _restore() -> None:
    """Everything is read and checked before anything is set: what is refused changes nothing."""
    file = st.session_state["restore_file"]
    if file is None:  # it was taken away again
        st.session_state.pop("restored", None)
        return
    try:
        content = file.getvalue()
        is_session = file.name.lower().endswith(".json")
        session = load(content, file.name) if is_session else None
        saved = read_settings(content, file.name) if session is None else session.settings
        values = app_values(saved, file.name)
    except InputError as error:
        st.session_state["restored"] = (str(error), None)
        return
    _set_widgets(saved, values, None if session is None else session.depth)
    if session is not None:
        _set_rest(session)
    what = "settings" if session is None else "settings, selection and notes"
    sentence = f"The {what} of {file.name} are back."
    for name, missing in (("device", missing_device), ("precision", missing_precision)):
        if reason := missing(getattr(saved.config, name)):
            sentence += f" {reason} The default ({values[name]}) is set instead."
    st.session_state["restored"] = (sentence, saved)


def app_values(saved: SavedSettings, name: str) -> dict[str, Any]:
    """Return the sidebar's values by parameter name; `InputError` for what the app's widgets cannot show."""
    values = saved.values
    for parameter in PARAMETERS.values():
        value = values[parameter.name]
        if parameter.widget_range is None or parameter.name == "n_samples":
            continue
        low, high = parameter.widget_range
        if not low <= value <= high:
            raise InputError(
                f"{name} was made with {parameter.name} = {value:g}, outside the app's range, {low:g} to {high:g}; use "
                "the terminal for it."
            )
    if values["dataset"] not in DATASETS:
        values["dataset"] = UPLOAD
    if values["n_samples"] is None:
        values["n_samples"] = DEFAULTS["n_samples"]
    if missing_device(values["device"]):
        values["device"] = DEFAULTS["device"]
    if missing_precision(values["precision"]):
        values["precision"] = DEFAULTS["precision"]
    return values


def _set_widgets(saved: SavedSettings, values: dict[str, Any], depth: float | None) -> None:
    """Set the sidebar as a preset does, and the options of the figure or film that the file is."""
    load_settings(DEFAULTS | values, depth)
    for prefix, options in (("figure", saved.figure), ("film", saved.animation)):
        if options is not None:
            set_widgets(prefix, options.to_dict())


def _set_rest(session: Session) -> None:
    """Return what a session holds besides settings: notes and selection."""
    state = st.session_state
    state[NOTES] = session.notes
    state["notes_times_set"] = state.get("notes_times_set", 0) + 1  # new notes, a new field
    selection = np.array(session.selection, dtype=np.intp)
    state[GIVEN_SELECTION] = (session.settings.data_key, selection, state["notes_times_set"])
