"""Whether tokens can still be told apart: what deep or nearly uniform attention leaves of their differences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

_RESOLVED = 100  # roundings that tokens must differ by, to be told apart at all


def spread(X: Tensor) -> float:
    """Return how far the latents X (n, q) lie apart: the norm of what is left without their mean, over their own
    norm.
    """
    size = torch.linalg.vector_norm  # X.norm() is deprecated on an Apple GPU
    return float(size(X - X.mean(dim=0)) / size(X))


def is_lost(X: Tensor) -> bool:
    """Tell whether the latents X (n, q) differ by little more than the rounding of their format: they are at one
    point.
    """
    return spread(X) < _RESOLVED * torch.finfo(X.dtype).eps


def sentence(X: Tensor, block: int) -> str:
    """Return what is to be said of latents X (n, q) that are lost at this block."""
    name, share = str(X.dtype).removeprefix("torch."), _RESOLVED * torch.finfo(X.dtype).eps
    way_out = "fewer blocks or a larger α" + (", or precision float64" if X.dtype != torch.float64 else "")
    return (
        f"the tokens have collapsed to one point: at block {block} they differ by less than {share:.0e} of their "
        f"length, which {name} hardly resolves, so what is left of their differences is rounding; use {way_out}."
    )
