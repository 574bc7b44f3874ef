"""Blocked search for nearest rows, in torch, on CPU or GPU: the engine of `graph.py`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import torch

from dr_transformer.hardware.products import multiplies_bfloat16

if TYPE_CHECKING:
    from torch import Tensor

Check = Callable[[], None] | None

# A tile of products stays in the last cache of a CPU (16 MiB); a GPU wants larger ones.
_TILE_ROWS = {"cpu": 2048, "cuda": 8192}
_GATHER_BYTES = {"cpu": 8 * 2**20, "cuda": 256 * 2**20}
_SPARE = {
    "torch.bfloat16": 16,
    "torch.float32": 8,
    "torch.float64": 8,
}  # candidates beyond k, to choose from by |x − y|
_TIED = {
    "torch.float32": 2.0**-22,
    "torch.float64": 2.0**-30,
}  # squared distances that differ by less are as good as equal
_WIDE = 2.0**20  # times as far from the middle as nine of ten rows: such a row would draw the mean away from the others
_SAMPLE = 1000  # rows that say where the middle is
_COARSE_FROM = 2048  # rows; below, bfloat16 has nothing to save


def search(rows: Tensor, k: int, check: Check, these: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Indices and distances (n, k) of the nearest other rows of `rows` (n, d): by |x − y|, then by index.

    With `these` (m,) of these rows alone: what is given for others is left open.

    Candidates come from products in bfloat16, where that is fast, then float32, then float64. Each has a bounded error,
    so a row is settled where its k-th distance lies below all that the rows left out can have in truth; only what is
    not settled is searched more precisely, and what float64 does not settle by |x − y| itself (`_direct`). Centring
    makes products' errors small; the distances are of the rows as they are, which centring would round.
    """
    n = len(rows)
    indices = torch.empty((n, k), dtype=torch.long, device=rows.device)
    distances = rows.new_empty((n, k))
    these = torch.arange(n, device=rows.device) if these is None else these
    for dtype in _precisions(rows):
        centred = rows.to(torch.float64 if dtype == torch.float64 else rows.dtype) - centre(rows)
        coarse, squares = centred.to(dtype), centred.square().sum(dim=1)
        if dtype != torch.bfloat16:
            squares = squares * (1 - _rounding(centred))  # then no product makes a pair seem further than it is
        count = min(k + _SPARE[str(dtype)], n - 1)
        if len(these) > n // 2:  # all, by symmetry, cost no more
            these = torch.arange(n, device=rows.device)
            found, beyond = _by_tiles(coarse, squares, count, check)
        else:
            found, beyond = _by_rows(these, coarse, squares, count, check)
        indices[these], distances[these] = _ranked(rows[these], rows, found, k, check)
        if count == n - 1:
            return indices, distances
        if dtype == torch.bfloat16:
            beyond -= _error(centred, coarse)[these]
        these = these[_doubtful(distances[these, -1], beyond, rows.dtype)]
        if not len(these):
            return indices, distances
    indices[these], distances[these] = _direct(these, rows, k, check)
    return indices, distances


def products(queries: Tensor, rows: Tensor, squares: Tensor, check: Check) -> Iterator[tuple[slice, Tensor]]:
    """Blocks of queries (m, d), each with |y|² − 2 x·y (b, n) to all `rows` y, whose `squares` are |y|² (n,)."""
    size = max(1, _TILE_ROWS[rows.device.type] ** 2 // len(rows))
    for start in range(0, len(queries), size):
        if check:
            check()
        block = slice(start, min(start + size, len(queries)))
        yield block, torch.mm(queries[block], rows.T).to(squares.dtype).mul_(-2).add_(squares)


def squared_distances(queries: Tensor, rows: Tensor, check: Check) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Blocks of queries (m, d), each with |x − y|² (b, n) to all `rows` (n, d) by products, and a bound on its error.

    Both in float64.
    """
    origin = centre(rows)
    queries, rows = queries - origin, rows - origin
    sizes, squares = queries.square().sum(dim=1, keepdim=True), rows.square().sum(dim=1)
    for block, D in products(queries, rows, squares, check):
        yield block, D.add_(sizes[block]), _rounding(rows) * (sizes[block] + squares)


def pick(queries: Tensor, rows: Tensor, lowest: Tensor, k: int, check: Check) -> tuple[Tensor, Tensor]:
    """Indices and distances (b, k) of the rows (n, d) nearest to each query, given a lower bound (b, n) on |x − y|²."""
    count = min(k + _SPARE[str(rows.dtype)], len(rows))
    bounds, candidates = torch.topk(lowest, count, dim=1, largest=False, sorted=False)
    indices, distances = _ranked(queries, rows, candidates, k, check)
    if count < len(rows):
        doubtful = _doubtful(distances[:, -1], bounds.amax(dim=1), rows.dtype).nonzero().squeeze(1)
        for some in _parts(len(doubtful), _rows_at_once(rows)):
            part = doubtful[some]
            distances[part], indices[part] = _first(_differences(queries[part], rows, check), k)
    return indices, distances


def mend(D: Tensor, queries: Tensor, rows: Tensor, doubtful: Tensor, check: Check) -> None:
    """Put |x − y|² itself into D (b, n) for the pairs that are `doubtful` (b, n)."""
    which = doubtful.nonzero()
    for some in _parts(len(which), max(1, _GATHER_BYTES[rows.device.type] // (8 * rows.shape[1]))):
        if check:
            check()
        i, j = which[some].T
        D[i, j] = (queries[i] - rows[j]).square().sum(dim=1)


def coarse_is_fast(device: torch.device) -> bool:
    """Tell whether products in bfloat16 take a fraction of those in float32, and on a CPU, where that is what
    counts.
    """
    return device.type == "cpu" and bool(torch.backends.mkldnn.enabled) and multiplies_bfloat16(device)


def _precisions(rows: Tensor) -> list[torch.dtype]:
    coarse = [torch.bfloat16] if len(rows) >= _COARSE_FROM and coarse_is_fast(rows.device) else []
    if reaches_far(rows):  # bfloat16 would settle none, or have no room for both
        coarse = []
    return coarse + [dtype for dtype in (torch.float32, torch.float64) if dtype.itemsize >= rows.dtype.itemsize]


def _error(rows: Tensor, coarse: Tensor) -> Tensor:
    """(n,): no squared distance from row i by products of the `coarse` rows is further than this from the truth.

    With x = h + r, h coarse: x·y − h·h' = x·r' + r·h', at most |x||r'| + |r||h'| (Cauchy-Schwarz). The product h·h' is
    summed in float32 at least, and bfloat16 rounds it to 8 bits, by at most 2⁻⁸. The last term is for |x|² + |y|² −
    2 x·y itself and for the rounding of the rows when they were centred.
    """
    squares, kept = rows.square().sum(dim=1), coarse.to(rows.dtype)
    sizes, whole, rest = squares.sqrt(), kept.norm(dim=1), (rows - kept).norm(dim=1)
    rounding = (2.0**-8 if coarse.dtype == torch.bfloat16 else 0) + rows.shape[1] * 2.0**-23
    dot = sizes * rest.max() + rest * whole.max() + rounding * whole * whole.max()
    return 2 * dot + 2.0**-20 * (squares + squares.max())


def _rounding(rows: Tensor) -> float:
    """c: |x|² + |y|² − 2 x·y by products of such rows (n, d) is no further than c (|x|² + |y|²) from |x − y|².

    The product's error is at most d u |x||y| (u: the rounding of the format) and that of sums and centring another few
    u of (|x| + |y|)², which is at most 2 (|x|² + |y|²). So a row far away spoils no pair but its own.
    """
    return (rows.shape[1] + 8) * torch.finfo(rows.dtype).eps


def _doubtful(distances: Tensor, beyond: Tensor, dtype: torch.dtype) -> Tensor:
    """Return which of the k-th distances (m,) are not proven, if of the rows left out none is nearer than √beyond (m,).

    Nothing is nearer than a copy, and what is nearer by no more than the rounding of |x − y| is as near.
    """
    reach = distances.to(beyond.dtype).square()
    return (reach > 0) & (reach * (1 - _TIED[str(dtype)]) >= beyond)


def centre(rows: Tensor) -> Tensor:
    """The mean of the rows (d,), or, where rows far away would draw it from the others, the median of some of them."""
    middle = _middle(rows)
    return middle if reaches_far(rows, middle) else rows.mean(dim=0)


def reaches_far(rows: Tensor, middle: Tensor | None = None) -> bool:
    """Tell whether a row lies a million times as far from the middle of the rows (n, d) as nine of ten do."""
    extents = _extents(rows, middle)
    return bool(extents.max() > _WIDE * _most(extents))


def usual_extent(rows: Tensor) -> float:
    """Return how far nine of ten of the rows (n, d) are from their middle, at most, in any column."""
    return float(_most(_extents(rows)))


def _most(extents: Tensor) -> Tensor:
    return extents.kthvalue(math.ceil(0.9 * len(extents))).values


def _middle(rows: Tensor) -> Tensor:
    return rows[:: max(1, len(rows) // _SAMPLE)].median(dim=0).values


def _extents(rows: Tensor, middle: Tensor | None = None) -> Tensor:
    middle = _middle(rows) if middle is None else middle
    return torch.cat([(rows[some] - middle).abs().amax(dim=1) for some in _parts(len(rows), _SAMPLE)])


def _direct(these: Tensor, rows: Tensor, k: int, check: Check) -> tuple[Tensor, Tensor]:
    """Do as `search`, of the rows `these` (m,) alone, by |x − y| itself: without products, n d differences a row."""
    wide = rows.double()
    indices, distances = [], []
    for some in _parts(len(these), _rows_at_once(rows)):
        part = these[some]
        D = _differences(wide[part], wide, check)
        D[torch.arange(len(part), device=rows.device), part] = torch.inf
        near, which = _first(D, k)
        indices.append(which)
        distances.append(near)
    return torch.cat(indices), torch.cat(distances).to(rows.dtype)


def _differences(queries: Tensor, rows: Tensor, check: Check) -> Tensor:
    if check:
        check()
    return torch.cdist(queries, rows, compute_mode="donot_use_mm_for_euclid_dist")


def _first(D: Tensor, k: int) -> tuple[Tensor, Tensor]:
    near, which = D.sort(dim=1, stable=True)
    return near[:, :k], which[:, :k]


def _parts(n: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def _rows_at_once(rows: Tensor) -> int:
    return max(1, _TILE_ROWS[rows.device.type] ** 2 // (16 * len(rows)))  # to be stopped in time


def _by_rows(these: Tensor, rows: Tensor, squares: Tensor, count: int, check: Check) -> tuple[Tensor, Tensor]:
    """Do as `_by_tiles`, for the rows `these` (m,) alone."""
    found, beyond = [], []
    for block, D in products(rows[these], rows, squares, check):
        D.add_(squares[these[block], None])
        D[torch.arange(len(D), device=D.device), these[block]] = torch.inf
        near, which = torch.topk(D, count, dim=1, largest=False, sorted=False)
        found.append(which)
        beyond.append(near.amax(dim=1))
    return torch.cat(found), torch.cat(beyond)


def _by_tiles(rows: Tensor, squares: Tensor, count: int, check: Check) -> tuple[Tensor, Tensor]:
    """Indices (n, count) of the others nearest to each row by products, in no order, and the largest of their squared
    distances (n,): by products, nothing left out is nearer.

    X Xᵀ is symmetric: one half of its tiles is computed, and each tile serves its rows and its columns.
    """
    n = len(rows)
    best = squares.new_full((n, count), torch.inf)
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
    slices = [slice(*ends) for ends in pairwise(edges)]
    for s, up in enumerate(slices):
        for across in slices[s:]:
            if check:
                check()
            D = torch.mm(rows[up], rows[across].T).to(squares.dtype)
            D.mul_(-2).add_(squares[across]).add_(squares[up, None])
            if across is up:
                offer(up, D.fill_diagonal_(torch.inf), up.start, dim=1)
            else:
                offer(up, D, across.start, dim=1)
                offer(across, D, up.start, dim=0)
    return found, best.amax(dim=1)


def _ranked(queries: Tensor, rows: Tensor, candidates: Tensor, k: int, check: Check) -> tuple[Tensor, Tensor]:
    """Rank `candidates` (m, c): the k nearest to each query, by |x − y|, then by index: indices and distances (m,
    k).
    """
    candidates = candidates.sort(dim=1).values
    size = max(1, _GATHER_BYTES[rows.device.type] // (rows.element_size() * candidates.shape[1] * (rows.shape[1] + 1)))
    distances = rows.new_empty(candidates.shape)
    for start in range(0, len(queries), size):
        if check:
            check()
        block = candidates[start : start + size]
        offsets = rows.index_select(0, block.ravel()).view(*block.shape, -1) - queries[start : start + size, None]
        distances[start : start + size] = torch.linalg.vector_norm(offsets, dim=2)
    distances, order = distances.sort(dim=1, stable=True)
    return candidates.gather(1, order)[:, :k].contiguous(), distances[:, :k].contiguous()
