"""Attention over tokens, A X, without ever holding the n × n matrix A.

Logits are (α n / d_h) X_h X_hᵀ for each head of width d_h = n_components / n_heads: the product of the paper's diagonal
weights W_q = √(αn) I and W_k = √(αn / d_h) I and of attention's own 1/√d_h (paper, section 4.1; with one head d_h = q).
Since a LayerNormed row has norm √(q/n), the diagonal of the logits is α (with several heads: α on average over them).
"""

from __future__ import annotations

import torch
from torch import Tensor

# A row block's logits take about this much memory: enough for fast products, little beside the latents at any n.
_BLOCK_BYTES = 32 * 2**20


def attend(
    queries: Tensor, keys: Tensor, *, alpha: float, n_samples: int, n_heads: int = 1, masked: Tensor | None = None
) -> Tensor:
    """Softmax attention of `queries` (m, q) over `keys` (k, q), which are the values too: A·keys, of shape (m, q).

    `n_samples` is the n of the logit scale α n / d_h: the number of tokens that were LayerNormed together.
    `masked` (m,) holds for each query the index of the one key it must not attend to, or −1; None masks nothing.
    """
    out = torch.empty_like(queries)
    blocks = _row_blocks(len(queries), len(keys), keys.element_size())
    # One buffer for all row blocks: fresh memory for each would cost as much time as the products do.
    buffer = queries.new_empty((blocks[0].stop if blocks else 0, len(keys)))
    for rows in blocks:
        for head in _heads(queries.shape[1], n_heads):
            A = buffer[: rows.stop - rows.start]
            _weights(queries[rows, head], keys[:, head], alpha, n_samples, None if masked is None else masked[rows], A)
            out[rows, head] = A @ keys[:, head]
    return out


def attention_rows(X: Tensor, rows: Tensor, *, alpha: float, n_heads: int = 1, mask_self: bool = True) -> Tensor:
    """The rows `rows` (m,) of A for latents X (n, q): shape (m, n), averaged over heads. Each row sums to 1."""
    masked = rows if mask_self else None
    heads = _heads(X.shape[1], n_heads)
    total = X.new_zeros((len(rows), len(X)))
    A = torch.empty_like(total)
    for head in heads:
        total += _weights(X[rows, head], X[:, head], alpha, len(X), masked, A)
    return total / len(heads)


def effective_neighbours(A: Tensor) -> Tensor:
    """Exp of the entropy of each row of A (m, n): how many tokens a token in effect attends to; 1 is one-hot."""
    tiny = torch.finfo(A.dtype).tiny  # 0 log 0 is 0; torch.special.entr says so too, in twice the time
    return (-(A.clamp_min(tiny).log().mul_(A)).sum(dim=1)).exp()


def _weights(queries: Tensor, keys: Tensor, alpha: float, n_samples: int, masked: Tensor | None, out: Tensor) -> Tensor:
    """Write rows of A into `out` (m, k)."""
    torch.mm(queries * (alpha * n_samples / keys.shape[1]), keys.T, out=out)
    if masked is not None:
        which = torch.nonzero(masked >= 0).squeeze(1)
        out[which, masked[which]] = -torch.inf
    return torch.softmax(out, dim=1, out=out)


def _heads(n_components: int, n_heads: int) -> list[slice]:
    width = n_components // n_heads
    return [slice(start, start + width) for start in range(0, n_components, width)]


def _row_blocks(m: int, n_keys: int, itemsize: int) -> list[slice]:
    size = max(1, _BLOCK_BYTES // (n_keys * itemsize))
    return [slice(start, min(start + size, m)) for start in range(0, m, size)]
