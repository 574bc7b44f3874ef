"""The latent canvas: linked scatter panels that move along the depth axis, drawn by the browser (`assets/canvas/`)."""

from __future__ import annotations

import functools
import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dr_transformer.palette import PETROFF10, class_colours
from dr_transformer.paths import asset
from dr_transformer.ui.blob import Blob, digest, pack_frames

MAX_CLASSES = 256  # the browser's colour table

# In this order they make one module: each file uses only what stands before it, or is called later.
_CANVAS_JS = (
    "dom.js",
    "blob.js",
    "sprites.js",
    "clock.js",
    "track.js",
    "view.js",
    "webgl.js",
    "canvas2d.js",
    "panel.js",
    "gestures.js",
    "scrubber.js",
    "legend.js",
    "tooltip.js",
    "handle.js",
    "latent_canvas.js",
    "staying.js",
    "entry.js",
)
_SPRITES_JS = ("blob.js", "sprites.js", "sprites_entry.js")


@dataclass(frozen=True)
class Panel:
    """One scatter plot of `frames` (F, n, 2), finite, in data coordinates; F = 1 makes a static panel.

    `depths` is the block number of each frame, increasing, fractional for the steps inside a block. "{depth}" in the
    `title` becomes the depth on screen. `scale` "frame" fits every frame to its own extent, "final" fits all frames to
    the extent of the last.
    """

    title: str
    frames: NDArray[Any]
    depths: tuple[float, ...]
    x_label: str = ""
    y_label: str = ""
    scale: str = "frame"

    def __post_init__(self) -> None:
        assert self.frames.ndim == 3, f"frames must be (F, n, 2), but are {self.frames.shape}"
        assert self.frames.shape[2] == 2, f"frames must be (F, n, 2), but are {self.frames.shape}"
        assert len(self.depths) == len(self.frames) > 0, f"{len(self.frames)} frames, {len(self.depths)} depths"
        assert all(a < b for a, b in zip(self.depths, self.depths[1:], strict=False)), "depths must increase"
        assert self.scale in ("frame", "final"), f"scale must be 'frame' or 'final', but is {self.scale!r}"


@dataclass(frozen=True)
class CanvasState:
    """What the browser reported last: the depth at which the user has come to rest."""

    depth: float


def latent_canvas(
    panels: Sequence[Panel],
    *,
    labels: NDArray[Any],
    class_names: Sequence[str],
    dataset_key: str,
    n_blocks: float,
    depth: float,
    palette: Sequence[str] = PETROFF10,
    images: NDArray[np.uint8] | None = None,
    key: str = "latent_canvas",
    height: int = 440,
    point_size: float | None = None,
    opacity: float | None = None,
    revision: int = 0,
    on_depth_change: Callable[[], None] | None = None,
) -> CanvasState:
    """Show linked panels on one depth axis and return the depth at which the user rests.

    A rerun with the same data keeps depth, zoom and legend as the user left them; of new data, only frames that the
    last run did not have are uploaded.

    `labels` (n,) are indices into `class_names`; with fewer than two names there is no legend. `dataset_key` names the
    tokens: another key resets zoom and pinned token, and brings other `images` (n, h, w), uint8, shown at hover.
    `n_blocks` is the planned length of the axis; frames may arrive later. `depth` is where to start: a value other than
    in the last run moves the user there, and so does another `revision` even if the value is the same. `height` is that
    of one panel's plot and `point_size` a diameter, both in CSS pixels; size and `opacity` by default fall with n.
    `on_depth_change` is called when the browser reports a depth, 0.3 s after it came to rest.
    """
    data = pack_canvas(
        panels,
        labels=labels,
        class_names=class_names,
        dataset_key=dataset_key,
        n_blocks=n_blocks,
        depth=depth,
        palette=palette,
        height=height,
        point_size=point_size,
        opacity=opacity,
        revision=revision,
    )
    with st.container(gap=None):  # the images' element is empty and must not cost a gap
        if images is not None:
            assert len(images) == len(labels), f"{len(images)} images, {len(labels)} labels"
            _sprites_component()(data=pack_images(images, dataset_key), key=f"{key}_images", height="content")
        result = _canvas_component()(data=data, key=key, on_depth_change=on_depth_change or _ignore)
    # Until the browser answers, its last report is about the depth before the one that Python has just set.
    given = (depth, revision)
    moved = st.session_state.get(f"{key}_given") != given
    st.session_state[f"{key}_given"] = given
    reported = result.get("depth")
    return CanvasState(depth=float(depth if moved or reported is None else reported))


def pack_canvas(
    panels: Sequence[Panel],
    *,
    labels: NDArray[Any],
    class_names: Sequence[str],
    dataset_key: str,
    n_blocks: float,
    depth: float,
    palette: Sequence[str] = PETROFF10,
    height: int = 440,
    point_size: float | None = None,
    opacity: float | None = None,
    revision: int = 0,
) -> bytes:
    """The blob that `latent_canvas` sends; parameters as there."""
    n = len(labels)
    n_classes = max(1, len(class_names))
    assert panels, "at least one panel"
    assert all(panel.frames.shape[1] == n for panel in panels), f"every frame must have {n} points, one per label"
    assert n > 0, "at least one point"
    assert n_classes <= MAX_CLASSES, f"at most {MAX_CLASSES} classes, but there are {n_classes}"
    assert labels.min() >= 0, "labels are indices into class_names"
    assert labels.max() < n_classes, "labels are indices into class_names"
    blob = Blob()
    codes = labels.astype(np.uint8)
    header = {
        "dataset_key": dataset_key,
        "n_blocks": n_blocks,
        "depth": float(depth),
        "revision": revision,
        "height": height,
        "point_size": default_point_size(n) if point_size is None else float(point_size),
        "opacity": default_opacity(n) if opacity is None else float(opacity),
        "class_names": list(class_names),
        "colours": class_colours(n_classes, palette),
        "codes": {**blob.add(codes), "digest": digest(codes)},
        "panels": [
            {
                "title": panel.title,
                "x_label": panel.x_label,
                "y_label": panel.y_label,
                "scale": panel.scale,
                "frames": pack_frames(blob, panel.frames, panel.depths),
            }
            for panel in panels
        ],
    }
    return blob.pack(header)


_packed_images: OrderedDict[tuple[str, tuple[int, ...]], bytes] = OrderedDict()


def pack_images(images: NDArray[np.uint8], dataset_key: str) -> bytes:
    """The blob of a data set's images: (n, h, w) uint8, compressed.

    Compressing takes a tenth of a second per 10 000 digits, so the four newest results are kept, by the data set's key.
    """
    assert images.dtype == np.uint8, f"images must be uint8, but are {images.dtype}"
    assert images.ndim == 3, f"images must be (n, h, w), but are {images.shape}"
    cache_key = (dataset_key, images.shape)
    if cache_key not in _packed_images:
        blob = Blob()
        compressed = np.frombuffer(zlib.compress(np.ascontiguousarray(images).data, level=1), dtype=np.uint8)
        n, rows, columns = images.shape
        header = {"dataset_key": dataset_key, "n": n, "height": rows, "width": columns, "images": blob.add(compressed)}
        _packed_images[cache_key] = blob.pack(header)
        while len(_packed_images) > 4:
            _packed_images.popitem(last=False)
    return _packed_images[cache_key]


def default_point_size(n: int) -> float:
    """Diameter in CSS pixels: 7 for a few hundred points, 3.5 for 10 000, 2.5 for 70 000."""
    return round(float(np.clip(7 - 3.5 * np.log10(max(n, 1) / 500) / np.log10(20), 2.5, 7)), 2)


def default_opacity(n: int) -> float:
    """Opacity of one point: many points are shown as density."""
    return round(float(np.clip(0.9 - 0.25 * np.log10(max(n, 1) / 500) / np.log10(20), 0.5, 0.9)), 2)


def _ignore() -> None:
    """A state is only reported for a component with a callback, so there is always one."""


def _source(names: Sequence[str]) -> str:
    return "\n".join(asset(f"canvas/{name}").read_text(encoding="utf-8") for name in names)


@functools.cache
def _canvas_component() -> Callable[..., Any]:
    return st.components.v2.component("latent_canvas", css=_source(["canvas.css"]), js=_source(_CANVAS_JS))


@functools.cache
def _sprites_component() -> Callable[..., Any]:
    return st.components.v2.component("digit_sprites", js=_source(_SPRITES_JS))
