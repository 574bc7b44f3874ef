"""Find what tokens attend to most at every block: one token, or all of them for a page that cannot ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from dr_transformer.canvas.parts import Attended
from dr_transformer.config import Config
from dr_transformer.engine.run import Run
from dr_transformer.model.attention import attention_rows

N_ATTENDED = 8  # shown of a clicked token
_ROW_BYTES = 16 * 2**20


def attended(run: Run, token: int | None, count: int = N_ATTENDED) -> Attended | None:
    """Return the `count` tokens that `token` attends to most, at the latents of each block computed so far."""
    latents = list(run.full.latents)
    if token is None or not latents or token >= len(latents[0]):
        return None
    k, rows = min(count, len(latents[0]) - 1), torch.tensor([token])
    indices, weights = zip(*(_most_attended(X, rows, run.config, k) for X in latents), strict=True)
    return Attended(token, np.concatenate(indices), np.concatenate(weights))


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
    """Return the k tokens that each of n attends to most, at each block's latents (n, q). O(F n² q) time, O(n) memory.

    `report` is called often, with the share that is done, and may raise to stop.
    """
    n = len(latents[0])
    k = min(k, n - 1)
    indices, weights = np.empty((len(latents), n, k), np.int64), np.empty((len(latents), n, k), latents[0].dtype)
    step = max(1, _ROW_BYTES // (n * latents[0].itemsize))
    for block, each in enumerate(latents):
        for start in range(0, n, step):
            if report is not None:
                report((block + start / n) / len(latents))
            rows = torch.arange(start, min(start + step, n))
            indices[block, rows], weights[block, rows] = _most_attended(each, rows, config, k)
    return AttendedTable(indices, weights)


def _most_attended(
    X: npt.NDArray[np.floating], rows: torch.Tensor, config: Config, k: int
) -> tuple[npt.NDArray[np.integer], npt.NDArray[np.floating]]:
    """Return indices and weights (r, k), most first, of what r `rows` of the latents X (n, q) attend to."""
    A = attention_rows(
        torch.from_numpy(X), rows, alpha=config.alpha, n_heads=config.n_heads, mask_self=config.mask_self
    )
    top = torch.topk(A, k)
    return top.indices.numpy(), top.values.numpy()
