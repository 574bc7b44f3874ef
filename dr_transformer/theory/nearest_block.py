"""How near a hand-written block comes to a layer of any network: the α and η that best map its input to its output.

A layer's latents X (n, d), LayerNormed and scaled by 1/√n as the model's own are, pass through one block of the model;
what is compared are directions, for LayerNorm takes every row's length. With η > ½ the block also turns all rows round.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize_scalar

from dr_transformer.model.attention import attend
from dr_transformer.model.magnitude import moderate
from dr_transformer.model.unroll import layer_norm
from dr_transformer.quality.metrics import subsample
from dr_transformer.types import Floats

ALPHAS = (0.1, 1000.0)
"""Between these α is looked for."""
N_FITTED = 1000
"""Tokens that take part: of more a seeded subsample, which attends among itself."""
_GRID = 13  # values of α that the best one is near to
_EDGE = 1e-4  # of η, at 0 and on both sides of ½


@dataclass(frozen=True)
class NearestBlock:
    """Hold the best `alpha` and `eta`, and what is left over.

    `left` is Σ‖f(X) − Y‖² / Σ‖Y‖² of the LayerNormed rows, 0 if the block does what the layer does, about 2 for
    directions that have nothing in common; `unmoved` is the same for f(X) = X, the block that does nothing.
    """

    alpha: float
    eta: float
    left: float
    unmoved: float


def nearest_block(
    X: Floats, Y: Floats, *, random_state: int = 42, check: Callable[[], None] = lambda: None
) -> NearestBlock:
    """Return the block that best maps the latents X (n, d) to Y (n, d), in float64; `check` may raise to stop."""
    rows = subsample(len(X), N_FITTED, random_state)
    start, end = (_normed(np.asarray(latents)[rows]) for latents in (X, Y))
    size = float((end**2).sum())
    masked = torch.arange(len(start))

    def left(found: torch.Tensor) -> float:
        return float(((found - end) ** 2).sum()) / size

    def best_eta(log_alpha: float) -> tuple[float, float]:
        check()
        AX = attend(start, start, alpha=float(np.exp(log_alpha)), n_samples=len(start), masked=masked)

        def of(eta: float) -> float:
            moved = layer_norm(start + 2 * eta * AX, len(start))
            return left(moved if eta < 0.5 else -moved)

        sides = [
            minimize_scalar(of, bounds=bounds, method="bounded", options={"xatol": 1e-7})
            for bounds in ((_EDGE, 0.5 - _EDGE), (0.5 + _EDGE, 1.0))
        ]
        best = min(sides, key=lambda side: side.fun)
        return float(best.fun), float(best.x)

    grid = np.log(np.geomspace(ALPHAS[0], ALPHAS[1], _GRID))
    coarse = [best_eta(value)[0] for value in grid]
    around = int(np.argmin(coarse))
    low, high = grid[max(around - 1, 0)], grid[min(around + 1, _GRID - 1)]
    fine = minimize_scalar(
        lambda value: best_eta(value)[0], bounds=(low, high), method="bounded", options={"xatol": 1e-5}
    )
    found = min((float(fine.x), float(grid[around])), key=lambda value: best_eta(value)[0])
    rest, eta = best_eta(found)
    return NearestBlock(float(np.exp(found)), eta, rest, left(start))


def _normed(X: npt.NDArray[np.generic]) -> torch.Tensor:
    return layer_norm(moderate(torch.from_numpy(X.astype(np.float64))), len(X))
