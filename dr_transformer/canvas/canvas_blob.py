"""The bytes that the latent canvas is sent: everything it shows in one blob, and a data set's images in another."""

from __future__ import annotations

import base64
import threading
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dr_transformer.canvas.blob import Blob, digest, pack_frames
from dr_transformer.canvas.parts import Attended, Colouring, Panel, Pin
from dr_transformer.data.rows import MAX_CLASSES
from dr_transformer.palette import PETROFF10, SEQUENTIAL, TAB10, class_colours

# What the user may choose between. A palette that Python passes and that is not among them becomes one more choice.
PALETTES = {"colour-blind safe": PETROFF10, "paper (tab10)": TAB10}

LEVELS = 254  # a continuous value is stored as one of 0 … LEVELS
MISSING = 255  # stored for a token without a value


def pack_canvas(
    panels: Sequence[Panel],
    *,
    labels: NDArray[Any],
    class_names: Sequence[str],
    dataset_key: str,
    n_blocks: float,
    depth: float,
    depth_unit: str = "block",
    palette: Sequence[str] = PETROFF10,
    height: int = 440,
    point_size: float | None = None,
    opacity: float | None = None,
    revision: int = 0,
    selection: NDArray[np.integer[Any]] | None = None,
    selection_revision: int = 0,
    pinned: Pin | None = None,
    visible: NDArray[np.bool_] | None = None,
    attention_panel: int = -1,
    shows_way: bool = False,
    content_key: str = "",
    key: str = "latent_canvas",
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
    assert pinned is None or 0 <= pinned.index < n, "the pinned token is one of those drawn"
    blob = Blob()
    header = {
        "key": key,
        "dataset_key": dataset_key,
        "n_blocks": n_blocks,
        "depth": float(depth),
        "depth_unit": depth_unit,
        "revision": revision,
        "height": height,
        "point_size": default_point_size(n) if point_size is None else float(point_size),
        "opacity": default_opacity(n) if opacity is None else float(opacity),
        "class_names": list(class_names),
        "colours": class_colours(n_classes, palette),
        "palettes": {name: list(colours) for name, colours in PALETTES.items()},
        "palette": next((name for name, colours in PALETTES.items() if tuple(palette) == colours), None),
        "codes": _place(blob, labels.astype(np.uint8)),
        "visible": None if visible is None else _place(blob, visible.astype(np.uint8)),
        "panels": [
            {
                "title": panel.title,
                "x_label": panel.x_label,
                "y_label": panel.y_label,
                "scale": panel.scale,
                "frames": pack_frames(blob, panel.frames, panel.depths),
                "frame_names": list(panel.frame_names),
                "note": panel.note,
                "blank": panel.blank,
                "fixed_extent": None if panel.extent is None else list(panel.extent),
            }
            for panel in panels
        ],
        "sequential": list(SEQUENTIAL),
        "selection": None if selection is None else _place(blob, selection_bits(selection, n)),
        "selection_revision": selection_revision,
        "pinned": None if pinned is None else {"index": pinned.index, "revision": pinned.revision},
        "attention_panel": attention_panel,
        "shows_way": shows_way,
        "content_key": content_key,
    }
    return blob.pack(header)


def pack_extras(
    colourings: Sequence[Colouring],
    attended: Attended | None,
    n: int,
    *,
    content_key: str = "",
    key: str = "latent_canvas",
) -> bytes:
    """The blob of what comes after the frames of n tokens, and changes more often; parameters as of `latent_canvas`."""
    blob = Blob()
    header = {
        "key": key,
        "content_key": content_key,
        "colourings": [_pack_colouring(blob, colouring, n) for colouring in colourings],
        "attended": None if attended is None else _pack_attended(blob, attended, n),
    }
    return blob.pack(header)


def _place(blob: Blob, array: NDArray[Any]) -> dict[str, Any]:
    return {**blob.add(array), "digest": digest(array)}


def _pack_colouring(blob: Blob, colouring: Colouring, n: int) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": colouring.name, "unit": colouring.unit}
    if colouring.class_names is None:
        entry["low"], entry["high"] = colouring.span
    else:
        colours = None if colouring.palette is None else class_colours(len(colouring.class_names), colouring.palette)
        entry |= {"class_names": list(colouring.class_names), "colours": colours}
    entry["panels"] = []
    for rows, depths in colouring.panels:
        assert rows.shape[1] == n, f"colouring {colouring.name!r} has {rows.shape[1]} values per depth for {n} points"
        stored = rows if colouring.class_names is not None else _levels(rows, *colouring.span)
        placed = zip(depths, stored.astype(np.uint8), strict=True)
        entry["panels"].append([{"depth": depth, **_place(blob, row)} for depth, row in placed])
    return entry


def _levels(rows: NDArray[Any], low: float, high: float) -> NDArray[Any]:
    with np.errstate(invalid="ignore"):  # NaN is written over below
        share = (rows.astype(np.float64) - low) / (high - low if high > low else 1.0)
        levels = np.rint(np.clip(share, 0, 1) * LEVELS)
    return np.where(np.isnan(share), MISSING, levels)


def _pack_attended(blob: Blob, attended: Attended, n: int) -> dict[str, Any]:
    assert 0 <= attended.index < n, f"token {attended.index} of {n}"
    assert attended.indices.size == 0 or 0 <= attended.indices.min() <= attended.indices.max() < n, "indices of tokens"
    order = np.argsort(-attended.weights, axis=1, kind="stable")
    indices, weights = (np.take_along_axis(rows, order, axis=1) for rows in (attended.indices, attended.weights))
    return {
        "index": int(attended.index),
        "k": attended.indices.shape[1],
        "depths": list(map(float, attended.row_depths)),
        "indices": _place(blob, indices.astype(np.uint32)),
        "weights": _place(blob, weights.astype(np.float32)),
    }


def selection_bits(selection: NDArray[np.integer[Any]], n: int) -> NDArray[np.uint8]:
    """One bit per token, the first in the lowest bit of the first byte."""
    assert selection.size == 0 or 0 <= selection.min() <= selection.max() < n, "a selection holds indices of tokens"
    chosen = np.zeros(n, dtype=bool)
    chosen[selection.astype(np.intp)] = True
    return np.packbits(chosen, bitorder="little")


def selection_from_text(text: str, n: int) -> NDArray[np.intp]:
    """Indices of the tokens whose bit is set in base64 `text`, increasing."""
    bits = np.unpackbits(np.frombuffer(base64.b64decode(text), dtype=np.uint8), bitorder="little")
    return np.flatnonzero(bits[:n])


_packed_images: OrderedDict[tuple[str, tuple[int, ...]], bytes] = OrderedDict()
_PACKED_IMAGES = threading.Lock()
"""Held by whoever looks at `_packed_images`: sessions are threads."""


def pack_images(images: NDArray[np.uint8], dataset_key: str) -> bytes:
    """The blob of a data set's images: (n, h, w) uint8, compressed.

    Compressing takes a tenth of a second per 10 000 digits, so the four newest results are kept, by the data set's key.
    """
    assert images.dtype == np.uint8, f"images must be uint8, but are {images.dtype}"
    assert images.ndim == 3, f"images must be (n, h, w), but are {images.shape}"
    cache_key = (dataset_key, images.shape)
    with _PACKED_IMAGES:
        packed = _packed_images.get(cache_key)
    if packed is None:
        packed = compress_images(images, dataset_key, level=1)  # others need not wait for it
        with _PACKED_IMAGES:
            _packed_images[cache_key] = packed
            while len(_packed_images) > 4:
                _packed_images.popitem(last=False)
    return packed


def compress_images(images: NDArray[np.uint8], dataset_key: str, level: int) -> bytes:
    """`pack_images` at any of zlib's levels, 1 … 9, and without keeping the result."""
    blob = Blob()
    compressed = np.frombuffer(zlib.compress(np.ascontiguousarray(images).data, level), dtype=np.uint8)
    n, rows, columns = images.shape
    header = {"dataset_key": dataset_key, "n": n, "height": rows, "width": columns, "images": blob.add(compressed)}
    return blob.pack(header)


def default_point_size(n: int) -> float:
    """Diameter in CSS pixels: 7 for a few hundred points, 3.5 for 10 000, 2.5 for 70 000."""
    return round(float(np.clip(7 - 3.5 * np.log10(max(n, 1) / 500) / np.log10(20), 2.5, 7)), 2)


def default_opacity(n: int) -> float:
    """Opacity of one point: many points are shown as density."""
    return round(float(np.clip(0.9 - 0.25 * np.log10(max(n, 1) / 500) / np.log10(20), 0.5, 0.9)), 2)
