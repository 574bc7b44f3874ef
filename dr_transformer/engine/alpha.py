"""α tuned to a kNN graph of the pixels, in the background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicHermiteSpline

from dr_transformer.config import Config
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.jobs import Background
from dr_transformer.hardware.devices import float64_device
from dr_transformer.methods.graph_store import GraphStore
from dr_transformer.model.unroll import unroll
from dr_transformer.theory.alpha_tuning import AlphaCurve, tune_alpha
from dr_transformer.theory.attention_graph import row_blocks
from dr_transformer.types import Floats

_CURVE = 0.7  # share of the work that is behind once the curve is there


@dataclass(eq=False)
class AlphaTuning(Background):
    """`curve` is that of block 0's latents, which do not depend on α. A job of `jobs.Runner`.

    The reference graph is of the `n_neighbors` nearest in the pixels, made `symmetric` or not. `progress`: 0 … 1.
    """

    dataset: Dataset
    config: Config  # of which `relevant` says what matters
    n_neighbors: int
    symmetric: bool
    graphs: GraphStore
    curve: AlphaCurve | None = None
    progress: float = 0.0
    passes: int = 0  # over all of A, so far

    def _work(self) -> None:
        self.progress, self.passes = 0.0, 0
        graph = self.graphs.get(self.dataset, self.n_neighbors, self._check, self.config.device)
        X = next(step.X for step in unroll(self.dataset.Y, self.config, check=self._check) if step.ends_block)
        X = X.to(float64_device(self.config.device))
        per_pass = sum(1 for _ in row_blocks(len(X), 3 * X.element_size()))
        blocks = 0

        def check() -> None:
            nonlocal blocks
            self._check()
            self.passes = blocks // per_pass
            share = blocks / per_pass
            # The first pass gives the whole curve; how many more its minimum takes is not known beforehand.
            self.progress = _CURVE * share if share < 1 else 1 - (1 - _CURVE) * 0.7 ** (share - 1)
            blocks += 1

        c = self.config
        self.curve = tune_alpha(
            X, graph, symmetric=self.symmetric, n_heads=c.n_heads, mask_self=c.mask_self, check=check
        )
        self.complete = True


def relevant(config: Config) -> Config:
    """The config with what block 0's latents, and so the best α, do not depend on at its default."""
    return Config(
        n_components=config.n_components,
        random_state=config.random_state,
        mask_self=config.mask_self,
        projection=config.projection,
        n_heads=config.n_heads,
        device=config.device,
        precision=config.precision,
    )


def cross_entropy_at(curve: AlphaCurve, alphas: Floats) -> Floats:
    """The cross-entropy between the curve's own `alphas`: cubic through values and slopes, NaN beyond the ends.

    On MNIST right to 0.02 nats between the default values.
    """
    spline = CubicHermiteSpline(
        np.log(curve.alphas), curve.agreement.cross_entropy, curve.agreement.slope * curve.alphas, extrapolate=False
    )
    found: Floats = spline(np.log(alphas))
    return found
