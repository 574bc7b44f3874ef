"""The latent canvas: linked scatter panels that move along the depth axis, drawn by the browser (`assets/canvas/`)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dr_transformer.canvas.blob import digest
from dr_transformer.canvas.canvas_blob import (
    default_opacity,
    default_point_size,
    pack_canvas,
    pack_extras,
    pack_images,
    selection_bits,
    selection_from_text,
)
from dr_transformer.canvas.parts import Attended, CanvasState, Colouring, Panel, Pin
from dr_transformer.canvas.source import CANVAS_JS, STYLE, source
from dr_transformer.palette import PETROFF10

__all__ = [
    "Attended",
    "CanvasState",
    "Colouring",
    "Panel",
    "Pin",
    "default_opacity",
    "default_point_size",
    "latent_canvas",
    "pack_canvas",
    "pack_extras",
    "pack_images",
    "pinned_token",
]

_ENTRY_JS = ("transport/sending.js", "transport/entry.js")
_EXTRAS_JS = ("transport/blob.js", "transport/extras.js", "transport/extras_entry.js")
_SPRITES_JS = ("transport/blob.js", "drawing/sprites.js", "transport/sprites_entry.js")


def latent_canvas(
    panels: Sequence[Panel],
    *,
    labels: NDArray[Any],
    class_names: Sequence[str],
    dataset_key: str,
    n_blocks: float,
    depth: float,
    depth_unit: str = "block",
    palette: Sequence[str] = PETROFF10,
    images: NDArray[np.uint8] | None = None,
    key: str = "latent_canvas",
    height: int = 440,
    point_size: float | None = None,
    opacity: float | None = None,
    revision: int = 0,
    colourings: Sequence[Colouring] = (),
    selection: NDArray[np.integer[Any]] | None = None,
    selection_revision: int = 0,
    pinned: Pin | None = None,
    attended: Attended | None = None,
    visible: NDArray[np.bool_] | None = None,
    attention_panel: int = -1,
    shows_way: bool = False,
    content_key: str = "",
    on_depth_change: Callable[[], None] | None = None,
) -> CanvasState:
    """Show linked panels on one depth axis and return where the user rests: depth, selected tokens, pinned token.

    A rerun with the same data keeps everything as the user left it; of new data, only frames that the last run did not
    have are uploaded. The same holds for a visit to another page, by `key` and `dataset_key`.

    `labels` (n,) are indices into `class_names`; with fewer than two names there is no legend. `dataset_key` names the
    tokens: another key resets zoom, selection and pinned token, and brings other `images` (n, h, w), uint8, or those of
    the first tokens alone. `n_blocks` is the planned length of the axis, in `depth_unit`; frames may arrive later.
    `depth` is where to start: a value other than in the last run moves the user there, and so does another `revision`
    even if the value is the same. `selection` likewise: indices or `selection_revision` other than in the last run
    replace the user's selection, None leaves it alone; and so does `pinned`, a `Pin` other than in the last run, with
    the pinned token. `attended` belongs to the token that `pinned_token` names before this call; that of another token
    is not shown. It is drawn in the panel `attention_panel`; and so is, if `shows_way`, the way of the pinned token
    through all frames. `content_key` names what the colourings and attended tokens are about: those of another key, of
    the settings before, are not shown on these frames. `visible` (n,) marks the tokens that are part of the picture;
    the others are as if they were not there. `height` is that of one panel's plot and `point_size` a diameter, both in
    CSS pixels; size and `opacity` by default fall with n. `palette` and `colourings` are what "Colour by" starts with
    and offers. `on_depth_change` is called when the browser reports a depth, 0.3 s after it came to rest.
    """
    data = pack_canvas(
        panels,
        labels=labels,
        class_names=class_names,
        dataset_key=dataset_key,
        n_blocks=n_blocks,
        depth=depth,
        depth_unit=depth_unit,
        palette=palette,
        height=height,
        point_size=point_size,
        opacity=opacity,
        revision=revision,
        selection=selection,
        selection_revision=selection_revision,
        pinned=pinned,
        visible=visible,
        attention_panel=attention_panel,
        shows_way=shows_way,
        content_key=content_key,
        key=key,
    )
    extras = pack_extras(colourings, attended, len(labels), content_key=content_key, key=key)
    with st.container(gap=None):  # the elements of images and extras are empty and must not cost a gap
        _extras_component()(data=extras, key=f"{key}_extras", height="content")
        if images is not None:
            assert len(images) <= len(labels), f"{len(images)} images, {len(labels)} labels"
            _sprites_component()(data=pack_images(images, dataset_key), key=f"{key}_images", height="content")
        result = _canvas_component()(
            data=data,
            key=key,
            on_depth_change=on_depth_change or _ignore,
            on_selection_change=_ignore,
            on_pinned_change=_ignore,
        )
    return CanvasState(
        depth=_depth(result.get("depth"), depth, revision),
        selection=_selection(result.get("selection"), selection, dataset_key, len(labels)),
        pinned=_pinned(result.get("pinned"), dataset_key, pinned),
    )


def pinned_token(dataset_key: str, key: str = "latent_canvas", given: Pin | None = None) -> int | None:
    """The token that is pinned in this run, before `latent_canvas` is called: the one whose `attended` it wants.

    `given` is the `pinned` that Python passes to `latent_canvas`, if it does.
    """
    state = st.session_state.get(key)
    return _pinned(None if state is None else state.get("pinned"), dataset_key, given)


def _depth(report: Mapping[str, Any] | None, depth: float, revision: int) -> float:
    """What the browser reported last, unless that was before it was given this depth."""
    about_this = report is not None and report["given"] == [depth, revision]
    return float(report["at"] if report is not None and about_this else depth)


def _selection(
    report: Mapping[str, Any] | None, given: NDArray[np.integer[Any]] | None, dataset_key: str, n: int
) -> NDArray[np.intp]:
    """What the browser reported, if that is about these tokens and about what Python has set; else what Python set."""
    about_these = report is not None and report["dataset_key"] == dataset_key
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
    """A state is only reported for a component with a callback, so there is always one."""


@functools.cache
def _canvas_component() -> Callable[..., Any]:
    return st.components.v2.component("latent_canvas", css=source(STYLE), js=source([*CANVAS_JS, *_ENTRY_JS]))


@functools.cache
def _extras_component() -> Callable[..., Any]:
    return st.components.v2.component("canvas_extras", js=source(_EXTRAS_JS))


@functools.cache
def _sprites_component() -> Callable[..., Any]:
    return st.components.v2.component("digit_sprites", js=source(_SPRITES_JS))
