"""Energy distance: whether particles are still distributed as they should be, and what chance alone would give.

    E(P, Q) = 2 E|x − y| − E|x − x'| − E|y − y'|  ≥ 0,  and 0 for equal distributions alone

Székely & Rizzo, "Energy statistics: a class of statistics based on distances", J. Statist. Plann. Inference 143, 2013;
against a Gaussian in closed form: the same, "A new test for multivariate normality", J. Multivariate Anal. 93, 2005.
`scipy.stats.energy_distance` is the square root of this, in one dimension.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.spatial.distance import cdist, pdist
from scipy.special import gammaln, hyp1f1

from dr_transformer.theory.gaussian import standardise
from dr_transformer.types import Floats

_BLOCK_BYTES = 8 * 2**20


def energy_to_normal(Z: Floats) -> float:
    """Measure the energy distance of the sample Z (n, d) from N(0, I).

    It is 2 mean E|z − ζ| − E|ζ − ζ'| − mean |z − z'|, ζ being normal.

    E|z − ζ| = √2 Γ((d+1)/2)/Γ(d/2) ₁F₁(−½; d/2; −|z|²/2), and E|ζ − ζ'| is √2 times its value at 0. No second sample
    adds its own noise, so this sees more than the distance to one.
    """
    d = Z.shape[1]
    length = np.sqrt(2) * np.exp(gammaln((d + 1) / 2) - gammaln(d / 2))  # E|ζ|
    to_normal = length * hyp1f1(-0.5, d / 2, -np.square(Z).sum(axis=1) / 2)
    return float(2 * to_normal.mean() - np.sqrt(2) * length - _mean_within(Z))


def null_energies(
    n: int,
    n_dimensions: int,
    *,
    fitted: bool,
    n_draws: int = 99,
    random_state: int = 42,
    check: Callable[[], None] | None = None,
) -> Floats:
    """`energy_to_normal` of `n_draws` samples that do come from N(0, I), ascending: the null band is their quantiles.

    With `fitted` each draw is given mean 0 and covariance I exactly, as particles have that were renormalised by their
    own moments: they are then far nearer to the Gaussian than an honest draw is, and the plain band would miss much.
    """
    energies = np.empty(n_draws)
    for i in range(n_draws):
        if check:
            check()
        Z = np.random.default_rng([random_state, n, n_dimensions, i]).standard_normal((n, n_dimensions))
        energies[i] = energy_to_normal(standardise(Z) if fitted else Z)
    return np.sort(energies)


def _mean_within(X: Floats) -> float:
    """Mean distance over all ordered pairs, equal ones included."""
    n, d = X.shape
    if d == 1:  # each gap between neighbours in order lies between i and n − i of the points
        order = np.sort(X[:, 0])
        return float(2 * np.dot(2 * np.arange(n) - n + 1, order) / n**2)
    total = sum(float(pdist(X[rows]).sum() + cdist(X[rows], X[rows.stop :]).sum()) for rows in _blocks(n, n))
    return 2 * total / n**2


def _blocks(n: int, m: int) -> list[slice]:
    size = max(1, _BLOCK_BYTES // (8 * m))
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]
