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

import numpy as np

from dr_transformer.errors import InputError
from dr_transformer.model.unroll import LAYER_NORM_EPS
from dr_transformer.theory.exponential_family import attention
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
        """Where attention over `particles` (n, d) takes `points` (m, d), before the contraction: (m, d)."""
        average = attention(points, particles)
        return points + self.step_size * average if self.residual else average

    def contract(self, points: Floats, crowd: Floats) -> Floats:
        """Where the contraction takes `points` (m, d); `crowd` (n, d), whose moments whitening uses, goes with them."""
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
    """By how much one step would move something at each of `points` (m, d) that is no particle itself: (m, d)."""
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
