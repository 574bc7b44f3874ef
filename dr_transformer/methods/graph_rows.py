"""Rows as neighbours are searched among them: numbers of any size, without a square that over- or underflows."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dr_transformer.errors import InputError
from dr_transformer.hardware.devices import has_float64
from dr_transformer.methods import nearest
from dr_transformer.model.magnitude import exponent, times_power

_ROOM, _MORE_ROOM = 50, 500  # of the exponent: sums of squares reach 4 d · 2¹⁰⁰ in float32, 4 d · 2¹⁰⁰⁰ in float64
_USUAL = 20  # exponents up to which libraries are given the numbers as they are
_FAR = 60  # an exponent: a row beyond it is as far away as can be


def floats(X: npt.NDArray[np.generic], device: str) -> Tensor:
    """X as a tensor, float64 if it was, else float32; uint8 becomes pixels in [0, 1]."""
    there = device if has_float64(device) else "cpu"
    rows = torch.from_numpy(np.require(X, requirements=["C", "W"])).to(there)  # torch warns of what is read-only
    if rows.dtype == torch.uint8:
        rows = rows.float() / 255
    elif rows.dtype != torch.float64:
        rows = rows.float()
    if not all(math.isfinite(float(end)) for end in rows.aminmax()):
        raise InputError("the data hold NaN or infinity; remove or fill such values first.")
    return rows


def doubles(X: npt.NDArray[np.generic], device: str) -> Tensor:
    """As `floats`, all in float64: pixels too, so that numbers divided by 255 elsewhere are equal to them."""
    return floats(X.astype(np.float64) / 255 if X.dtype == np.uint8 else X, device).double()


def scaled(rows: Tensor) -> tuple[Tensor, int]:
    """The rows (n, d) times 2⁻ᵉ, and e: the largest number leaves as much room to square as small ones.

    In float64, if some rows lie so far from the others that float32 has no room for both.
    """
    low, high = (float(end) for end in rows.aminmax())
    size = exponent(max(-low, high))
    if nearest.reaches_far(times_power(rows, -size)):
        rows, size = rows.double(), size - _MORE_ROOM
    else:
        size -= _ROOM
    return times_power(rows, -size), size


def narrowed(distances: npt.NDArray[np.float64]) -> npt.NDArray[np.floating]:
    """The distances in float32, if it can hold them."""
    with np.errstate(over="ignore", under="ignore"):
        small = distances.astype(np.float32)
    held = np.isfinite(small) & ((small >= np.finfo(np.float32).tiny) | (distances == 0))
    return small if held.all() else distances


def usual_exponent(X: npt.NDArray[np.generic]) -> int:
    """The exponent of how far nine of ten rows of X (n, d) are from the middle; 0 where that is near 1 anyway.

    For libraries that square in float32, and look for scales by halving and doubling.
    """
    if X.dtype == np.uint8 or not np.isfinite(X).all():  # the library says so
        return 0
    rows, size = scaled(floats(X, "cpu"))
    found = exponent(nearest.usual_extent(rows)) + size
    return found if abs(found) > _USUAL and rows.any() else 0


def in_float32(X: npt.NDArray[np.generic], power: int) -> npt.NDArray[np.float32]:
    """X · 2^power in float32, cut at ±2⁶⁰: fit to be squared."""
    found = np.ldexp(X, power) if power else X
    return np.clip(found, -(2.0**_FAR), 2.0**_FAR).astype(np.float32)
