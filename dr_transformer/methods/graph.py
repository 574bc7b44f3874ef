"""One kNN graph of the data, shared by everything that needs neighbours."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from dr_transformer.errors import InputError
from dr_transformer.hardware.devices import has_float64
from dr_transformer.methods import nearest
from dr_transformer.model.magnitude import exponent, times_power

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class KNNGraph:
    """The k nearest other tokens of each token: `indices` (n, k), nearest first, and Euclidean `distances` (n, k).

    The distances are float32, or float64 where that cannot hold them. `recall` is the share of true neighbours
    among them: 1 where the search was exact.
    """

    indices: npt.NDArray[np.intp]
    distances: npt.NDArray[np.floating]
    recall: float = 1.0

    @property
    def n_neighbors(self) -> int:
        """The k of kNN."""
        return self.indices.shape[1]

    def first(self, n_neighbors: int) -> KNNGraph:
        """The graph of the `n_neighbors` ≤ k nearest."""
        if not 1 <= n_neighbors <= self.n_neighbors:
            raise InputError(f"n_neighbors = {n_neighbors} is not within 1 … {self.n_neighbors}, what the graph holds.")
        return KNNGraph(self.indices[:, :n_neighbors], self.distances[:, :n_neighbors], self.recall)


def knn_graph(
    X: npt.NDArray[np.generic],
    n_neighbors: int,
    *,
    device: str = "cpu",
    check: Callable[[], None] | None = None,
) -> KNNGraph:
    """The exact kNN graph of the rows of X (n, d); uint8 is pixels, / 255. Copies are at distance 0.

    Candidates by |x|² + |y|² − 2 x·y are ranked by |x − y|, in float64 for such X, else in float32, and ties by index.
    That no nearer row was left out is proven row by row from a bound on rounding, or else searched again in float64,
    and at last by |x − y| itself (`nearest.search`), so that a row far from the others spoils none of theirs. "Exact"
    leaves open only: which of more than eight rows that tie for the k-th place (to a part in 10⁶ in float32, in 10⁹ in
    float64), and the order of two that differ by the rounding of |x − y|. Memory is a tile of products and O(n (d +
    k)). `device` is torch's name for it; where that has no float64, it is the CPU. `check` is called between tiles and
    may raise to stop the work.

    Raises `InputError` for n_neighbors < 1 or ≥ n, NaN, infinity, and distances beyond float64.
    """
    n = len(X)
    if n < 2:
        raise InputError(f"a graph needs at least two tokens, but there is {n}.")
    if not 1 <= n_neighbors < n:
        raise InputError(
            f"n_neighbors = {n_neighbors} is not possible with {n} tokens: each has {n - 1} others, "
            f"so choose from 1 to {n - 1}{', or more tokens' if n_neighbors >= n else ''}."
        )
    rows = floats(X, device)
    varying = (rows != rows[0]).any(dim=0)  # a column that never varies adds nothing
    rows, size = scaled(rows[:, varying] if varying.any() else rows[:, :1])
    indices, found = nearest.search(rows, n_neighbors, check)
    with np.errstate(over="ignore"):  # reported below, as a sentence
        lengths = np.ldexp(found.double().cpu().numpy(), size)
    if not np.isfinite(lengths).all():
        raise InputError("the data hold values too far apart to compare; scale them to about [0, 1].")
    return KNNGraph(indices.cpu().numpy().astype(np.intp, copy=False), narrowed(lengths))


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
    """The edges that new tokens (m, d) would have with the tokens X (n, d) of a graph, and what they equal.

    W, csr (m, n): ½ where j is among the k nearest of i, and ½ more where i is no further from j than the k-th
    neighbour of j. That is `adjacency` for one token more, whose arrival takes no edge from the others. The second
    array, (m,), is the index of the (first) equal row of X, or −1; such a row has itself among its neighbours.
    """
    k, m = graph.n_neighbors, len(new)
    both, size = scaled(torch.cat([doubles(new, device), doubles(X, device)]))
    queries, fitted = both[:m], both[m:]
    reach = torch.from_numpy(np.ldexp(graph.distances[:, -1].astype(np.float64), -size)).to(fitted)
    reach = (reach * (1 + 1e-6)).square()  # what float32 distances are good for
    blocks, twins = [], []
    for block, D, error in nearest.squared_distances(queries, fitted, check):
        near, distances = nearest.pick(queries[block], fitted, D - error, k, check)
        nearest.mend(D, queries[block], fitted, (D - reach).abs() <= error, check)
        weights = (reach >= D).double().mul_(0.5)
        weights.scatter_add_(1, near, torch.full_like(distances, 0.5))
        blocks.append(sparse.csr_array(weights.cpu().numpy()))
        twins.append(torch.where(distances[:, 0] == 0, near[:, 0], -1).cpu().numpy())
    return sparse.csr_array(sparse.vstack(blocks)), np.concatenate(twins).astype(np.intp)


def neighbourhood_preservation(
    reference: npt.NDArray[np.intp], neighbours: npt.NDArray[np.intp]
) -> npt.NDArray[np.floating]:
    """Return the share of each token's k `reference` neighbours (n, k) that is among its `neighbours` (n, k):
    (n,), 0 … 1.
    """
    n, k = reference.shape
    offset = np.arange(n)[:, None] * n  # a number for each pair of tokens
    kept = np.isin((reference + offset).ravel(), (neighbours + offset).ravel())
    return kept.reshape(n, k).mean(axis=1)


# Rows as neighbours are searched among them: numbers of any size, without a square that over- or underflows.

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
    """Do as `floats`, all in float64: pixels too, so that numbers divided by 255 elsewhere are equal to them."""
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
