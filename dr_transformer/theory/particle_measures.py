"""What is measured of particles from step to step: spread, entropy, log normaliser, hull; and what steps may not do."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial import ConvexHull, KDTree, QhullError
from scipy.spatial.distance import pdist
from scipy.special import digamma, gammaln

from dr_transformer.errors import InputError
from dr_transformer.theory.exponential_family import log_normaliser
from dr_transformer.types import Floats

N_NEIGHBORS = 4  # of the entropy estimate


class Measures(NamedTuple):
    """One point of each curve.

    `trace` of the covariance (1/n); `entropy`, the Kozachenko–Leonenko estimate in nats, −∞ where particles coincide;
    `mean_log_z`, of log Σ_n exp(x·x_n) over the particles; `hull`, the area (in d dimensions, volume) of their convex
    hull, 0 where they lie on a line.
    """

    trace: float
    entropy: float
    mean_log_z: float
    hull: float


def measure(X: Floats) -> Measures:
    """All curves' values of particles X (n, d)."""
    return Measures(trace(X), entropy(X), float(log_normaliser(X, X).mean()), hull_volume(X))


def trace(X: Floats) -> float:
    """Trace of the covariance (1/n): the mean squared distance from the mean."""
    return float(np.square(X - X.mean(axis=0)).sum(axis=1).mean())


def entropy(X: Floats, n_neighbors: int = N_NEIGHBORS) -> float:
    """Differential entropy in nats of the density that X (n, d) are drawn from, by the k-th neighbours' distances ε_i.

    ψ(n) − ψ(k) + log V_d + d/n Σ log ε_i, V_d the unit ball's volume. Kozachenko & Leonenko, 1987, for k > 1 Kraskov
    et al., Phys. Rev. E 69, 066138 (2004). −∞ where more than k particles are at one point: they have no density.
    """
    n, d = X.shape
    if n <= n_neighbors:
        raise InputError(f"the entropy estimate by {n_neighbors} neighbours needs more particles than {n}.")
    distances = KDTree(X).query(X, [n_neighbors + 1])[0][:, 0]
    if distances.min() == 0:
        return -np.inf
    log_ball = d / 2 * np.log(np.pi) - gammaln(d / 2 + 1)
    return float(digamma(n) - digamma(n_neighbors) + log_ball + d * np.log(distances).mean())


def hull_volume(X: Floats) -> float:
    """Area (volume) of the convex hull of X (n, d); 0 where it has none."""
    if X.shape[1] == 1:
        return float(np.ptp(X))
    hull = _hull(X)
    return 0.0 if hull is None else float(hull.volume)


def outside_hull(points: Floats, X: Floats) -> float:
    """By how much the farthest out of `points` (m, d) lies outside the convex hull of X (n, d); ≤ 0: all are inside."""
    if X.shape[1] == 1:
        return float(max(points.max() - X.max(), X.min() - points.min()))
    hull = _hull(X)
    if hull is None:
        raise InputError("the particles lie on a line, so their hull has no inside.")
    return float((points @ hull.equations[:, :-1].T + hull.equations[:, -1]).max())


def least_stretch(before: Floats, after: Floats) -> float:
    """The smallest ratio, over all pairs, of the distance of two particles after a step to that before: (n, d) each."""
    return float((pdist(after) / pdist(before)).min())


def _hull(X: Floats) -> ConvexHull | None:
    try:
        return ConvexHull(X)
    except QhullError:  # all on a line, or too few
        return None
