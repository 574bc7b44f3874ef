"""The latent canvas: linked scatter panels that move along the depth axis, drawn by the browser (`assets/canvas/`)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dr_transformer.canvas.blob import (
    digest,
    pack_canvas,
    pack_extras,
    pack_images,
    selection_bits,
    selection_from_text,
)
from dr_transformer.canvas.parts import MAIN_CANVAS, CanvasSpec, CanvasState, Pin
from dr_transformer.canvas.source import CANVAS_JS, ENTRY_JS, EXTRAS_JS, SPRITES_JS, STYLE, source


def latent_canvas(shown: CanvasSpec) -> CanvasState:
    """Show linked panels on one depth axis and return where the user rests: depth, selected tokens, pinned token.

    A rerun with the same data keeps everything as the user left it; of new data, only frames that the last run did not
    have are uploaded. The same holds for a visit to another page, by `key` and `dataset_key`.
    """
    key = shown.key
    with st.container(gap=None):  # the elements of images and extras are empty and must not cost a gap
        _extras_component()(data=pack_extras(shown), key=f"{key}_extras", height="content")
        if shown.images is not None:
            images = pack_images(shown.images, shown.dataset_key)
            _sprites_component()(data=images, key=f"{key}_images", height="content")
        result = _canvas_component()(
            data=pack_canvas(shown),
            key=key,
            on_depth_change=_ignore,
            on_selection_change=_ignore,
            on_pinned_change=_ignore,
        )
    return CanvasState(
        depth=_depth(result.get("depth"), shown),
        selection=_selection(result.get("selection"), shown),
        pinned=_pinned(result.get("pinned"), shown.dataset_key, shown.pinned),
    )


def pinned_token(dataset_key: str, key: str = MAIN_CANVAS, given: Pin | None = None) -> int | None:
    """Return the pinned token before `latent_canvas` is called: the one whose `attended` it wants.

    `given` is the `pinned` that Python passes to `latent_canvas`, if it does.
    """
    state = st.session_state.get(key)
    return _pinned(None if state is None else state.get("pinned"), dataset_key, given)


def _depth(report: Mapping[str, Any] | None, shown: CanvasSpec) -> float:
    """What the browser reported last, unless that was before it was given this depth."""
    if report is not None and report["given"] == [shown.depth, shown.revision]:
        return float(report["at"])
    return float(shown.depth)


def _selection(report: Mapping[str, Any] | None, shown: CanvasSpec) -> NDArray[np.intp]:
    """What the browser reported, if that is about these tokens and about what Python has set; else what Python set."""
    given, n = shown.selection, shown.n_samples
    about_these = report is not None and report["dataset_key"] == shown.dataset_key
    if report is not None and about_these and (given is None or report["given"] == digest(selection_bits(given, n))):
        return selection_from_text(report["bits"], n)
    return np.empty(0, dtype=np.intp) if given is None else np.unique(given).astype(np.intp)


def _pinned(report: Mapping[str, Any] | None, dataset_key: str, given: Pin | None) -> int | None:
    """What the browser reported, if that is about these tokens and came after what Python has set; else the latter."""
    about_these = report is not None and report["dataset_key"] == dataset_key
    if report is not None and about_these and (given is None or report["given"] == given.revision):
        return int(report["index"]) if report["index"] >= 0 else None
    return None if given is None else given.index


def _ignore() -> None:
    """Do nothing: a state is only reported for a component with a callback, so there is always one."""


@functools.cache
def _canvas_component() -> Callable[..., Any]:
    return st.components.v2.component("latent_canvas", css=source(STYLE), js=source(CANVAS_JS + ENTRY_JS))


@functools.cache
def _extras_component() -> Callable[..., Any]:
    return st.components.v2.component("canvas_extras", js=source(EXTRAS_JS))


@functools.cache
def _sprites_component() -> Callable[..., Any]:
    return st.components.v2.component("digit_sprites", js=source(SPRITES_JS))
