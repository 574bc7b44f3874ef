"""Theorem 1 measured in the background: how long the equilibrium holds, and how fast its modes grow."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import numpy as np

from dr_transformer.engine.jobs import Background
from dr_transformer.theory.energy_distance import null_energies
from dr_transformer.theory.gaussian import N_SAMPLES, Convergence, Gaussian, convergence
from dr_transformer.theory.hermite_modes import bulk_growth, growth_factor, population_growth, sampled_growth
from dr_transformer.theory.renormalisation import Persistence, persistence
from dr_transformer.types import Floats

N_DRAWS = 99  # of the null band
LEVEL = 0.95
MODES = (3, 4, 5)  # of finer ones, some thousand particles tell little: chance is larger than the rate
_PAUSE_SECONDS = 0.05


@dataclass(eq=False)
class NullBand(Background):
    """`energies` of samples of n particles that do come from the equilibrium: the same for all keys of a dimension.

    `fitted`: of samples with exactly its mean and covariance.
    """

    n_particles: int
    n_dimensions: int
    fitted: bool
    energies: Floats | None = None
    progress: float = 0.0

    def _work(self) -> None:
        self.progress = 0.0
        self.energies = null_energies(
            self.n_particles, self.n_dimensions, fitted=self.fitted, n_draws=N_DRAWS, check=self._drawn
        )
        self.complete = True

    def _drawn(self) -> None:
        self._check()
        self.progress = min(1.0, self.progress + 1 / N_DRAWS)


@dataclass(frozen=True)
class TheoremSettings:
    """Keys N(m 1, σ² I) in d dimensions, and the operator: `how` is one of `RENORMALISATIONS`."""

    variance: float = 1.0
    mean: float = 0.0
    n_dimensions: int = 2
    n_particles: int = 3000
    n_steps: int = 6
    how: str = "empirical"
    random_state: int = 42

    def keys(self) -> Gaussian:
        """The keys' distribution; raises `InputError` unless the variance is above 0."""
        return Gaussian.isotropic(self.variance, self.mean, self.n_dimensions)

    def bands(self) -> tuple[bool, ...]:
        """Against which null bands, by `NullBand.fitted`: the sharper one has a meaning only if moments are held."""
        return (False, True) if self.how == "empirical" else (False,)


@dataclass(eq=False)
class TheoremRun(Background):
    """`found` is how the equilibrium fares, by each band: that of `fitted` samples, and of plain ones.

    A job that waits for its `nulls`, in the order of `TheoremSettings.bands`.
    """

    settings: TheoremSettings
    nulls: tuple[NullBand, ...]
    found: dict[bool, Persistence] = field(default_factory=dict)

    @property
    def progress(self) -> float:
        """Share of the null samples that are drawn; the steps take no time beside them."""
        return sum(null.progress for null in self.nulls) / len(self.nulls)

    def _work(self) -> None:
        chosen = self.settings
        keys = chosen.keys()
        while not all(null.finished for null in self.nulls):
            self._check()
            time.sleep(_PAUSE_SECONDS)
        self.error = next((null.error for null in self.nulls if null.error), None)
        if self.error is not None:
            return
        first, *others = self.nulls
        assert first.energies is not None
        options = {"n_particles": chosen.n_particles, "n_steps": chosen.n_steps, "random_state": chosen.random_state}
        held = persistence(keys, chosen.how, null=first.energies, level=LEVEL, check=self._check, **options)
        found = {first.fitted: held}
        for null in others:
            assert null.energies is not None
            found[null.fitted] = replace(held, band=float(np.quantile(null.energies, LEVEL)))
        self.found = found
        self.complete = True


@dataclass(frozen=True)
class GrowthSettings:
    """Keys N(m, σ²) in one dimension, and what the growth is measured on."""

    variance: float = 1.0
    mean: float = 0.0
    n_particles: int = 2000
    n_seeds: int = 20

    def keys(self) -> Gaussian:
        """The keys' distribution; raises `InputError` unless the variance is above 0."""
        return Gaussian.isotropic(self.variance, self.mean, 1)


@dataclass(frozen=True, eq=False)
class Growth:
    """Factor by which Hermite mode `k` grows in a step: as `derived`, and measured.

    `quadrature`: without sampling. `bulk` and `whole` (seeds,): of particles within one standard deviation of η = 0,
    and of all.
    """

    k: int
    derived: float
    quadrature: float
    bulk: Floats
    whole: Floats

    @property
    def deviation(self) -> float:
        """Return that of the mean of `bulk` from `derived`, relative."""
        return float(self.bulk.mean() / self.derived - 1)

    @property
    def surprise(self) -> float:
        """Return how many standard errors the mean of `bulk` lies from `derived`."""
        return abs(float(self.bulk.mean()) - self.derived) / self.standard_error(self.bulk)

    def standard_error(self, factors: Floats) -> float:
        """Return that of the mean of `bulk` or `whole`."""
        return float(factors.std(ddof=1) / np.sqrt(len(factors)))


@dataclass(eq=False)
class GrowthRun(Background):
    """`found` grows by one of `MODES` after the other."""

    settings: GrowthSettings
    found: list[Growth] = field(default_factory=list)
    progress: float = 0.0

    def _work(self) -> None:
        """Begin from the start, also after a stop."""
        chosen = self.settings
        keys = chosen.keys()
        found: list[Growth] = []
        self.found, self.progress = [], 0.0
        for k in MODES:
            bulk, whole = np.empty((2, chosen.n_seeds))
            for seed in range(chosen.n_seeds):
                self._check()
                bulk[seed : seed + 1] = bulk_growth(k, keys, chosen.n_particles, [seed])
                whole[seed : seed + 1] = sampled_growth(k, keys, chosen.n_particles, [seed])
                self.progress = (len(found) + (seed + 1) / chosen.n_seeds) / len(MODES)
            found.append(Growth(k, growth_factor(k, chosen.variance), population_growth(k, keys), bulk, whole))
            self.found = list(found)
        self.complete = True


# Corollary 1 measured in the background: the error of attention over samples, by their number and by dimension.

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
        """Begin from the start, also after a stop."""
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
