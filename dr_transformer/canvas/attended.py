"""Whom every token attends to most, at every block: for a page that cannot ask while it is being looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from dr_transformer.config import Config
from dr_transformer.model.attention import attention_rows

_ROW_BYTES = 16 * 2**20


@dataclass(frozen=True, eq=False)
class AttendedTable:
    """`indices` (F, n, k) and `weights` (F, n, k), most first; row f is the attention at the latents of block f."""

    indices: npt.NDArray[np.integer]
    weights: npt.NDArray[np.floating]

    def __post_init__(self) -> None:
        assert self.indices.ndim == 3, f"indices must be (F, n, k), but are {self.indices.shape}"
        assert self.indices.shape == self.weights.shape, f"{self.indices.shape} and {self.weights.shape} differ"


def attended_table(
    latents: Sequence[npt.NDArray[np.floating]], config: Config, k: int, report: Callable[[float], object] | None = None
) -> AttendedTable:
    """The k tokens that each of n attends to most, at the latents (n, q) of each block. O(F n² q) time, O(n) memory.

    `report` is called often, with the share that is done, and may raise to stop.
    """
    n = len(latents[0])
    k = min(k, n - 1)
    indices, weights = np.empty((len(latents), n, k), np.int64), np.empty((len(latents), n, k), latents[0].dtype)
    step = max(1, _ROW_BYTES // (n * latents[0].itemsize))
    for block, each in enumerate(latents):
        X = torch.from_numpy(each)
        for start in range(0, n, step):
            if report is not None:
                report((block + start / n) / len(latents))
            rows = torch.arange(start, min(start + step, n))
            A = attention_rows(X, rows, alpha=config.alpha, n_heads=config.n_heads, mask_self=config.mask_self)
            top = torch.topk(A, k)
            indices[block, rows], weights[block, rows] = top.indices.numpy(), top.values.numpy()
    return AttendedTable(indices, weights)
