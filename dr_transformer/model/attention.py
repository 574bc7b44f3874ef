"""Attention over tokens, A X, without ever holding the n × n matrix A.

Logits are (α n / d_h) X_h X_hᵀ for each head of width d_h = n_components / n_heads: the product of the paper's diagonal
weights W_q = √(αn) I and W_k = √(αn / d_h) I and of attention's own 1/√d_h (paper, section 4.1; with one head d_h = q).
Since a LayerNormed row has norm √(q/n), the diagonal of the logits is α (with several heads: α on average over them).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from dr_transformer.model.cuda import means_of_others
from dr_transformer.model.kernels import weighted_means
from dr_transformer.types import Check

if TYPE_CHECKING:
    from torch import Tensor

# A row block's logits take about this much memory: enough for fast products, little beside the latents at any n.
_BLOCK_BYTES = 32 * 2**20


def attend(
    queries: Tensor,
    keys: Tensor,
    *,
    alpha: float,
    n_samples: int,
    n_heads: int = 1,
    masked: Tensor | None = None,
    products: torch.dtype | None = None,
    effective: Tensor | None = None,
    check: Check | None = None,
) -> Tensor:
    """Softmax attention of `queries` (m, q) over `keys` (k, q), which are the values too: A·keys, of shape (m, q).

    `n_samples` is the n of the logit scale α n / d_h: the number of tokens that were LayerNormed together.
    `masked` (m,) holds for each query the index of the one key it must not attend to, or −1; None masks nothing.
    If `queries` is the very tensor `keys`, and all or none of its rows are masked from themselves, half of A is enough.

    `products` is the dtype of the operands of both products, by default the queries' own; with bfloat16 the result
    still is float32, right to two or three digits. `effective` (m,) is filled with `effective_neighbours` of the rows
    of A, or with NaN where one pass does not have them: of several heads, and of products in a smaller format. For
    log A_ij = s q_i · k_j − log Z_i, s = α n / q, the entropy of row i is log Z_i − s q_i · (A K)_i. `check` is
    called every few milliseconds (on a CPU), and may raise.
    """
    out = torch.empty_like(queries)
    if effective is not None:
        effective.fill_(torch.nan)
    if not len(queries):
        return out
    products = products or queries.dtype
    tells = effective if n_heads == 1 and products == queries.dtype else None
    symmetric = queries is keys and (masked is None or torch.equal(masked, _own(queries)))
    for head in _heads(queries.shape[1], n_heads):
        K = keys[:, head].contiguous()
        Q = K if queries is keys else queries[:, head].contiguous()
        scale = alpha * n_samples / K.shape[1]
        fused = means_of_others(K, scale, products) if symmetric and masked is not None else None
        if fused is not None:
            out[:, head] = fused
            continue
        means, lost, log_sums = weighted_means(Q, K, scale, masked, symmetric=symmetric, products=products, check=check)
        out[:, head] = means
        if tells is not None:  # rounding alone goes below one token
            torch.exp((log_sums - scale * (Q * means).sum(dim=1)).clamp_min_(0), out=tells)
        # At a huge α all but the nearest neighbours' exponentials vanish, unless compared with the row's own maximum.
        for start in range(0, len(lost), step := _rows_at_once(K)):
            if check is not None:
                check()
            rows = lost[start : start + step]
            A = _weights(Q[rows], K, scale, None if masked is None else masked[rows])
            out[rows, head] = A @ K
            if tells is not None:
                tells[rows] = effective_neighbours(A)
    return out


def attention_rows(X: Tensor, rows: Tensor, *, alpha: float, n_heads: int = 1, mask_self: bool = True) -> Tensor:
    """The rows `rows` (m,) of A for latents X (n, q): shape (m, n), averaged over heads. Each row sums to 1."""
    heads = _heads(X.shape[1], n_heads)
    total = X.new_zeros((len(rows), len(X)))
    A = torch.empty_like(total)
    for head in heads:
        scale = alpha * len(X) / X[:, head].shape[1]
        total += _weights(X[rows, head], X[:, head], scale, rows if mask_self else None, A)
    return total / len(heads)


def attended_in_effect(
    X: Tensor, *, alpha: float, n_heads: int = 1, mask_self: bool = True, check: Check | None = None
) -> Tensor:
    """Return `effective_neighbours` of every row of A for latents X (n, q): shape (n,), in O(n) memory.

    With one head one pass of attention has them; the mean over heads is taken row by row.
    """
    rows = _own(X)
    found = torch.empty_like(X[:, 0])
    if n_heads == 1:
        masked = rows if mask_self else None
        attend(X, X, alpha=alpha, n_samples=len(X), masked=masked, effective=found, check=check)
        rows = torch.nonzero(found.isnan()).squeeze(1)  # all of them, where a GPU's own attention was taken
    for start in range(0, len(rows), step := _rows_at_once(X)):
        if check is not None:
            check()
        some = rows[start : start + step]
        found[some] = effective_neighbours(attention_rows(X, some, alpha=alpha, n_heads=n_heads, mask_self=mask_self))
    return found


def effective_neighbours(A: Tensor) -> Tensor:
    """Exp of the entropy of each row of A (m, n): how many tokens a token in effect attends to; 1 is one-hot."""
    tiny = torch.finfo(A.dtype).tiny  # 0 log 0 is 0; torch.special.entr says so too, in twice the time
    return (-(A.clamp_min(tiny).log().mul_(A)).sum(dim=1)).exp()


def _weights(queries: Tensor, keys: Tensor, scale: float, masked: Tensor | None, out: Tensor | None = None) -> Tensor:
    """Rows of A (m, k), into `out` if given: the plain softmax, which the tiles are tested against."""
    A = torch.mm(queries * scale, keys.T, out=out)
    if masked is not None:
        which = torch.nonzero(masked >= 0).squeeze(1)
        A[which, masked[which]] = -torch.inf
    return torch.softmax(A, dim=1, out=A)


def _own(X: Tensor) -> Tensor:
    return torch.arange(len(X), device=X.device)


def _heads(n_components: int, n_heads: int) -> list[slice]:
    width = n_components // n_heads
    return [slice(start, start + width) for start in range(0, n_components, width)]


def _rows_at_once(keys: Tensor) -> int:
    return max(1, _BLOCK_BYTES // (len(keys) * keys.element_size()))
