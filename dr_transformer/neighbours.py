"""Exact nearest neighbours by blocked products, and what a reduction keeps of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

_BLOCK_BYTES = 16 * 2**20


def knn_indices(
    X: npt.NDArray[np.floating], n_neighbors: int, check: Callable[[], None] | None = None
) -> npt.NDArray[np.intp]:
    """Indices (n, n_neighbors) of the Euclidean nearest neighbours of each row of X (n, d), itself excluded.

    Exact up to the rounding of float32. `check` is called between row blocks, and may raise to stop the work.
    """
    data = torch.from_numpy(np.ascontiguousarray(X, dtype=np.float32))
    data = data - data.mean(dim=0)  # distances are the same, their rounding is smaller
    squares = (data * data).sum(dim=1)
    size = max(1, _BLOCK_BYTES // (4 * len(data)))
    found = torch.empty((len(data), n_neighbors), dtype=torch.long)
    for start in range(0, len(data), size):
        if check:
            check()
        rows = slice(start, min(start + size, len(data)))
        distances = torch.addmm(squares, data[rows], data.T, alpha=-2)  # less |x_i|², the same for a whole row
        distances[torch.arange(rows.stop - rows.start), torch.arange(rows.start, rows.stop)] = torch.inf
        found[rows] = torch.topk(distances, n_neighbors, dim=1, largest=False, sorted=False).indices
    return found.numpy()


def neighbourhood_preservation(
    reference: npt.NDArray[np.intp], neighbours: npt.NDArray[np.intp]
) -> npt.NDArray[np.floating]:
    """Of each token's k `reference` neighbours (n, k), the share that is among its `neighbours` (n, k): (n,), 0 … 1."""
    n, k = reference.shape
    offset = np.arange(n)[:, None] * n  # a number for each pair of tokens
    kept = np.isin((reference + offset).ravel(), (neighbours + offset).ravel())
    return kept.reshape(n, k).mean(axis=1)
