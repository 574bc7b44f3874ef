"""The latent canvas of a run: its tokens, classes and images, and the depth that all pages share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import streamlit as st

from dr_transformer.canvas.parts import MAIN_CANVAS, Attended, CanvasSpec, CanvasState, Colouring, Pin
from dr_transformer.canvas.picture import Picture
from dr_transformer.engine.run import Run
from dr_transformer.ui.canvas import latent_canvas
from dr_transformer.ui.data_words import fitting
from dr_transformer.ui.link import LAST_BLOCK, read_depth, write_depth

GIVEN_SELECTION = "given_selection"
"""In the session: the key of a data set, and which of its tokens Python selects."""


def run_canvas(
    run: Run,
    shown: Picture,
    colourings: Sequence[Colouring],
    attended: Attended | None,
    *,
    height: int,
    attention_panel: int = -1,
    pinned: Pin | None = None,
    about: str = "",
    key: str = MAIN_CANVAS,
) -> float:
    """Draw the canvas; returns the depth at which the user rests, which also goes into the address bar.

    `pinned` is the token that Python pins, and `about` says on what the colourings depend besides the run.
    """
    dataset, n_blocks = run.dataset, run.config.n_blocks
    panels = shown.panels
    if dataset.image_shape is None:
        panels = [replace(panel, title=fitting(panel.title, images=False)) for panel in panels]
        colourings = [replace(colouring, name=fitting(colouring.name, images=False)) for colouring in colourings]
    given, times = _given_selection(dataset.key)
    spec = replace(
        CanvasSpec.of(dataset, panels, n_blocks),
        height=height,
        colourings=colourings,
        attended=attended,
        selection=given,
        selection_revision=times,
        pinned=pinned,
        visible=shown.visible,
        attention_panel=attention_panel,
        content_key=f"{dataset.key} {run.config} {about}",
        key=key,
    )
    state = at_shared_depth(spec)
    st.session_state["last_selection"] = (dataset.key, state.selection)
    return min(state.depth, float(n_blocks))


def at_shared_depth(shown: CanvasSpec) -> CanvasState:
    """Draw the canvas at the depth that all pages share; where the user rests goes into the address bar."""
    # The browser owns the depth. It is told one only at first (the link's) and on a reset, which `revision` marks.
    start = st.session_state.setdefault("start_depth", read_depth(st.query_params.to_dict()))
    state = latent_canvas(replace(shown, depth=start, revision=st.session_state.get("resets", 0)))
    st.session_state["last_depth"] = state.depth
    write_depth(state.depth, shown.n_blocks)
    return state


def last_selection(dataset_key: str) -> npt.NDArray[np.intp]:
    """Return this data set's tokens that were selected at last, on whichever page; none if they were of another."""
    key, selection = st.session_state.get("last_selection", (None, None))
    return selection if key == dataset_key else np.empty(0, dtype=np.intp)


def _given_selection(dataset_key: str) -> tuple[npt.NDArray[np.intp] | None, int]:
    """The tokens that a restored session selects, if it was of this data set, and how many were restored by now."""
    key, selection, times = st.session_state.get(GIVEN_SELECTION, (None, None, 0))
    return selection if key == dataset_key else None, times


def last_depth() -> float:
    """Return where the user was at last, on whichever page."""
    depth: float = st.session_state.get("last_depth", LAST_BLOCK)
    return depth
