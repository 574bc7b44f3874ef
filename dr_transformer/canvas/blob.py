"""Packs a JSON header and arrays into the one bytes blob that `assets/canvas/transport/blob.js` reads.

Layout: header length (u32, little-endian), header (UTF-8 JSON), zeros up to a multiple of 4, then the arrays, each
padded to a multiple of 4. The header refers to an array by its place, {"start", "length"}: bytes after the header, and
number of elements.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
        """The blob: `header`, then every array added so far."""
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        return b"".join([struct.pack("<I", len(text)), text, bytes(-(4 + len(text)) % 4), *self._chunks])

    def _append(self, chunk: bytes) -> None:
        padding = bytes(-len(chunk) % 4)
        self._chunks += [chunk, padding]
        self._size += len(chunk) + len(padding)


def digest(array: NDArray[Any]) -> str:
    """A short fingerprint of an array's content, by which the browser knows what it has already."""
    return hashlib.blake2b(np.ascontiguousarray(array).data, digest_size=8).hexdigest()


def pack_frames(blob: Blob, frames: NDArray[Any], depths: Sequence[float]) -> list[dict[str, Any]]:
    """Add `frames` (F, n, 2) at increasing `depths` (F,) to the blob as int16; return one header entry per frame.

    An entry has depth, `step` and `offset` (coordinate = step · stored + offset), extent [x0, y0, x1, y1], digest, and
    the place of the (n, 2) int16 array.
    """
    low = frames.min(axis=1).astype(np.float64)  # (F, 2)
    high = frames.max(axis=1).astype(np.float64)
    assert np.isfinite(low).all() and np.isfinite(high).all(), "frames must be finite"  # noqa: PT018
    offset = low / 2 + high / 2
    step = (high / 2 - low / 2) / INT16_SPAN
    divisor = np.where(step > 0, step, 1.0)  # one place for all points: they are stored as 0
    stored = np.rint((frames - offset[:, None]) / divisor[:, None])
    stored = np.clip(stored, -INT16_SPAN, INT16_SPAN).astype(np.int16)
    return [
        {
            "depth": float(depth),
            "step": step[i].tolist(),
            "offset": offset[i].tolist(),
            "extent": [*low[i].tolist(), *high[i].tolist()],
            "digest": digest(stored[i]),
            "points": blob.add(stored[i]),
        }
        for i, depth in enumerate(depths)
    ]
