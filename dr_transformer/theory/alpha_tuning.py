"""Tune α, as the paper asks: so that the soft adjacency A is close to a reference kNN graph of the data.

Close by the cross-entropy of A's rows to the random walk on the graph, which goes to each of the neighbours N_i of a
token i with the same probability. With unit logits c_ij = (n/q) x_i·x_j, the cosines of LayerNormed rows, A is
softmax(α c), so

    CE(α)  = − mean_i mean_{j ∈ N_i} log A_ij = mean_i [ log Σ_j exp(α c_ij) − α mean_{j ∈ N_i} c_ij ]
    CE'(α) = mean_i [ Σ_j A_ij c_ij − mean_{j ∈ N_i} c_ij ]          CE''(α) = mean_i Var_{A_i}(c_i) ≥ 0

CE is convex: its minimum is the α at which the tokens attended to are as similar to a token, on average, as its true
neighbours, and is found as the one root of the slope. With several heads CE is the mean over theirs, convex as well.
Ravuri & Lawrence, arXiv 2507.21040, section 4.1.

Measured on MNIST (class-balanced subsets, 15 neighbours in the pixels, block 0, mean of the seeds 0 … 3, at
10 000 of 0 and 1). For the symmetric graph, which Laplacian Eigenmaps are computed on (i and j are neighbours where
either is among the other's 15 nearest), the paper's 30 is the optimum at its n:

    n         best α, symmetric   mass on neighbours   best α, each token's 15 nearest   mass
     1 000          17.4                0.50                      19.4                    0.50
     2 000          20.7                0.48                      23.2                    0.50
     5 000          25.0                0.46                      28.2                    0.48
    10 000          29.4                0.44                      33.2                    0.46
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy import sparse
from scipy.optimize import brentq

from dr_transformer.errors import InputError
from dr_transformer.methods.graph import KNNGraph, adjacency
from dr_transformer.theory.attention_graph import check_graph, row_blocks
from dr_transformer.types import Check, Floats

if TYPE_CHECKING:
    from torch import Tensor

ALPHAS = (1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 60.0, 100.0, 200.0)


class Agreement(NamedTuple):
    """How near A is to the kNN graph at m values of α; all of shape (m,).

    `cross_entropy` in nats: the least there is, where A is the graph, is the mean of log |N_i|. `slope` is its
    derivative by α. `mass`: the part of A, 0 … 1, that lies on true neighbours.
    """

    cross_entropy: Floats
    slope: Floats
    mass: Floats


class AlphaCurve(NamedTuple):
    """`agreement` over `alphas` (m,), and the `best` α with its cross-entropy and mass.

    `inside`: whether the best lies between the first and the last of `alphas`; if not, it is one of these two, and the
    minimum lies beyond.
    """

    alphas: Floats
    agreement: Agreement
    best: float
    best_cross_entropy: float
    best_mass: float
    inside: bool


def agreement(
    X: Tensor,
    graph: KNNGraph,
    alphas: Sequence[float],
    *,
    symmetric: bool = True,
    n_heads: int = 1,
    mask_self: bool = True,
    check: Check | None = None,
) -> Agreement:
    """The agreement of attention at latents X (n, q) with `graph` for each of `alphas`, in one pass over row blocks.

    Any block's latents will do; α is tuned at block 0's. The neighbours of a token are those of the `symmetric` graph,
    or else its k nearest. `check` is called between row blocks and may raise. Raises `InputError`.
    """
    n, q = X.shape
    check_graph(X, graph)
    walk = random_walk(graph, symmetric)
    if not len(alphas) or not all(0 < alpha < np.inf for alpha in alphas):
        raise InputError("every alpha must be a number above 0.")
    width = q // n_heads
    sums = np.zeros((3, len(alphas)))
    for rows in row_blocks(n, 3 * X.element_size(), check):  # three arrays of that shape at once
        index = torch.arange(rows.stop - rows.start, device=X.device)
        near, weights = _edges(walk[rows], X)
        for X_h in torch.split(X, width, dim=1):
            C = (X_h[rows] * (n / width)) @ X_h.T
            similar = (C[near] * weights).sum(dtype=torch.float64)
            for j, alpha in enumerate(alphas):
                A = C * alpha
                if mask_self:
                    A[index, index + rows.start] = -torch.inf
                normaliser = A.logsumexp(dim=1)
                A = A.sub_(normaliser[:, None]).exp_()
                # A is 0 where it is masked, so the diagonal of C, which is finite, does not count.
                found = normaliser, (A * C).sum(dim=1), A[near]
                total, attended, mass = (float(values.sum(dtype=torch.float64)) for values in found)
                sums[:, j] += total - alpha * float(similar), attended - float(similar), mass
    return Agreement(*(sums / (n * n_heads)))


def tune_alpha(
    X: Tensor,
    graph: KNNGraph,
    alphas: Sequence[float] = ALPHAS,
    *,
    symmetric: bool = True,
    n_heads: int = 1,
    mask_self: bool = True,
    precision: float = 1e-3,
    check: Check | None = None,
) -> AlphaCurve:
    """The curve of agreement with `graph` over ascending `alphas`, and its optimum, refined between them.

    `X` (n, q) are block 0's latents, which do not depend on α: the second step of `model.unroll`. The slope's sign at
    `alphas` brackets its root, which Brent's method then finds to a relative `precision`. The rest is as in
    `agreement`.
    """
    grid = np.asarray(alphas, dtype=np.float64)
    if grid.ndim != 1 or len(grid) < 2 or (np.diff(grid) <= 0).any():
        raise InputError("alphas must be two or more ascending numbers, between which the best is sought.")

    def at(some: Sequence[float]) -> Agreement:
        return agreement(X, graph, some, symmetric=symmetric, n_heads=n_heads, mask_self=mask_self, check=check)

    curve = at([float(alpha) for alpha in grid])
    inside = bool(curve.slope[0] < 0 < curve.slope[-1])
    if inside:
        right = int(np.argmax(curve.slope > 0))
        ends = {float(grid[j]): float(curve.slope[j]) for j in (right - 1, right)}  # no need to compute these again

        def slope(alpha: float) -> float:
            return ends[alpha] if alpha in ends else float(at([alpha]).slope[0])

        best = float(brentq(slope, *ends, xtol=precision * float(grid[right]), rtol=precision))
        found = at([best])
    else:
        end = 0 if curve.slope[0] >= 0 else -1
        best, found = float(grid[end]), Agreement(*(part[[end]] for part in curve))
    return AlphaCurve(grid, curve, best, float(found.cross_entropy[0]), float(found.mass[0]), inside)


def random_walk(graph: KNNGraph, symmetric: bool = True) -> sparse.csr_array:
    """Return what A is compared with, csr (n, n): each row 1 / |N_i| at the neighbours N_i of a token i."""
    n, k = graph.indices.shape
    if not symmetric:
        return sparse.csr_array(
            (np.full(n * k, 1 / k), graph.indices.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n)
        )
    W = adjacency(graph)
    counts = np.diff(W.indptr)
    return sparse.csr_array((np.repeat(1 / counts, counts), W.indices, W.indptr), shape=(n, n))


def _edges(walk: sparse.csr_array, X: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Rows and columns of what a row block of `walk` holds, and the values, where X is and of its dtype."""
    found = walk.tocoo()
    row, column = (torch.as_tensor(part, dtype=torch.long, device=X.device) for part in found.coords)
    return (row, column), torch.as_tensor(found.data, dtype=X.dtype, device=X.device)
