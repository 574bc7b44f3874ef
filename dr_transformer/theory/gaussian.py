"""Gaussians and moments: draws, symmetric roots, and the maps that give a sample another mean and covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dr_transformer.errors import InputError
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
