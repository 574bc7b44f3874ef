"""Corollary 1 measured in the background: the error of attention over samples, by their number and by dimension."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dr_transformer.engine.jobs import Background
from dr_transformer.theory.gaussian import Gaussian
from dr_transformer.theory.gaussian_keys import N_SAMPLES, Convergence, convergence
from dr_transformer.types import Floats

DIMENSIONS = (1, 2, 4, 8, 16, 32, 64)
N_OF_DIMENSIONS = (1000, 3000)  # a slope needs two; the larger one is shown


@dataclass(frozen=True)
class CorollarySettings:
    """Keys from N(m 1, σ² I) in d dimensions; the query lies along the diagonal, with s² = ηᵀΣη = `tilt`."""

    tilt: float = 1.0
    n_dimensions: int = 8
    variance: float = 1.0
    mean: float = 0.0
    n_repeats: int = 20
    random_state: int = 42

    def keys(self, n_dimensions: int) -> Gaussian:
        """The keys' distribution; raises `InputError` unless the variance is above 0."""
        return Gaussian.isotropic(self.variance, self.mean, n_dimensions)

    def query(self, n_dimensions: int) -> Floats:
        """η, (d,), whose tilt is the same in any dimension."""
        return np.full(n_dimensions, np.sqrt(self.tilt / (self.variance * n_dimensions)))


@dataclass(eq=False)
class CorollaryRun(Background):
    """`over_samples` over `N_SAMPLES`, then `over_dimensions`, one a dimension of `DIMENSIONS`, as they come."""

    settings: CorollarySettings
    over_samples: Convergence | None = None
    over_dimensions: list[Convergence] = field(default_factory=list)
    progress: float = 0.0

    def _work(self) -> None:
        """From the start: what was stopped begins anew."""
        chosen = self.settings
        self.over_samples, self.over_dimensions, self.progress = None, [], 0.0
        self.over_samples = self._measure(chosen.n_dimensions, N_SAMPLES)
        for d in DIMENSIONS:
            self.over_dimensions.append(self._measure(d, N_OF_DIMENSIONS))
        self.complete = True

    def _measure(self, n_dimensions: int, n_samples: tuple[int, ...]) -> Convergence:
        chosen = self.settings
        keys = chosen.keys(n_dimensions)
        return convergence(
            keys,
            chosen.query(n_dimensions),
            n_samples,
            n_repeats=chosen.n_repeats,
            random_state=chosen.random_state,
            check=self._drawn,
        )

    def _drawn(self) -> None:
        self._check()
        n_draws = self.settings.n_repeats * (len(N_SAMPLES) + len(DIMENSIONS) * len(N_OF_DIMENSIONS))
        self.progress = min(1.0, self.progress + 1 / n_draws)
