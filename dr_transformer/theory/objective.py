"""The ProbDR objective of latents X (n, q), term by term, and the gradients that a block's sub-steps stand for.

    L̃ = I − A(X), held fixed (stop-gradient)
    L_data = tr(L̃ (XXᵀ + βI)) = Σ_i x_i·(x_i − (AX)_i) + β (n − tr A)      tr A = 0 with `mask_self`
    L_reg  = log det(XXᵀ + βI) = (n − q) log β + log det(XᵀX + βI)
    KL     = L_data − L_reg, up to a constant and the factor ν/2
    ∂L_data/∂X = (L̃ + L̃ᵀ) X              the paper writes 2 L̃ X, as if A were symmetric
    ∂L_reg/∂X  = 2 X (XᵀX + βI)⁻¹         the paper's feed-forward step, X − 2ηX, adds η times −2X in its place

Ravuri & Lawrence, arXiv 2507.21040, section 3. Several heads are several such models: each infers a graph from its own
slice of the latents, and their terms add. Memory is O(n q) beside a row block of A; no determinant is n × n.

What is found on MNIST at the paper's values, n = 2 000 (class-balanced), β = 0.01, mean of the seeds 0 … 3: L_data − βn
falls at every one of twelve blocks, from 26.7 to 1.6, and KL RISES at every one, from 222 to 508, because log det falls
faster. Much deeper, L_data can rise a little again. The two regulariser gradients point AWAY from each other, whatever
the latents: ⟨−2X, 2X (XᵀX + βI)⁻¹⟩ = −4 Σ σ²/(σ² + β) < 0. The paper's feed-forward step lowers log det, where KL asks
to raise it, and the LayerNorm that follows undoes it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from dr_transformer.errors import InputError
from dr_transformer.model.attention import attend
from dr_transformer.theory.attention_graph import attention_blocks
from dr_transformer.types import Check

if TYPE_CHECKING:
    from torch import Tensor


class Objective(NamedTuple):
    """The terms of KL, each without the part that n, q and β alone decide; with it, they are `L_data` and `L_reg`.

    `data`: L_data − βn. `regulariser`: log det(XᵀX + βI), which is L_reg − (n − q) log β.
    """

    data: float
    regulariser: float
    data_constant: float  # βn
    regulariser_constant: float  # (n − q) log β

    @property
    def kl(self) -> float:
        """L_data − L_reg up to a constant: `data` − `regulariser`."""
        return self.data - self.regulariser

    @property
    def L_data(self) -> float:  # noqa: N802 - the paper's name
        """tr(L̃ (XXᵀ + βI)), nothing left out."""
        return self.data + self.data_constant

    @property
    def L_reg(self) -> float:  # noqa: N802
        """Log det(XXᵀ + βI), nothing left out."""
        return self.regulariser + self.regulariser_constant


class DataGradients(NamedTuple):
    """∂L_data/∂X, (n, q): `exact`, (L̃ + L̃ᵀ) X, and the `paper`'s, 2 L̃ X, of which attention takes steps.

    `tangent_cosine` is between what the LayerNorm leaves of the two, orthogonal to each row: the same whether attention
    adds A X or (A − I) X.
    """

    exact: Tensor
    paper: Tensor
    tangent_cosine: float

    @property
    def cosine(self) -> float:
        """Return that of the angle between the two, as vectors of n q numbers."""
        return cosine(self.exact, self.paper)

    @property
    def norm_ratio(self) -> float:
        """|2 L̃ X| / |(L̃ + L̃ᵀ) X|."""
        return float(self.paper.double().norm() / self.exact.double().norm())


class Terms(NamedTuple):
    """What `Objective` needs of latents X (n, q), in float64: what takes the time; a new β then costs microseconds.

    Only the logarithms and tr A know β: L_data − βn = Σ x_i·(x_i − (AX)_i) − β tr A, log det(XᵀX + βI) = Σ log(σ² + β),
    σ the singular values of X. `data`: Σ x_i·(x_i − (AX)_i). `trace`: tr A, summed over heads; 0 with `mask_self`.
    `squares`: of each head, the squared singular values of its slice of X, (min(n, q / n_heads),).
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
    """The terms at latents X (n, q), those after any sub-step, in their precision; sums are in float64.

    Memory is O(n q). `check` may raise to stop.
    """
    n, q = X.shape
    masked = torch.arange(n, device=X.device) if mask_self else None
    AX = attend(X, X, alpha=alpha, n_samples=n, n_heads=n_heads, masked=masked, check=check)
    # x·(x − Ax), not |x|² − x·Ax: where latents have collapsed, that would be a difference of nearly equal numbers.
    data = float((X * (X - AX)).sum(dtype=torch.float64))
    trace = 0.0 if mask_self else n_heads * _trace(X, alpha, n_heads, check)
    squares = tuple(singular_values(X_h)[1].square().cpu().numpy() for X_h in _heads(X, n_heads))
    return Terms(data, trace, squares, n, q)


def data_gradients(
    X: Tensor, *, alpha: float, n_heads: int = 1, mask_self: bool = True, check: Check | None = None
) -> DataGradients:
    """Both gradients of L_data at latents X (n, q), of its precision, by one pass over row blocks of A.

    On MNIST at the paper's values, n = 10 000: cosine 0.80 at block 0 and 0.73 at block 8, norm ratio 0.86 and 0.83,
    tangent cosine 0.94 and 0.97: most of what differs between the two, the LayerNorm takes away. `check` is called
    between row blocks and may raise to stop.
    """
    exact, paper = [], []
    for X_h in _heads(X, n_heads):
        AX, AtX = torch.empty_like(X_h), torch.zeros_like(X_h)
        for rows, A in attention_blocks(X_h, alpha=alpha, mask_self=mask_self, check=check):
            AX[rows] = A @ X_h
            AtX.addmm_(A.T, X_h[rows])
        paper.append(2 * (X_h - AX))
        exact.append(2 * X_h - AX - AtX)
    G, G_paper = torch.cat(exact, dim=1), torch.cat(paper, dim=1)
    return DataGradients(G, G_paper, cosine(tangent(G, X), tangent(G_paper, X)))


def regulariser_gradient(X: Tensor, beta: float, n_heads: int = 1) -> Tensor:
    """∂L_reg/∂X = 2 X (XᵀX + βI)⁻¹, (n, q), by the singular values of X in float64: good for any β > 0."""
    check_beta(beta)
    parts = []
    for X_h in _heads(X, n_heads):
        U, sizes, V = singular_values(X_h)
        parts.append((U * (2 * sizes / (sizes.square() + beta))) @ V)
    return torch.cat(parts, dim=1).to(X.dtype)


def cosine(U: Tensor, V: Tensor) -> float:
    """Cosine of the angle between two arrays as vectors, in float64."""
    U, V = U.double(), V.double()
    return float((U * V).sum() / (U.norm() * V.norm()))


def tangent(G: Tensor, X: Tensor) -> Tensor:
    """G (n, q) without its component along each row of X (n, q): all that LN leaves, to first order, of a step G."""
    return G - X * ((G * X).sum(dim=1, keepdim=True) / X.square().sum(dim=1, keepdim=True))


def check_beta(beta: float) -> None:
    """Raise `InputError` unless β is a positive number."""
    if not 0 < beta < math.inf:
        raise InputError(f"beta must be above 0, or log det has no value, but is {beta:g}.")


def singular_values(X: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """U, σ and Vᵀ of X (n, q) = U diag(σ) Vᵀ, thin, in float64, σ descending."""
    # A hundred small steps: two threads gain little, and where other work takes the cores wait for each other at each.
    with threadpool_limits(1, user_api="openmp"):
        U, sizes, V = torch.linalg.svd(X.double(), full_matrices=False)
    return U, sizes, V


def _trace(X: Tensor, alpha: float, n_heads: int, check: Check | None) -> float:
    """The trace of A, the mean of the heads'; A is not masked."""
    blocks = attention_blocks(X, alpha=alpha, n_heads=n_heads, mask_self=False, check=check)
    return sum(float(A.diagonal(rows.start).sum(dtype=torch.float64)) for rows, A in blocks)


def _heads(X: Tensor, n_heads: int) -> tuple[Tensor, ...]:
    """Each head's slice of X (n, q); with as many columns, the logit scale α n / d_h is that of a model of its own."""
    return torch.split(X, X.shape[1] // n_heads, dim=1)
