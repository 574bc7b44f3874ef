"""One kNN graph of the data, shared by everything that needs neighbours."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from dr_transformer.errors import InputError
from dr_transformer.projection import float64_chunks

# A tile of products stays in the last cache of a CPU (16 MiB); a GPU wants larger ones.
_TILE_ROWS = {"cpu": 2048, "cuda": 8192}
_GATHER_BYTES = {"cpu": 4 * 2**20, "cuda": 256 * 2**20}
_SPARE = 8  # candidates beyond k that the accurate distances choose from


@dataclass(frozen=True, eq=False)
class KNNGraph:
    """The k nearest other tokens of each token: `indices` (n, k), nearest first, and Euclidean `distances` (n, k)."""

    indices: npt.NDArray[np.intp]
    distances: npt.NDArray[np.float32]

    @property
    def n_neighbors(self) -> int:
        """k."""
        return self.indices.shape[1]

    def first(self, n_neighbors: int) -> KNNGraph:
        """The graph of the `n_neighbors` ≤ k nearest."""
        if not 1 <= n_neighbors <= self.n_neighbors:
            raise InputError(f"n_neighbors = {n_neighbors} is not within 1 … {self.n_neighbors}, what the graph holds.")
        return KNNGraph(self.indices[:, :n_neighbors], self.distances[:, :n_neighbors])


def knn_graph(
    X: npt.NDArray[np.generic],
    n_neighbors: int,
    *,
    device: str = "cpu",
    check: Callable[[], None] | None = None,
) -> KNNGraph:
    """The exact kNN graph of the rows of X (n, d), by tiles of X Xᵀ: the upper triangle serves both halves.

    Float64 is computed in float64, all else in float32 (uint8 is pixels, / 255). The `n_neighbors` + 8 candidates by
    |x|² + |y|² − 2 x·y are ranked anew by |x − y|, ties by index. So equal tokens are at distance 0, and "exact" means:
    but for more than 8 tokens that lie, to the rounding of that sum (about 1e-7 of the mean |x|², relative to the
    centre), as far as the k-th neighbour does. Memory is a tile and O(n (d + k)). `device` is torch's name for it.
    `check` is called between tiles and may raise to stop the work.

    Raises `InputError` for n_neighbors < 1 or ≥ n, NaN, infinity, and values whose distances overflow.
    """
    n = len(X)
    if not 1 <= n_neighbors < n:
        raise InputError(
            f"n_neighbors = {n_neighbors} is not possible with {n} tokens: each has {n - 1} others, "
            f"so choose from 1 to {n - 1}{', or more tokens' if n_neighbors >= n else ''}."
        )
    rows = _floats(X, device)
    centre, scale = _frame(rows)
    rows = rows[:, (rows != rows[0]).any(dim=0)] if n > 1 else rows  # a column that never varies adds nothing
    rows = rows.div_(scale)
    rows -= rows.mean(dim=0)
    candidates = _candidates(rows, min(n_neighbors + _SPARE, n - 1), check)
    indices, distances = _ranked(rows, rows, candidates, n_neighbors, check)
    return KNNGraph(indices.cpu().numpy().astype(np.intp, copy=False), _unscaled(distances, scale))


def adjacency(graph: KNNGraph) -> sparse.csr_array:
    """The symmetric W = (G + Gᵀ)/2, csr (n, n) in float64; G_ij = 1 where j is among the k nearest of i.

    As scikit-learn's `SpectralEmbedding` builds it, but for the diagonal, which a Laplacian does not see: there a point
    is one of its own neighbours, so its `n_neighbors` is k + 1.
    """
    n, k = graph.indices.shape
    G = sparse.csr_array((np.full(n * k, 0.5), graph.indices.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    return (G + G.T).tocsr()


def components(W: sparse.csr_array) -> npt.NDArray[np.intp]:
    """The connected component of each token of the symmetric graph W, (n,); the largest is 0, the next 1, and so on."""
    labels = connected_components(W, directed=False)[1]
    order = np.argsort(-np.bincount(labels), kind="stable")
    return np.argsort(order)[labels]


def new_edges(
    new: npt.NDArray[np.generic],
    X: npt.NDArray[np.generic],
    graph: KNNGraph,
    *,
    device: str = "cpu",
    check: Callable[[], None] | None = None,
) -> tuple[sparse.csr_array, npt.NDArray[np.intp]]:
    """The edges that new tokens (m, d) would have with the tokens X (n, d) of a graph, and whom they equal.

    W, csr (m, n): ½ where j is among the k nearest of i, and ½ more where i is no further from j than the k-th
    neighbour of j. That is `adjacency` for one token more, whose arrival takes no edge from the others. The second array,
    (m,), is the index of the (first) equal row of X, or −1; such a row has itself among its neighbours. In float64.
    """
    n, k = graph.indices.shape
    fitted = _floats(X, device).double()
    centre, scale = _frame(fitted)
    fitted = fitted.div_(scale).sub_(centre)
    queries = _floats(new, device).double().div_(scale).sub_(centre)
    squares = fitted.square().sum(dim=1)
    reach = torch.from_numpy(graph.distances[:, -1].astype(np.float64)).to(fitted.device) / scale
    reach = (reach * (1 + 1e-6)).square()  # what float32 distances are good for
    size = max(1, _TILE_ROWS[fitted.device.type] ** 2 // (2 * n))
    blocks, twins = [], []
    for start in range(0, len(queries), size):
        if check:
            check()
        block = queries[start : start + size]
        D = torch.addmm(squares, block, fitted.T, alpha=-2) + block.square().sum(dim=1, keepdim=True)
        candidates = torch.topk(D, min(k + _SPARE, n), dim=1, largest=False, sorted=False).indices
        nearest, distances = _ranked(block, fitted, candidates, k, None)
        weights = (reach >= D).double().mul_(0.5)
        weights.scatter_add_(1, nearest, torch.full_like(distances, 0.5))
        blocks.append(sparse.csr_array(weights.cpu().numpy()))
        twins.append(torch.where(distances[:, 0] == 0, nearest[:, 0], -1).cpu().numpy())
    return sparse.csr_array(sparse.vstack(blocks)), np.concatenate(twins).astype(np.intp)


def neighbourhood_preservation(
    reference: npt.NDArray[np.intp], neighbours: npt.NDArray[np.intp]
) -> npt.NDArray[np.floating]:
    """Of each token's k `reference` neighbours (n, k), the share that is among its `neighbours` (n, k): (n,), 0 … 1."""
    n, k = reference.shape
    offset = np.arange(n)[:, None] * n  # a number for each pair of tokens
    kept = np.isin((reference + offset).ravel(), (neighbours + offset).ravel())
    return kept.reshape(n, k).mean(axis=1)


# --- blocked search ---------------------------------------------------------------------------------------------------


def _floats(X: npt.NDArray[np.generic], device: str) -> Tensor:
    """X as a new tensor: float64 stays that, uint8 becomes pixels in [0, 1], all but float64 is float32."""
    if X.dtype == np.uint8:
        X = np.concatenate([chunk.astype(np.float32) for chunk in float64_chunks(X)])
    dtype = torch.float64 if X.dtype == np.float64 else torch.float32
    return torch.tensor(np.ascontiguousarray(X), dtype=dtype, device=device)


def _frame(rows: Tensor) -> tuple[Tensor, float]:
    """Mean (d,) of the rows over a scale, and this scale: the power of 2 at which no square over- or underflows."""
    low, high = (float(end) for end in rows.aminmax())
    if not math.isfinite(high - high + low - low):
        raise InputError("the data hold NaN or infinity; remove or fill such values first.")
    scale = 2.0 ** (math.frexp(max(-low, high))[1] - 1)
    return (rows / scale).mean(dim=0), scale


def _candidates(rows: Tensor, count: int, check: Callable[[], None] | None) -> Tensor:
    """Indices (n, count) of the nearest of each row by the products, in no order; itself excluded."""
    n = len(rows)
    squares = rows.square().sum(dim=1)
    best = rows.new_full((n, count), torch.inf)
    found = torch.zeros((n, count), dtype=torch.long, device=rows.device)

    def offer(to: slice, D: Tensor, first: int, dim: int) -> None:
        """Candidates for the rows `to`: those along `dim` of the tile D, which begins at row `first`."""
        near, which = torch.topk(D, min(count, D.shape[dim]), dim=dim, largest=False, sorted=False)
        if dim == 0:
            near, which = near.T, which.T
        near, which = torch.cat([best[to], near], dim=1), torch.cat([found[to], which + first], dim=1)
        best[to], kept = torch.topk(near, count, dim=1, largest=False, sorted=False)
        found[to] = which.gather(1, kept)

    tiles = math.ceil(n / _TILE_ROWS[rows.device.type])
    edges = [n * t // tiles for t in range(tiles + 1)]
    slices = [slice(*ends) for ends in zip(edges, edges[1:], strict=False)]
    for s, up in enumerate(slices):
        for across in slices[s:]:
            if check:
                check()
            D = torch.addmm(squares[across], rows[up], rows[across].T, alpha=-2).add_(squares[up, None])
            if across is up:
                offer(up, D.fill_diagonal_(torch.inf), up.start, dim=1)
            else:
                offer(up, D, across.start, dim=1)
                offer(across, D, up.start, dim=0)
    return found


def _ranked(
    queries: Tensor, rows: Tensor, candidates: Tensor, count: int, check: Callable[[], None] | None
) -> tuple[Tensor, Tensor]:
    """Of `candidates` (m, c) the `count` nearest to each query, by |x − y|, then by index: indices, distances."""
    candidates = candidates.sort(dim=1).values
    size = max(1, _GATHER_BYTES[rows.device.type] // (rows.element_size() * candidates.shape[1] * (rows.shape[1] + 1)))
    distances = rows.new_empty(candidates.shape)
    for start in range(0, len(queries), size):
        if check:
            check()
        block = candidates[start : start + size]
        gathered = rows.index_select(0, block.ravel()).view(*block.shape, -1)
        distances[start : start + size] = torch.linalg.vector_norm(gathered - queries[start : start + size, None], dim=2)
    distances, order = distances.sort(dim=1, stable=True)
    return candidates.gather(1, order)[:, :count], distances[:, :count]


def _unscaled(distances: Tensor, scale: float) -> npt.NDArray[np.float32]:
    result = (distances.double() * scale).float().cpu().numpy()
    if not np.isfinite(result).all():
        raise InputError("the data hold values too large to compare; scale them to about [0, 1].")
    return result
