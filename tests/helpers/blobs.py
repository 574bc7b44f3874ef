"""Reads what Python packs for the browser (`canvas/blob.py`), as the browser does."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np


def unpack(blob: bytes) -> tuple[dict[str, Any], bytes]:
    """The header, and the bytes to which its places refer."""
    (length,) = struct.unpack("<I", blob[:4])
    base = -(-(4 + length) // 4) * 4
    return json.loads(blob[4 : 4 + length]), blob[base:]


def read(place: dict[str, int], arrays: bytes, dtype: str) -> np.ndarray:
    """The array at a place."""
    return np.frombuffer(arrays, dtype, count=place["length"], offset=place["start"])


def decode(frame: dict[str, Any], arrays: bytes) -> np.ndarray:
    """The points (n, 2) of a frame, in data coordinates."""
    stored = read(frame["points"], arrays, "<i2").reshape(-1, 2)
    return stored * np.array(frame["step"]) + np.array(frame["offset"])
