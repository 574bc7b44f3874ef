"""Softmax attention tile by tile: two matrix products and one exponential a tile, and nothing else over n × n.

A tile is E = exp(Q Kᵀ − shift) of a block of rows I and a block of columns J; it adds E V to the totals of I and Σ E to
their sums, and the division comes last, on (m, d) instead of on (m, k). There is no running maximum as in flash
attention (Dao et al., arXiv 2205.14135): by Cauchy–Schwarz no logit exceeds max |q_i| max |k_j|, for LayerNormed rows
the α on the diagonal, so one shift serves all tiles. Where tokens attend to themselves, E is symmetric, and the tile
(I, J) serves the rows J too, transposed: that halves the first product and the exponentials.

Values are centred before the product, which is exact (weights sum to 1) and leaves less to round.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch

from dr_transformer.hardware.products import Products
from dr_transformer.types import Check

if TYPE_CHECKING:
    from torch import Tensor

# Tokens on a side of a tile, which is to stay in a CPU's cache: measured with AVX2 and AVX-512, where 768 to 1 024 are
# quickest, and twice as many in bfloat16. GPUs want large products: there the size is by arithmetic, not measured.
_TILE = {"cpu": 768, "cuda": 8192, "mps": 4096}
# exp() is kept at most this large, so that n of them can be summed, and may be as small as the format allows.
_LARGEST_EXPONENT = {"torch.float64": 600.0, "torch.float32": 60.0}


class Weighted(NamedTuple):
    """`means` (m, d) of the values, and `lost`: the rows (indices) whose means are not to be trusted.

    A row is lost where its largest logit lies so far below the bound that its exponentials fall out of the format.
    `log_sums` (m,) are the logarithms of the sums of the rows' exponentials, log Z.
    """

    means: Tensor
    lost: Tensor
    log_sums: Tensor


def weighted_means(
    queries: Tensor,
    keys: Tensor,
    scale: float,
    masked: Tensor | None,
    *,
    symmetric: bool,
    products: torch.dtype,
    check: Check | None = None,
) -> Weighted:
    """Means of `keys` (k, d) with weights softmax(scale · queries keysᵀ), for queries (m, d).

    `masked` (m,) is as in `attention.attend`. `symmetric` promises that the queries are the keys, and that `masked` is
    None or masks each token's own key. Operands of the products are of the dtype `products`; totals and sums are of the
    queries' dtype. `check` is called before every tile; what it raises ends the computation.
    """
    multiply = Products(products, queries.device)
    # √scale on both sides, for the rounded operands of a symmetric E must be the same
    right = (keys * math.sqrt(scale)).to(products)
    left = right if symmetric else (queries * math.sqrt(scale)).to(products)
    bound = _bound(left, right, queries.dtype)
    shift = _shift(bound, products)
    bias = right.new_full((len(right),), -shift)
    centre = keys.mean(dim=0)
    side = _side(queries.device, products)
    columns, blocks = (_blocks(len(tokens), side) for tokens in (keys, queries))
    values = [multiply.values(keys[block] - centre) for block in columns]
    totals = [multiply.total(queries[rows]) for rows in blocks]
    for i, rows in enumerate(blocks):
        for j, block in enumerate(columns):
            if symmetric and j < i:
                continue
            if check is not None:
                check()
            E = multiply.exponentials(left[rows], right[block], bias[block], -bound - shift)
            if masked is not None and not symmetric:
                _zero(E, masked[rows] - block.start)
            elif masked is not None and i == j:
                E.fill_diagonal_(0)
            multiply.add(totals[i], E, values[j])
            if symmetric and i != j:
                multiply.add(totals[j], E.T, values[i])
            del E  # or the next tile would be fresh memory, page by page
    sums = torch.cat([total.sums for total in totals])
    means = torch.cat([total.weighted / total.sums[:, None] for total in totals])
    return Weighted(means.add_(centre), _lost(sums, len(keys)), sums.log().add_(shift))


def _bound(left: Tensor, right: Tensor, dtype: torch.dtype) -> float:
    """Return what no logit is larger than, up to its sign."""
    return math.prod(float(torch.linalg.vector_norm(X, dim=1, dtype=dtype).max()) for X in (left, right))


def _shift(bound: float, products: torch.dtype) -> float:
    """Return what to subtract from every logit: the least that keeps all exponentials and their sums in the format.

    bfloat16 logits are rounded to eight bits, so that those which matter, near the bound, are to be near 0.
    """
    return bound if products == torch.bfloat16 else max(0.0, bound - _LARGEST_EXPONENT[str(products)])


def _lost(sums: Tensor, n_keys: int) -> Tensor:
    """Rows whose sum is too small for what underflowed not to matter, or no number."""
    limits = torch.finfo(sums.dtype)
    return torch.nonzero(~((sums >= n_keys * limits.tiny / limits.eps) & (sums <= limits.max))).squeeze(1)


def _zero(E: Tensor, masked: Tensor) -> None:
    """Zero in each row of the tile E the column `masked`, where it is one of its columns."""
    column = masked.clamp(0, E.shape[1] - 1)[:, None]
    kept = E.gather(1, column).masked_fill_(column == masked[:, None], 0)
    E.scatter_(1, column, kept)  # without asking a GPU which rows


def _side(device: torch.device, products: torch.dtype) -> int:
    wide = device.type == "cpu" and products == torch.bfloat16
    return _TILE.get(device.type, _TILE["cpu"]) * (2 if wide else 1)


def _blocks(n: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]
