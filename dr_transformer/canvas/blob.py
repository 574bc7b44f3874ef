"""The bytes that the canvas is sent: one blob with its frames, one with what comes later, one with a data set's images.

A blob is a JSON header and arrays, which `assets/canvas/transport/blob.js` reads. Layout: header length (u32,
little-endian), header (UTF-8 JSON), zeros up to a multiple of 4, then the arrays, each padded to a multiple of 4. The
header refers to an array by its place, {"start", "length"}: bytes after the header, and number of elements.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import threading
import zlib
from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dr_transformer.canvas.parts import Attended, CanvasSpec, Colouring, PackedFrame, Panel
from dr_transformer.palette import GREY, NO_CLASS, PETROFF10, SEQUENTIAL, TAB10, apart, class_colours

# What the user may choose between. A palette that Python passes and that is not among them becomes one more choice.
PALETTES = {"colour-blind safe": PETROFF10, "paper (tab10)": TAB10}

LEVELS = 254  # a continuous value is stored as one of 0 … LEVELS
MISSING = 255  # stored for a token without a value

# Stored values span ±INT16_SPAN, so one step is 1/65534 of the extent and rounding is off by at most half of that.
INT16_SPAN = 32767


class Blob:
    """Collects arrays, then joins them with the header that names their places."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0

    def add(self, array: NDArray[Any]) -> dict[str, int]:
        """Append an array and return its place, for the header."""
        place = {"start": self._size, "length": array.size}
        self._append(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
        return place

    def pack(self, header: dict[str, Any]) -> bytes:
        """Return the blob: `header`, then every array added so far."""
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        return b"".join([struct.pack("<I", len(text)), text, bytes(-(4 + len(text)) % 4), *self._chunks])

    def _append(self, chunk: bytes) -> None:
        padding = bytes(-len(chunk) % 4)
        self._chunks += [chunk, padding]
        self._size += len(chunk) + len(padding)


def digest(array: NDArray[Any]) -> str:
    """Return a short fingerprint of an array's content, by which the browser knows what it has already."""
    return hashlib.blake2b(np.ascontiguousarray(array).data, digest_size=8).hexdigest()


def packed_frames(frames: NDArray[Any]) -> tuple[PackedFrame, ...]:
    """Return `frames` (F, n, 2) as int16, off by half a step at most."""
    low = frames.min(axis=1).astype(np.float64)  # (F, 2)
    high = frames.max(axis=1).astype(np.float64)
    assert np.isfinite(low).all() and np.isfinite(high).all(), "frames must be finite"  # noqa: PT018
    offset = low / 2 + high / 2
    step = (high / 2 - low / 2) / INT16_SPAN
    divisor = np.where(step > 0, step, 1.0)  # one place for all points: they are stored as 0
    stored = np.rint((frames - offset[:, None]) / divisor[:, None])
    stored = np.clip(stored, -INT16_SPAN, INT16_SPAN).astype(np.int16)
    return tuple(
        PackedFrame((a, b), (c, d), (x0, y0, x1, y1), digest(points), points)
        for (a, b), (c, d), (x0, y0), (x1, y1), points in zip(
            step.tolist(), offset.tolist(), low.tolist(), high.tolist(), stored, strict=True
        )
    )


def pack_frames(blob: Blob, panel: Panel) -> list[dict[str, Any]]:
    """Add the panel's frames to the blob; return a header entry for each: depth, its `PackedFrame`, its place."""
    return [
        {
            "depth": float(depth),
            "step": list(frame.step),
            "offset": list(frame.offset),
            "extent": list(frame.extent),
            "digest": frame.digest,
            "points": blob.add(frame.stored),
        }
        for depth, frame in zip(panel.depths, panel.packed or packed_frames(panel.frames), strict=True)
    ]


def pack_canvas(shown: CanvasSpec) -> bytes:
    """Pack the frames, and all that is known with them; what comes later is `pack_extras`."""
    n = shown.n_samples
    blob = Blob()
    header = {
        "key": shown.key,
        "dataset_key": shown.dataset_key,
        "n_blocks": shown.n_blocks,
        "depth": float(shown.depth),
        "depth_unit": shown.depth_unit,
        "revision": shown.revision,
        "height": shown.height,
        "point_size": default_point_size(n) if shown.point_size is None else float(shown.point_size),
        "opacity": default_opacity(n) if shown.opacity is None else float(shown.opacity),
        "class_names": list(shown.class_names),
        "colours": class_colours(shown.class_names or ("",), shown.palette),
        "palettes": {name: list(apart(shown.class_names, colours)) for name, colours in PALETTES.items()},
        "without_class": dict.fromkeys(NO_CLASS, GREY),
        "palette": next((name for name, colours in PALETTES.items() if tuple(shown.palette) == colours), None),
        "codes": _place(blob, shown.labels.astype(np.uint8)),
        "visible": None if shown.visible is None else _place(blob, shown.visible.astype(np.uint8)),
        "panels": [
            {
                "title": panel.title,
                "x_label": panel.x_label,
                "y_label": panel.y_label,
                "scale": panel.scale,
                "frames": pack_frames(blob, panel),
                "frame_names": list(panel.frame_names),
                "note": panel.note,
                "blank": panel.blank,
                "fixed_extent": None if panel.extent is None else list(panel.extent),
            }
            for panel in shown.panels
        ],
        "offered": list(shown.offered),
        "sequential": list(SEQUENTIAL),
        "selection": None if shown.selection is None else _place(blob, selection_bits(shown.selection, n)),
        "selection_revision": shown.selection_revision,
        "pinned": None if shown.pinned is None else {"index": shown.pinned.index, "revision": shown.pinned.revision},
        "attention_panel": shown.attention_panel,
        "shows_way": shown.shows_way,
        "content_key": shown.content_key,
        "live": None if shown.live is None else dict(shown.live),
        "sliders": list(shown.sliders),
        "opens": shown.opens,
        "story": list(map(list, shown.story)),
    }
    return blob.pack(header)


def pack_extras(shown: CanvasSpec) -> bytes:
    """Pack what comes after the frames, and changes more often: colourings and attended tokens."""
    blob = Blob()
    header = {
        "key": shown.key,
        "content_key": shown.content_key,
        "colourings": [_pack_colouring(blob, colouring, shown.n_samples) for colouring in shown.colourings],
        "attended": None if shown.attended is None else _pack_attended(blob, shown.attended, shown.n_samples),
    }
    return blob.pack(header)


def _place(blob: Blob, array: NDArray[Any]) -> dict[str, Any]:
    return {**blob.add(array), "digest": digest(array)}


def _pack_colouring(blob: Blob, colouring: Colouring, n: int) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": colouring.name, "unit": colouring.unit}
    if colouring.class_names is None:
        entry["low"], entry["high"] = colouring.span
    else:
        colours = None if colouring.palette is None else class_colours(colouring.class_names, colouring.palette)
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
    """Return one bit per token, the first in the lowest bit of the first byte."""
    assert selection.size == 0 or 0 <= selection.min() <= selection.max() < n, "a selection holds indices of tokens"
    chosen = np.zeros(n, dtype=bool)
    chosen[selection.astype(np.intp)] = True
    return np.packbits(chosen, bitorder="little")


def selection_from_text(text: str, n: int) -> NDArray[np.intp]:
    """Return the indices of the tokens whose bit is set in base64 `text`, increasing."""
    bits = np.unpackbits(np.frombuffer(base64.b64decode(text), dtype=np.uint8), bitorder="little")
    return np.flatnonzero(bits[:n])


_packed_images: OrderedDict[tuple[str, tuple[int, ...]], bytes] = OrderedDict()
_PACKED_IMAGES = threading.Lock()
"""Held by whoever looks at `_packed_images`: sessions are threads."""


def pack_images(images: NDArray[np.uint8], dataset_key: str) -> bytes:
    """Pack a data set's images (n, h, w), uint8, compressed.

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
    """Do as `pack_images` at any of zlib's levels, 1 … 9, and without keeping the result."""
    blob = Blob()
    compressed = np.frombuffer(zlib.compress(np.ascontiguousarray(images).data, level), dtype=np.uint8)
    n, rows, columns = images.shape
    header = {"dataset_key": dataset_key, "n": n, "height": rows, "width": columns, "images": blob.add(compressed)}
    return blob.pack(header)


def default_point_size(n: int) -> float:
    """Return a diameter in CSS pixels: 7 for a few hundred points, 3.5 for 10 000, 2.5 for 70 000."""
    return round(float(np.clip(7 - 3.5 * np.log10(max(n, 1) / 500) / np.log10(20), 2.5, 7)), 2)


def default_opacity(n: int) -> float:
    """Return the opacity of one point: many points are shown as density."""
    return round(float(np.clip(0.9 - 0.25 * np.log10(max(n, 1) / 500) / np.log10(20), 0.5, 0.9)), 2)
