"""The latent canvas: linked panels on one depth axis, drawn by the browser (`assets/canvas/`), and that of a run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
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
from dr_transformer.canvas.parts import MAIN_CANVAS, Attended, CanvasSpec, CanvasState, Colouring, Panel, Pin
from dr_transformer.canvas.picture import CALLED, Picture
from dr_transformer.canvas.source import (
    CANVAS_JS,
    ENTRY_JS,
    EXTRAS_JS,
    SPRITES_JS,
    STYLE,
    source,
)
from dr_transformer.engine.run import Run
from dr_transformer.quality.curves import COLOURINGS
from dr_transformer.ui import session
from dr_transformer.ui.link import LAST_BLOCK, read_depth, write_depth
from dr_transformer.ui.text import fitting


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
            on_wanted_change=_ignore,
        )
    return CanvasState(
        depth=_depth(result.get("depth"), shown),
        selection=_selection(result.get("selection"), shown),
        pinned=_pinned(result.get("pinned"), shown.dataset_key, shown.pinned),
        colour_by=result.get("wanted"),
    )


def pinned_token(dataset_key: str, key: str = MAIN_CANVAS, given: Pin | None = None) -> int | None:
    """Return the pinned token before `latent_canvas` is called: the one whose `attended` it wants.

    `given` is the `pinned` that Python passes to `latent_canvas`, if it does.
    """
    state = st.session_state.get(key)
    return _pinned(None if state is None else state.get("pinned"), dataset_key, given)


def _depth(report: Mapping[str, Any] | None, shown: CanvasSpec) -> float:
    """Return what the browser reported last, unless that was before it was given this depth."""
    if report is not None and report["given"] == [shown.depth, shown.revision]:
        return float(report["at"])
    return float(shown.depth)


def _selection(report: Mapping[str, Any] | None, shown: CanvasSpec) -> NDArray[np.intp]:
    """Return what the browser reported, if that is about these tokens and about what Python has set; else what
    Python set.
    """
    given, n = shown.selection, shown.n_samples
    about_these = report is not None and report["dataset_key"] == shown.dataset_key
    if report is not None and about_these and (given is None or report["given"] == digest(selection_bits(given, n))):
        return selection_from_text(report["bits"], n)
    return np.empty(0, dtype=np.intp) if given is None else np.unique(given).astype(np.intp)


def _pinned(report: Mapping[str, Any] | None, dataset_key: str, given: Pin | None) -> int | None:
    """Return what the browser reported, if that is about these tokens and came after what Python has set; else
    the latter.
    """
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


LAST_SPEC = "last_spec"
"""In the session: what the canvas at the shared depth shows."""

GIVEN_SELECTION = "given_selection"
"""In the session: the key of a data set, and which of its tokens Python selects."""


def measured_when_wanted(run: Run, spec: CanvasSpec, which: Collection[str] = COLOURINGS) -> CanvasState:
    """Draw the canvas at the shared depth, with these of `COLOURINGS` on offer; what the user chooses is measured."""
    images = run.dataset.image_shape is not None
    names = {fitting(CALLED[name], images=images): name for name in which}
    there = [replace(colouring, name=fitting(colouring.name, images=images)) for colouring in spec.colourings]
    state = at_shared_depth(replace(spec, colourings=there, offered=tuple(names)))
    if state.colour_by in names:
        session.colour_by(run, names[state.colour_by])
    return state


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
    offered: Collection[str] = COLOURINGS,
    key: str = MAIN_CANVAS,
    live: Mapping[str, Any] | None = None,
    sliders: Collection[str] = (),
    opens: bool = False,
    story: Sequence[tuple[float, str]] = (),
) -> float:
    """Draw the canvas; returns the depth at which the user rests, which also goes into the address bar.

    `pinned` is the token that Python pins, and `about` says on what the colourings depend besides the run. `offered` of
    `COLOURINGS` are measured once the user chooses them. `live`, `sliders`, `opens` and `story` are as in
    `CanvasSpec`.
    """
    dataset, n_blocks = run.dataset, run.config.n_blocks
    panels = shown.panels
    if dataset.image_shape is None:
        panels = [replace(panel, title=fitting(panel.title, images=False)) for panel in panels]
    if dataset.trajectory is not None:
        panels = [_of_layers(panel) for panel in panels]
        offered = [name for name in offered if name != "neighbours"]  # that is of the model's own attention
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
        live=live,
        sliders=tuple(sliders),
        opens=opens,
        story=story,
    )
    state = measured_when_wanted(run, spec, offered)
    st.session_state["last_selection"] = (dataset.key, state.selection)
    return min(state.depth, float(n_blocks))


def _of_layers(panel: Panel) -> Panel:
    """A panel of the model's as one of a network's own layers; those of other methods as they are."""
    if panel.title.startswith(("Random projection of ", "PCA of the ")):
        return replace(panel, title="What goes into the first layer")
    if panel.title.startswith("Latents after {frame}"):
        return replace(panel, title=panel.title.replace("Latents after {frame}", "After {frame} of your network"))
    return panel


def at_shared_depth(shown: CanvasSpec) -> CanvasState:
    """Draw the canvas at the depth that all pages share; where the user rests goes into the address bar."""
    # The browser owns the depth. It is told one only at first (the link's) and on a reset, which `revision` marks.
    start = st.session_state.setdefault("start_depth", read_depth(st.query_params.to_dict()))
    st.session_state[LAST_SPEC] = shown
    state = latent_canvas(replace(shown, depth=start, revision=st.session_state.get("resets", 0)))
    st.session_state["last_depth"] = state.depth
    write_depth(state.depth, shown.n_blocks)
    return state


def same_again() -> float:
    """Draw what `at_shared_depth` drew last, of which nothing is sent; returns the depth at which the user rests."""
    return at_shared_depth(st.session_state[LAST_SPEC]).depth


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
