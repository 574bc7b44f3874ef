"""Gaussians and moments: draws, symmetric roots, and the maps that give a sample another mean and covariance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dr_transformer.errors import InputError
from dr_transformer.theory.exponential_family import attention, effective_sample_size
from dr_transformer.types import Floats


@dataclass(frozen=True, eq=False)
class Gaussian:
    """N(`mean` (d,), `covariance` (d, d)). Raises `InputError` unless the covariance is symmetric positive definite."""

    mean: Floats
    covariance: Floats

    def __post_init__(self) -> None:
        mean = np.atleast_1d(np.asarray(self.mean, np.float64))
        covariance = np.atleast_2d(np.asarray(self.covariance, np.float64))
        d = len(mean)
        if mean.ndim != 1 or covariance.shape != (d, d) or not np.allclose(covariance, covariance.T):
            raise InputError(f"a Gaussian of {d} dimensions needs a symmetric {d} × {d} covariance matrix.")
        finite = np.isfinite(mean).all() and np.isfinite(covariance).all()
        eigenvalues = np.linalg.eigvalsh(covariance) if finite else np.zeros(1)
        if not eigenvalues[0] > d * np.finfo(np.float64).eps * eigenvalues[-1]:
            raise InputError("the covariance must be positive definite: every direction needs a variance above 0.")
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "covariance", covariance)

    @classmethod
    def isotropic(cls, variance: float, mean: float = 0.0, n_dimensions: int = 2) -> Gaussian:
        """Equal variance in every direction, and `mean` along each axis."""
        return cls(np.full(n_dimensions, float(mean)), variance * np.eye(n_dimensions))

    @property
    def n_dimensions(self) -> int:
        """The d of N(mean, covariance)."""
        return len(self.mean)

    def draw(self, n: int, generator: np.random.Generator) -> Floats:
        """Independent points (n, d)."""
        return self.mean + generator.standard_normal((n, self.n_dimensions)) @ symmetric_power(self.covariance, 0.5)

    def whiten(self, X: Floats) -> Floats:
        """X (n, d) in units of this Gaussian: covariance^−½ (x − mean), which is N(0, I) if X is drawn from it."""
        return (X - self.mean) @ symmetric_power(self.covariance, -0.5)


def symmetric_power(matrix: Floats, exponent: float, least: float = 0.0) -> Floats:
    """A symmetric positive definite `matrix` (d, d) to a power.

    Directions without variance, to rounding or up to `least`, stay without: a negative power is the pseudo-inverse's.
    """
    eigenvalues, vectors = np.linalg.eigh(matrix)
    kept = eigenvalues > max(len(matrix) * np.finfo(np.float64).eps * eigenvalues[-1], least)
    powers = np.zeros_like(eigenvalues)
    powers[kept] = eigenvalues[kept] ** exponent
    return (vectors * powers) @ vectors.T


def moments(X: Floats) -> tuple[Floats, Floats]:
    """Mean (d,) and covariance (d, d), with 1/n, of points X (n, d)."""
    mean = X.mean(axis=0)
    centred = X - mean
    return mean, centred.T @ centred / len(X)


def whitening(X: Floats) -> tuple[Floats, Floats]:
    """Mean (d,) and S^−½ (d, d) of points X (n, d): what `standardise` uses, to be used on other points."""
    mean, S = moments(X)
    rounding = 4 * np.finfo(np.float64).eps * float(np.abs(X).max())  # of equal points, computed on different ways
    return mean, symmetric_power(S, -0.5, least=rounding**2)


def standardise(X: Floats) -> Floats:
    """X (n, d) with mean 0 and covariance I (1/n): ZCA whitening. Directions without variance are left at 0."""
    mean, root = whitening(X)
    return (X - mean) @ root


def match_moments(X: Floats, target: Gaussian) -> Floats:
    """X (n, d) with its mean and covariance (1/n) made those of `target`: the affine map C^½ S^−½ (x − x̄) + mean.

    Both roots are symmetric. Cholesky factors would restore the moments too, but turn the points on the way.
    """
    return target.mean + standardise(X) @ symmetric_power(target.covariance, 0.5)


# Attention over samples of a Gaussian: Shim's Corollary 1 and how fast it becomes true.
#
# Over keys x_1 … x_N from N(μ, Σ), attention at a query η tends to the gradient of the log moment generating
# function,
#
# ∇ log E exp(η·x) = μ + Ση
#
# It is a self-normalised importance average, so with the tilt s² = ηᵀΣη its error has, for large N, the covariance
# e^(s²)/N (Σ + Σηηᵀ Σ): the delta method, with E w²/(E w)² = e^(s²) for w = exp(η·x), under whose square x is N(μ +
# 2Ση, Σ). So N e^(−s²) of the samples count. That holds while this number is large. Where it is not, the key farthest
# along η takes nearly all the weight, the error falls far more slowly than N^(−½) (for s well above √(2 log N), as s
# − √(2 log N)), and Kish's 1/Σp² of the weights seen is no warning: it misses the samples that are not there.

N_SAMPLES = (100, 300, 1000, 3000, 10_000, 30_000)


def limit(keys: Gaussian, query: Floats) -> Floats:
    """Return what attention at `query` (d,) over ever more samples of `keys` tends to: μ + Ση, (d,)."""
    return keys.mean + keys.covariance @ query


def tilt(keys: Gaussian, query: Floats) -> float:
    """s² = ηᵀΣη: by how many standard deviations, squared, the attention at `query` moves the mean of `keys`."""
    return float(query @ keys.covariance @ query)


def expected_error(keys: Gaussian, query: Floats, n_samples: int) -> float:
    """Root mean square of |attention − (μ + Ση)| for large N e^(−s²): √(e^(s²) (tr Σ + |Ση|²) / N)."""
    spread = np.trace(keys.covariance) + np.square(keys.covariance @ query).sum()
    with np.errstate(over="ignore"):  # so far out, no number of samples helps
        return float(np.sqrt(spread / n_samples) * np.exp(tilt(keys, query) / 2))


@dataclass(frozen=True, eq=False)
class Convergence:
    """Errors |attention − (μ + Ση)|, `errors` (g, r), of r independent draws of each of `n_samples` (g,) keys.

    `expected` (g,) is `expected_error`; `kish` (g,) the mean effective sample size that the weights show. `tilt` is s².
    """

    n_samples: Floats
    tilt: float
    n_dimensions: int
    errors: Floats
    expected: Floats
    kish: Floats

    @property
    def mean(self) -> Floats:
        """Mean error, (g,)."""
        return self.errors.mean(axis=1)

    @property
    def sd(self) -> Floats:
        """Sample standard deviation of the error over draws, (g,)."""
        return self.errors.std(axis=1, ddof=1)

    @property
    def rms(self) -> Floats:
        """Root mean square error, (g,): what `expected` predicts."""
        return np.sqrt(np.square(self.errors).mean(axis=1))

    @property
    def effective(self) -> Floats:
        """N e^(−s²), (g,): how many samples count, as long as this is large."""
        return self.n_samples * np.exp(-self.tilt)

    @property
    def slope(self) -> float:
        """Fitted slope of log rms error over log N; −½ is Monte Carlo's."""
        return float(np.polyfit(np.log(self.n_samples), np.log(self.rms), 1)[0])

    @property
    def slopes(self) -> Floats:
        """The slope of each draw by itself, (r,): their s.d. over √r is about the uncertainty of `slope`."""
        return np.polyfit(np.log(self.n_samples), np.log(self.errors), 1)[0]


def convergence(
    keys: Gaussian,
    query: Floats,
    n_samples: Sequence[int] = N_SAMPLES,
    *,
    n_repeats: int = 20,
    random_state: int = 42,
    check: Callable[[], None] | None = None,
) -> Convergence:
    """Measure Corollary 1 at `query` (d,), with `n_repeats` draws for each number of samples.

    `check` is called before each draw and may raise to cancel. Raises `InputError` for a query of another dimension,
    and for fewer than two different numbers of samples or draws.
    """
    query = np.atleast_1d(np.asarray(query, np.float64))
    if query.shape != keys.mean.shape:
        raise InputError(f"the query must have the {keys.n_dimensions} dimensions of the keys, but has {query.size}.")
    if len(set(n_samples)) < 2 or min(n_samples) < 1 or n_repeats < 2:
        raise InputError("a slope needs at least two numbers of samples and two draws of each.")
    target = limit(keys, query)
    errors, kish = np.empty((2, len(n_samples), n_repeats))
    for i, n in enumerate(n_samples):
        for repeat in range(n_repeats):
            if check:
                check()
            X = keys.draw(n, np.random.default_rng([random_state, n, repeat]))
            errors[i, repeat] = np.linalg.norm(attention(query[None], X)[0] - target)
            kish[i, repeat] = effective_sample_size(query, X)
    expected = np.array([expected_error(keys, query, n) for n in n_samples])
    sizes = np.asarray(n_samples, np.float64)
    return Convergence(sizes, tilt(keys, query), keys.n_dimensions, errors, expected, kish.mean(axis=1))
