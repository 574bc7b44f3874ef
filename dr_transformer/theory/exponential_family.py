"""Attention as the gradient of a log normaliser.

The discrete exponential family over keys x_1 … x_N (k, d) with natural parameter η, here a query, has

    log Z(η) = log Σ_n w_n exp(η·x_n)       w = 1 unless given
    ∇ log Z(η) = Σ_n p_n x_n                p = softmax(η·x_n + log w_n): softmax attention, values equal to keys
    ∇² log Z(η) = Σ_n p_n (x_n − x̄)(x_n − x̄)ᵀ    the covariance under the same weights

Z is a sum, as in the paper, not a mean: that differs by the constant log N, which no gradient sees. Shim,
"A Probabilistic Interpretation of Transformers", ICML 2021 workshop, arXiv 2205.01080, Proposition 1.

Where the theory stops. With weights, the query meets keys W_q W_kᵀ x_n and gathers values W_v x_n; unless these are the
same vectors (to scale), attention is in general no gradient: its Jacobian is not symmetric (`asymmetry`). Heads on
slices of the latent are the gradient of the sum of their log normalisers, which is that of no single softmax. Tokens
that may not attend to themselves have a log Z each. The feed-forward layer has no part in it. All in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from dr_transformer.errors import InputError
from dr_transformer.types import Floats

_BLOCK_BYTES = 8 * 2**20


def log_normaliser(queries: Floats, keys: Floats, log_weights: Floats | None = None) -> Floats:
    """The log normaliser at each of `queries` (m, d), over `keys` (k, d) with optional `log_weights` (k,): (m,)."""
    queries, keys = _checked(queries, keys)
    blocks = [logsumexp(logits, axis=1) for _, logits in _logits(queries, keys, log_weights)]
    return np.concatenate(blocks)


def attention(queries: Floats, keys: Floats, log_weights: Floats | None = None) -> Floats:
    """The attention average ∇ log Z at each of `queries` (m, d), over `keys` (k, d): (m, d). Memory is O(k)."""
    queries, keys = _checked(queries, keys)
    out = np.empty_like(queries)
    for rows, logits in _logits(queries, keys, log_weights):
        logits -= logits.max(axis=1, keepdims=True)
        weights = np.exp(logits, out=logits)
        out[rows] = weights @ keys / weights.sum(axis=1, keepdims=True)
    return out


def attention_covariance(query: Floats, keys: Floats, log_weights: Floats | None = None) -> Floats:
    """The Hessian ∇² log Z at one `query` (d,): the covariance of `keys` (k, d) under its attention weights, (d, d)."""
    queries, keys = _checked(np.atleast_2d(query), keys)
    ((_, logits),) = _logits(queries, keys, log_weights)
    p = np.exp(logits[0] - logsumexp(logits[0]))
    centred = keys - p @ keys
    return centred.T @ (p[:, None] * centred)


class Check(NamedTuple):
    """Two arrays that should agree: `numeric` by central differences of the `steps` (d,), and `exact` by formula."""

    numeric: Floats
    exact: Floats
    steps: Floats

    @property
    def error(self) -> float:
        """Largest absolute difference of two entries."""
        return float(np.abs(self.numeric - self.exact).max())


def check_gradient(query: Floats, keys: Floats, step: float | None = None) -> Check:
    """Proposition 1(a): central differences of log Z at `query` (d,) against the attention average; each (d,)."""
    query, keys = np.asarray(query, np.float64), np.asarray(keys, np.float64)
    h = _steps(query, keys) if step is None else np.full(len(query), step)
    numeric = (log_normaliser(query + np.diag(h), keys) - log_normaliser(query - np.diag(h), keys)) / (2 * h)
    return Check(numeric, attention(query[None], keys)[0], h)


def check_hessian(query: Floats, keys: Floats, step: float | None = None) -> Check:
    """The same one derivative up: central differences of attention against the softmax covariance; each (d, d)."""
    query, keys = np.asarray(query, np.float64), np.asarray(keys, np.float64)
    h = _steps(query, keys) if step is None else np.full(len(query), step)
    numeric = (attention(query + np.diag(h), keys) - attention(query - np.diag(h), keys)) / (2 * h[:, None])
    return Check(numeric, attention_covariance(query, keys), h)


def asymmetry(query: Floats, keys: Floats, values: Floats) -> float:
    """Return how far attention that gathers `values` (k, d) by `keys` (k, d) is from a gradient at `query` (d,): 0 … 1.

    |J − Jᵀ| / 2|J| (Frobenius) of its Jacobian J = Σ_n p_n (v_n − v̄)(x_n − x̄)ᵀ, 0 for any gradient.
    """
    queries, keys = _checked(np.atleast_2d(query), keys)
    ((_, logits),) = _logits(queries, keys, None)
    p = np.exp(logits[0] - logsumexp(logits[0]))
    J = (values - p @ values).T @ (p[:, None] * (keys - p @ keys))
    return float(np.linalg.norm(J - J.T) / (2 * np.linalg.norm(J)))


def effective_sample_size(query: Floats, keys: Floats) -> float:
    """1/Σp², Kish's: how many of `keys` (k, d) the average at `query` (d,) in effect rests on, 1 … k."""
    queries, keys = _checked(np.atleast_2d(query), keys)
    ((_, logits),) = _logits(queries, keys, None)
    return float(np.exp(2 * logsumexp(logits) - logsumexp(2 * logits)))


def _steps(query: Floats, keys: Floats) -> Floats:
    """(d,): where a central difference's two errors are alike, h²/6 of the third derivative and the rounding over h.

    The third derivative along an axis is a third central moment of the keys there, at most the cube of their range.
    """
    (value,) = log_normaliser(query[None], keys)
    reach = np.ptp(keys, axis=0)
    return np.cbrt(3 * np.finfo(np.float64).eps * max(abs(value), 1.0)) / np.where(reach > 0, reach, 1.0)


def _logits(queries: Floats, keys: Floats, log_weights: Floats | None) -> Iterator[tuple[slice, Floats]]:
    """Row blocks of η·x_n + log w_n, each (b, k), in fresh memory."""
    size = max(1, _BLOCK_BYTES // (8 * len(keys)))
    for start in range(0, len(queries), size):
        rows = slice(start, min(start + size, len(queries)))
        logits = queries[rows] @ keys.T
        if log_weights is not None:
            logits += log_weights
        yield rows, logits


def _checked(queries: Floats, keys: Floats) -> tuple[Floats, Floats]:
    queries, keys = np.asarray(queries, np.float64), np.asarray(keys, np.float64)
    if queries.ndim != 2 or keys.ndim != 2 or queries.shape[1] != keys.shape[1] or keys.size == 0:
        raise InputError(
            f"queries and keys must be matrices of as many columns, but their shapes are {queries.shape} and "
            f"{keys.shape}."
        )
    return queries, keys
