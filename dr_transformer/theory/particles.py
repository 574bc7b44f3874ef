"""Particles that attend to each other: one step of attention, with or without residual, then a contraction.

    x ← x + s ∇log Z(x)     with residual: ascent. log Z is convex, so its gradient is monotone, and no two particles
                            come nearer: the covariance's trace grows. What brings tokens together is what follows.
    x ← ∇log Z(x)           without: every particle becomes a weighted mean of all, so their convex hull shrinks. The
                            trace need not: a Gaussian crowd of variance σ² goes to about σ⁶, more for σ > 1.

Then one of `CONTRACTIONS`. In two dimensions LayerNorm leaves of a particle nothing but the sign of x_1 − x_2: all come
to lie at (1, −1) or (−1, 1). Shim, arXiv 2205.01080, has the picture of expansion against contraction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.spatial import ConvexHull, KDTree, QhullError
from scipy.spatial.distance import pdist
from scipy.special import digamma, gammaln

from dr_transformer.errors import InputError
from dr_transformer.model.unroll import LAYER_NORM_EPS
from dr_transformer.theory.exponential_family import attention, log_normaliser
from dr_transformer.theory.gaussian import whitening
from dr_transformer.types import Floats

STARTS = ("gaussian", "mixture", "ring")
CONTRACTIONS = {
    "none": "none",
    "layer_norm": "LayerNorm",
    "rms_norm": "RMSNorm",
    "whitening": "whitening",
    "ball": "clipping to a ball",
}
_LARGEST = 1e150  # squares of what is larger overflow


def start(
    kind: str,
    n_particles: int = 300,
    *,
    n_dimensions: int = 2,
    spread: float = 0.5,
    radius: float = 2.0,
    n_clusters: int = 3,
    random_state: int = 42,
) -> Floats:
    """Particles (n, d): one of `STARTS`.

    "gaussian": N(0, spread² I). "mixture": `n_clusters` such Gaussians, as many particles each as can be, centred at
    equal angles of a circle of `radius` in the first two dimensions. "ring": evenly on a circle (in d dimensions, a
    sphere) of `radius`, ± spread across it.
    """
    if kind not in STARTS:
        raise InputError(f"the start must be {', '.join(STARTS)}, but is {kind!r}.")
    if n_particles < 1 or n_dimensions < 1 or n_clusters < 1:
        raise InputError("numbers of particles, dimensions and clusters must be at least 1.")
    if not (spread >= 0 and radius >= 0):
        raise InputError(f"spread and radius must be at least 0, but are {spread} and {radius}.")
    generator = np.random.default_rng(random_state)
    normal = generator.standard_normal((n_particles, n_dimensions))
    if kind == "gaussian":
        return spread * normal
    if kind == "ring":
        lengths = radius + spread * generator.standard_normal((n_particles, 1))
        return lengths * normal / np.linalg.norm(normal, axis=1, keepdims=True)
    angles = 2 * np.pi * (np.arange(n_particles) % n_clusters) / n_clusters
    centres = np.zeros_like(normal)
    centres[:, :2] = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)[:, :n_dimensions]
    return centres + spread * normal


@dataclass(frozen=True)
class Update:
    """One step: attention, added `step_size` times to the particle if `residual`, then a contraction.

    "layer_norm": each particle less the mean of its entries, over their standard deviation (ε = 1e-10). "rms_norm":
    over the root mean square. "whitening": the crowd to mean 0 and covariance I, by the symmetric root; directions in
    which it has no extent stay so. "ball": particles beyond `radius` are put on the sphere.
    """

    residual: bool = True
    step_size: float = 1.0
    contraction: str = "none"
    radius: float = 2.0

    def __post_init__(self) -> None:
        if self.contraction not in CONTRACTIONS:
            raise InputError(f"the contraction must be {', '.join(CONTRACTIONS)}, but is {self.contraction!r}.")
        if not (self.step_size > 0 and self.radius > 0 and np.isfinite(self.step_size * self.radius)):
            raise InputError(f"step size and radius must be above 0, but are {self.step_size} and {self.radius}.")

    def attend(self, points: Floats, particles: Floats) -> Floats:
        """Return where attention over `particles` (n, d) takes `points` (m, d), before the contraction: (m, d)."""
        average = attention(points, particles)
        return points + self.step_size * average if self.residual else average

    def contract(self, points: Floats, crowd: Floats) -> Floats:
        """Return where the contraction takes `points` (m, d); `crowd` (n, d), whose moments whitening uses,
        goes with them.
        """
        if self.contraction == "layer_norm":
            if points.shape[1] < 2:
                raise InputError("LayerNorm needs at least two dimensions: with one, every particle becomes 0.")
            centred = points - points.mean(axis=1, keepdims=True)
            return centred / np.sqrt(centred.var(axis=1, keepdims=True) + LAYER_NORM_EPS)
        if self.contraction == "rms_norm":
            return points / np.sqrt(np.square(points).mean(axis=1, keepdims=True) + LAYER_NORM_EPS)
        if self.contraction == "whitening":
            mean, root = whitening(crowd)
            return (points - mean) @ root
        if self.contraction == "ball":
            lengths = np.linalg.norm(points, axis=1, keepdims=True)
            return points * np.minimum(1, self.radius / np.maximum(lengths, self.radius / 2))
        return points

    def __call__(self, particles: Floats) -> Floats:
        """The particles (n, d) after one step."""
        moved = self.attend(particles, particles)
        return self.contract(moved, moved)


def field(points: Floats, particles: Floats, update: Update) -> Floats:
    """Return by how much one step would move something at each of `points` (m, d) that is no particle itself: (m,
    d).
    """
    crowd = update.attend(particles, particles)
    return update.contract(update.attend(points, particles), crowd) - points


def grid(particles: Floats, n_per_side: int = 20, margin: float = 0.15) -> Floats:
    """Points (n_per_side², 2), row by row, of a square around the particles (n, 2), for a quiver plot of `field`."""
    low, high = particles.min(axis=0), particles.max(axis=0)
    half = max(float((high - low).max()) / 2, 1e-3) * (1 + margin)
    x, y = ((low + high) / 2)[:, None] + np.linspace(-half, half, n_per_side)
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def evolve(particles: Floats, n_steps: int, update: Update) -> Iterator[Floats]:
    """The particles (n, d) after each of `n_steps` steps. Stop iterating to cancel.

    Raises `InputError` once they are too far out for numbers to tell: without contraction, each step about doubles
    the longest.
    """
    particles = np.asarray(particles, np.float64)
    for step in range(1, n_steps + 1):
        particles = update(particles)
        if not np.abs(particles).max() < _LARGEST:
            raise InputError(f"after step {step} the particles are too far out; use fewer steps or a contraction.")
        yield particles


# What is measured of particles from step to step: spread, entropy, log normaliser, hull; and what steps may not do.

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
    """Return all curves' values of particles X (n, d)."""
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
    """Return by how much the farthest out of `points` (m, d) lies outside the convex hull of X (n, d); ≤ 0: all
    are inside.
    """
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
