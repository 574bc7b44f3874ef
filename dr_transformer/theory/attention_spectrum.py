"""The spectrum of I − A: real, though A is not symmetric, and its eigenvectors as maps of the tokens.

    W_ij = exp((αn/q) x_i·x_j), 0 on the diagonal; degrees D = diag(W 1); A = D⁻¹ W      whatever the norms of the rows
    P = D^-½ W D^-½, P_ij = exp((αn/q) x_i·x_j − (ℓ_i + ℓ_j)/2), ℓ = log D              symmetric, and similar to A
    P u = μ u  ⇔  A (D^-½ u) = μ (D^-½ u);  λ = 1 − μ is an eigenvalue of I − A

So A has real eigenvalues, and its eigenvectors are functions on tokens, maps, as Laplacian Eigenmaps' D^-½ U are. The
trivial pair, λ = 0 and the constant map, is known, and is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy import linalg

from dr_transformer.errors import InputError
from dr_transformer.theory.attention_graph import row_blocks
from dr_transformer.types import Check, Floats

if TYPE_CHECKING:
    from torch import Tensor

_DENSE = 512  # up to so many tokens the dense solver is as fast
_HELD_BYTES = 128 * 2**20  # P is kept between passes where it takes no more, n ≤ 4 096; else made again in each
_OVERSAMPLING = 14
_SLOW = 0.5  # λ below it decay slowly; where latents have clustered, the others are near 1
_PASSES = 40


class AttentionSpectrum(NamedTuple):
    """`eigenvalues` (k,): the smallest non-trivial λ of I − A, ascending. `vectors` (n, k): the orthonormal u of P.

    `roots` (n,): √degree, of norm 1; the trivial u. `residual`: the largest |P u − μ u|, an upper bound on the error of
    each λ.
    """

    eigenvalues: Floats
    vectors: Floats
    roots: Floats
    residual: float

    @property
    def n_slow(self) -> int:
        """Return how many of the eigenvalues are below ½: one less than the clusters, where the latents have
        formed any.
        """
        return int((self.eigenvalues < _SLOW).sum())

    @property
    def maps(self) -> Floats:
        """A's right eigenvectors D^-½ u as maps, (n, k): the largest value of each is 1."""
        maps = self.vectors / self.roots[:, None]
        return maps / maps[np.abs(maps).argmax(axis=0), np.arange(maps.shape[1])]


def attention_spectrum(
    X: Tensor,
    n_components: int,
    *,
    alpha: float,
    mask_self: bool = True,
    tolerance: float = 1e-5,
    random_state: int = 42,
    check: Check | None = None,
) -> AttentionSpectrum:
    """The `n_components` smallest non-trivial eigenvalues of I − A at latents X (n, q), and their eigenvectors.

    One head; of several, pass the columns of one, for the mean of their matrices is not similar to a symmetric one. In
    float64. By block Lanczos: a pass over P serves k + 14 vectors at once, where ARPACK, one vector at a time, needs
    ten times as many passes, and fails at the multiple eigenvalues of collapsed latents. Ends at a residual of
    `tolerance`, or after 40 passes. `check` is called between row blocks. Raises `InputError`.
    """
    n = len(X)
    if not 1 <= n_components < n:
        raise InputError(f"n_components = {n_components} is not possible: choose from 1 to {n - 1}.")
    X = X.double()
    normalisers = torch.cat([L.logsumexp(dim=1) for _, L in _logits(X, alpha, mask_self, check)])
    roots = ((normalisers - normalisers.max()) / 2).exp()
    roots /= roots.norm()

    def blocks() -> Iterator[tuple[slice, Tensor]]:
        for rows, L in _logits(X, alpha, mask_self, check):
            yield rows, L.sub_((normalisers[rows, None] + normalisers) / 2).exp_()

    held = list(blocks()) if X.element_size() * n**2 <= _HELD_BYTES else None

    def product(V: Tensor) -> Tensor:
        """P V (n, b), with the trivial eigenvalue 1 moved to −2, below all others."""
        PV = torch.cat([P @ V for _, P in held or blocks()])
        return PV - 3 * torch.outer(roots, roots @ V)

    if n <= max(_DENSE, 20 * (n_components + _OVERSAMPLING)):
        _, vectors = torch.linalg.eigh(product(torch.eye(n, dtype=X.dtype, device=X.device)))
        V = vectors[:, -n_components:].flip(1)
        PV = product(V)
    else:
        V, PV = _block_lanczos(product, n, n_components, tolerance, random_state, X.device)
    mu = (V * PV).sum(dim=0)
    residual = float((PV - V * mu).norm(dim=0).max())
    return AttentionSpectrum((1 - mu).cpu().numpy(), V.cpu().numpy(), roots.cpu().numpy(), residual)


def _block_lanczos(
    product: Callable[[Tensor], Tensor],
    n: int,
    count: int,
    tolerance: float,
    random_state: int,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Ritz vectors V (n, count) of the largest eigenvalues, descending, and their images P V.

    On the Krylov space of a random block, its basis kept orthonormal throughout: P is block tridiagonal on it, and its
    eigenvectors there are LAPACK's for band matrices. Golub & Underwood, "The block Lanczos method for computing
    eigenvalues", 1977; Musco & Musco, arXiv 1504.05477.
    """
    width = count + _OVERSAMPLING
    start = np.random.RandomState(random_state).normal(size=(n, width))
    basis = torch.linalg.qr(torch.from_numpy(start).to(device)).Q
    images = product(basis)
    columns = [basis.T @ images]  # of P on the Krylov space: what a block has with the one before it and with itself
    for passes in range(2, _PASSES + 1):
        Q = images[:, -width:]
        for _ in range(2):  # twice: where the space is exhausted, the first leaves rounding alone
            Q = torch.linalg.qr(Q - basis @ (basis.T @ Q)).Q
        PQ = product(Q)
        basis, images = torch.cat([basis, Q], dim=1), torch.cat([images, PQ], dim=1)
        columns.append(basis[:, -2 * width :].T @ PQ)
        last = passes == _PASSES or basis.shape[1] + width > n
        if passes % 3 == 0 or last:
            mu, turn = _largest(columns, count)
            V, PV = basis @ turn, images @ turn
            if last or (PV - V * mu).norm(dim=0).max() <= tolerance:
                break
    return V, PV


def _largest(columns: list[Tensor], count: int) -> tuple[Tensor, Tensor]:
    """The `count` largest eigenvalues, descending, and eigenvectors of a block tridiagonal matrix, by its columns."""
    width = columns[0].shape[1]
    size = width * len(columns)
    bands = np.zeros((2 * width, size))  # LAPACK's: row 2 width − 1 − d holds the d-th diagonal above the main one
    for j, column in enumerate(columns):
        block = column.cpu().numpy()
        for i in range(width):
            above = block[: len(block) - width + i + 1, i]
            bands[2 * width - len(above) :, j * width + i] = above
    mu, turn = linalg.eig_banded(bands, select="i", select_range=(size - count, size - 1))
    values, vectors = (torch.from_numpy(part[..., ::-1].copy()).to(columns[0].device) for part in (mu, turn))
    return values, vectors


def _logits(X: Tensor, alpha: float, mask_self: bool, check: Check | None) -> Iterator[tuple[slice, Tensor]]:
    """Row blocks of (αn/q) X Xᵀ, −∞ on the diagonal if masked."""
    n, q = X.shape
    for rows in row_blocks(n, X.element_size(), check):
        L = (X[rows] * (alpha * n / q)) @ X.T
        if mask_self:
            L.diagonal(rows.start).fill_(-torch.inf)
        yield rows, L
