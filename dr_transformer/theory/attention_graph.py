"""Attention as a graph: what each token attends to, how near that is to the pixels' kNN graph, and A as an image.

Everything goes through A by row blocks, so memory is O(n (q + k)) beside one block; nothing here is n × n. With several
heads A is their mean, as in `attention.attention_rows`.

Measured on MNIST, n = 2 000 (class-balanced), α = 30, 15 neighbours, at blocks 0, 4 and 8: of a token's neighbours in
the pixels 61, 47 and 37 % are among the 15 that it attends to most; of its attention they get 62, 25 and 11 %, for it
spreads over 32, 175 and 639 tokens in effect (median).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from dr_transformer.errors import InputError
from dr_transformer.methods.graph import KNNGraph
from dr_transformer.methods.spectrum import laplacian_eigenmaps
from dr_transformer.model.attention import attention_rows, effective_neighbours
from dr_transformer.types import Check, Floats

if TYPE_CHECKING:
    from torch import Tensor

_BLOCK_BYTES = 32 * 2**20
IMAGE_SIZE = 400  # pixels of the image of A at most, along a side

Indices = npt.NDArray[np.intp]


class AttentionGraph(NamedTuple):
    """Hold what each of n tokens attends to, and how far these are its neighbours in the pixels.

    `neighbours` (n, k): the k most attended tokens, most first; `weights` (n, k): their entries of A. The edges of the
    graph. `effective` (n,): exp of the entropy of each row. `mass` (n,): the part of each row of A, 0 … 1, that lies on
    the token's k neighbours in the pixels. `overlap` (n,): the share of these k that is among `neighbours`.
    """

    neighbours: Indices
    weights: Floats
    effective: Floats
    mass: Floats
    overlap: Floats

    @property
    def entropy(self) -> Floats:
        """The entropy of each row of A in nats, (n,): 0 is one-hot, log(n − 1) is uniform."""
        return np.log(self.effective)


def row_blocks(n: int, itemsize: int, check: Check | None = None) -> Iterator[slice]:
    """Slices that cover n rows, each so long that its n columns of `itemsize` bytes take 32 MiB. `check` may raise."""
    size = max(1, _BLOCK_BYTES // (n * itemsize))
    for start in range(0, n, size):
        if check:
            check()
        yield slice(start, min(start + size, n))


def attention_blocks(
    X: Tensor, *, alpha: float, n_heads: int = 1, mask_self: bool = True, check: Check | None = None
) -> Iterator[tuple[slice, Tensor]]:
    """A of latents X (n, q), some rows at a time: (rows, A[rows] of shape (b, n)). `check` is called before each."""
    for rows in row_blocks(len(X), X.element_size(), check):
        index = torch.arange(rows.start, rows.stop, device=X.device)
        yield rows, attention_rows(X, index, alpha=alpha, n_heads=n_heads, mask_self=mask_self)


def most_attended(
    X: Tensor, tokens: Indices, count: int, *, alpha: float, n_heads: int = 1, mask_self: bool = True
) -> tuple[Indices, Floats]:
    """The `count` tokens that each of `tokens` (m,) attends to most, and the weights: both (m, count), most first.

    Raises `InputError` for tokens that are not among the n, and for a count that n − 1 tokens cannot give.
    """
    n = len(X)
    wrong = [int(token) for token in tokens if not 0 <= token < n]
    if wrong:
        raise InputError(f"there is no token {wrong[0]}: they are counted from 0 to {n - 1}.")
    if not 1 <= count < n:
        raise InputError(f"count = {count} is not possible: each of {n} tokens has {n - 1} others.")
    rows = torch.as_tensor(np.asarray(tokens, dtype=np.intp), device=X.device)
    A = attention_rows(X, rows, alpha=alpha, n_heads=n_heads, mask_self=mask_self)
    weights, which = torch.topk(A, count, dim=1)
    return which.cpu().numpy(), weights.cpu().numpy()


def attention_graph(
    X: Tensor,
    graph: KNNGraph,
    *,
    alpha: float,
    n_heads: int = 1,
    mask_self: bool = True,
    check: Check | None = None,
) -> AttentionGraph:
    """The graph that A is at latents X (n, q), next to `graph`, the pixels'; k is the latter's.

    With one head `neighbours` and `overlap` do not depend on α: the softmax keeps the order of the cosines. The mass
    does. `check` is called between row blocks and may raise to stop. Raises `InputError` for a graph of other tokens.
    """
    check_graph(X, graph)
    true, k = torch.as_tensor(graph.indices, device=X.device), graph.n_neighbors
    found: list[tuple[Tensor, ...]] = []
    for rows, A in attention_blocks(X, alpha=alpha, n_heads=n_heads, mask_self=mask_self, check=check):
        weights, which = torch.topk(A, k, dim=1)
        mass = A.gather(1, true[rows]).sum(dim=1)
        overlap = (true[rows, :, None] == which[:, None, :]).sum(dim=(1, 2)).to(X.dtype) / k
        found.append((which, weights, effective_neighbours(A), mass, overlap))
    return AttentionGraph(*(torch.cat(parts).cpu().numpy() for parts in zip(*found, strict=True)))


def attention_image(
    X: Tensor,
    order: Indices,
    *,
    alpha: float,
    n_heads: int = 1,
    mask_self: bool = True,
    size: int = IMAGE_SIZE,
    check: Check | None = None,
) -> Floats:
    """A as an image, tokens in the given `order` (n,): (m, m), m the least of n and `size`.

    With n ≤ `size` it is A itself. Else pixel (r, c) is the attention that a token of the r-th bin pays to the c-th bin
    on average: summed over the bin's columns, averaged over its rows, so that every row of the image sums to 1. Bins
    are runs of tokens in that order, of equal length (±1). Nothing larger than a row block is held. Raises
    `InputError` for an order that is not one of the n tokens.
    """
    n = len(X)
    if not np.array_equal(np.sort(order), np.arange(n)):
        raise InputError(f"the order of rows must name each of the {n} tokens once.")
    X = X[torch.as_tensor(order, device=X.device)]
    starts = np.arange(min(n, size)) * n // min(n, size)
    bins = np.searchsorted(starts, np.arange(n), side="right") - 1
    image = np.zeros((len(starts), len(starts)))
    for rows, A in attention_blocks(X, alpha=alpha, n_heads=n_heads, mask_self=mask_self, check=check):
        np.add.at(image, bins[rows], np.add.reduceat(A.cpu().numpy(), starts, axis=1))
    return image / np.bincount(bins)[:, None]


def class_attention(
    X: Tensor,
    labels: npt.NDArray[np.integer],
    n_classes: int,
    *,
    alpha: float,
    n_heads: int = 1,
    mask_self: bool = True,
    check: Check | None = None,
) -> npt.NDArray[np.float64]:
    """Return how much the classes attend to each other at latents X (n, q) with `labels` (n,): (n_classes, n_classes).

    Row c: the share of its attention that a token of class c pays to each class, on average over these tokens. Rows sum
    to 1; that of a class without tokens is NaN. Raises `InputError` for labels of other tokens.
    """
    if len(labels) != len(X):
        raise InputError(f"there are {len(labels)} labels, but the latents are of {len(X)} tokens.")
    classes = torch.as_tensor(np.asarray(labels, dtype=np.intp), device=X.device)
    of_class = torch.nn.functional.one_hot(classes, n_classes).to(X.dtype)
    total = torch.zeros((n_classes, n_classes), dtype=torch.float64)
    for rows, A in attention_blocks(X, alpha=alpha, n_heads=n_heads, mask_self=mask_self, check=check):
        total.index_add_(0, classes[rows].cpu(), (A @ of_class).cpu().double())
    with np.errstate(invalid="ignore"):
        return np.asarray(total.numpy() / np.bincount(labels, minlength=n_classes)[:, None])


def class_order(labels: npt.NDArray[np.integer], within: Indices | None = None) -> Indices:
    """Tokens ordered by class, (n,); inside a class as they come, or in the order `within` (n,), a spectral one."""
    first = np.arange(len(labels)) if within is None else within
    return first[np.argsort(labels[first], kind="stable")]


def fiedler_order(graph: KNNGraph) -> Indices:
    """Tokens in spectral order, (n,): along the Fiedler vector of `graph`, which puts neighbours near each other.

    Of a graph in parts, part by part, the largest first. For the order of A's own graph, use a column of
    `attention_spectrum.AttentionSpectrum.maps` with `np.argsort`.
    """
    eigenmaps = laplacian_eigenmaps(graph, 1)
    return np.lexsort((eigenmaps.embedding[:, 0], eigenmaps.parts))


def check_graph(X: Tensor, graph: KNNGraph) -> None:
    """Raise `InputError` unless the graph is of as many tokens as the latents X (n, q)."""
    if len(graph.indices) != len(X):
        raise InputError(f"the graph is of {len(graph.indices)} tokens, but the latents are of {len(X)}.")
