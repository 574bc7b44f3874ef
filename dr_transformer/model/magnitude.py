"""Numbers of any size, brought by powers of two to where their squares neither over- nor underflow.

Multiplying by a power of two rounds nothing, so what is free of scale stays the same to the last bit.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from dr_transformer.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

_DRAWN = 60  # an exponent: what is drawn is squared, in float32 too
# Exponents. At 2²⁰ the 1e-10 of a LayerNorm is nothing even to float64; at 2⁻⁶ it is a millionth of a row's norm, and
# rows of data in small units, as 1e-6, would be a third of their length and attend to all alike.
_SMALL, _LARGE, _MODERATE = -6, 40, 20


def exponent(largest: float) -> int:
    """The e of 2ᵉ⁻¹ ≤ `largest` < 2ᵉ; 0 for 0."""
    return math.frexp(largest)[1]


def to_one(X: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """X times the power of two that brings its largest entry to ½ … 1."""
    return np.ldexp(X, -exponent(float(np.abs(X).max())))


def drawable(X: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """X, or where its largest entry is not within 2⁻⁶⁰ … 2⁶⁰, X times a power of two: the same picture."""
    found = exponent(float(np.abs(X).max()))
    power = min(max(found, -_DRAWN), _DRAWN) - found
    return np.ldexp(X, power) if power else X


def times_power(X: Tensor, power: int | Tensor) -> Tensor:
    """X · 2^power, whatever the power: in two steps, as 2^power itself may be beyond the format."""
    power = torch.as_tensor(power, device=X.device)
    half = power // 2
    return torch.ldexp(torch.ldexp(X, half), power - half)


def moderate(X: Tensor) -> Tensor:
    """The rows of X (n, q), those below 2⁻⁶ or beyond 2⁴⁰ times a power of two, at 2²⁰: the same to a LayerNorm.

    A blank row stays blank.

    Raises `InputError` where X is not finite, which the projection was in float64: its format cannot represent it.
    """
    largest = X.abs().amax(dim=1, keepdim=True)
    if not largest.isfinite().all():
        name = str(X.dtype).removeprefix("torch.")
        raise InputError(
            f"the projected data are too large for {name}, whose numbers end at {torch.finfo(X.dtype).max:.1e}; scale "
            "the data to about [0, 1], or use precision = 'float64'."
        )
    _, exponents = torch.frexp(largest)
    away = (exponents > _LARGE) | ((exponents < _SMALL) & (largest > 0))
    return times_power(X, torch.where(away, _MODERATE - exponents, 0))
