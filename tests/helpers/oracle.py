"""The oracle: `torch.nn.TransformerEncoderLayer` with the paper's weights, and its sub-steps taken apart."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from dr_transformer.config import Config
from dr_transformer.model.reference import layer, mask

__all__ = ["block", "layer", "mask", "published_start", "relative_error", "sub_steps"]


def block(oracle: nn.TransformerEncoderLayer, X: Tensor, src_mask: Tensor | None) -> Tensor:
    """The layer called whole."""
    with torch.no_grad():
        result: Tensor = oracle(X[None], src_mask=src_mask)[0]
    return result


def sub_steps(
    oracle: nn.TransformerEncoderLayer, X: Tensor, src_mask: Tensor | None, config: Config
) -> Iterator[Tensor]:
    """The layer's own modules one after the other: attention, norm1, feed-forward, norm2."""
    with torch.no_grad():
        attended = oracle.self_attn(X[None], X[None], X[None], attn_mask=src_mask, need_weights=False)[0][0]
        X = X + attended - (2 * config.eta * X if config.graph_diffusion else 0)
        yield X
        X = oracle.norm1(X)
        yield X
        X = X + oracle.linear2(oracle.activation(oracle.linear1(X)))
        yield X
        yield oracle.norm2(X)


def published_start(Y: np.ndarray, q: int, seed: int) -> np.ndarray:
    """Y W_proj as the published figure draws it: numpy's legacy generator, float64, cast to float32."""
    d = Y.shape[1]
    W = np.random.RandomState(seed).normal(size=(d, q)) / np.sqrt(d)
    return (Y @ W).astype(np.float32)


def relative_error(result: Tensor, expected: Tensor) -> float:
    """Largest absolute difference over the largest absolute value expected."""
    return float((result.double() - expected.double()).abs().max() / expected.double().abs().max())
