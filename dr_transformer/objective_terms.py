"""The objective of given latents for any β: what takes the time is done once, and a new β costs microseconds.

Of the terms of `objective.objective` only the logarithms and tr A know β: L_data − βn = Σ x_i·(x_i − (AX)_i) − β tr A,
log det(XᵀX + βI) = Σ log(σ² + β), σ the singular values of X. Section 3 of arXiv 2507.21040.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dr_transformer.attention import attend
from dr_transformer.attention_graph import attention_blocks
from dr_transformer.objective import Check, Objective, check_beta, singular_values


class Terms(NamedTuple):
    """What `Objective` needs of latents X (n, q), in float64.

    `data`: Σ x_i·(x_i − (AX)_i). `trace`: tr A, summed over heads; 0 with `mask_self`. `squares`: of each head, the
    squared singular values of its slice of X, (min(n, q / n_heads),).
    """

    data: float
    trace: float
    squares: tuple[npt.NDArray[np.float64], ...]
    n_samples: int
    n_components: int

    def at(self, beta: float) -> Objective:
        """The terms of KL at this β; raises `InputError` for β ≤ 0."""
        check_beta(beta)
        n, n_heads = self.n_samples, len(self.squares)
        width = self.n_components // n_heads
        # XᵀX has q − min(n, q) eigenvalues more, all 0.
        logs = [float(np.log(s + beta).sum()) + (width - len(s)) * math.log(beta) for s in self.squares]
        constant = n_heads * (n - width) * math.log(beta)
        return Objective(self.data - beta * self.trace, sum(logs), n_heads * beta * n, constant)


def terms(X: Tensor, *, alpha: float, n_heads: int = 1, mask_self: bool = True, check: Check | None = None) -> Terms:
    """The terms at latents X (n, q), those after any sub-step; O(n q) memory. `check` may raise to stop."""
    n, q = X.shape
    masked = torch.arange(n, device=X.device) if mask_self else None
    AX = attend(X, X, alpha=alpha, n_samples=n, n_heads=n_heads, masked=masked, check=check)
    data = float((X * (X - AX)).sum(dtype=torch.float64))  # a difference of nearly equal sums would lose its digits
    trace = 0.0
    if not mask_self:
        blocks = attention_blocks(X, alpha=alpha, n_heads=n_heads, mask_self=False, check=check)
        mean = sum(float(A.diagonal(rows.start).sum(dtype=torch.float64)) for rows, A in blocks)
        trace = n_heads * mean
    squares = tuple(singular_values(X_h)[1].square().cpu().numpy() for X_h in torch.split(X, q // n_heads, dim=1))
    return Terms(data, trace, squares, n, q)
