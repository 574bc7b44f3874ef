"""Particles step by step, for people who watch: frames, curves, and what steps may not do, checked on these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull, QhullError
from scipy.special import softmax

from dr_transformer.theory.gaussian import moments
from dr_transformer.theory.particles import CONTRACTIONS, Measures, Update, evolve, least_stretch, measure, outside_hull
from dr_transformer.types import Floats

CURVES = {
    "trace": "Trace of covariance, log₁₀",
    "entropy": "Entropy estimate, nats",
    "mean_log_z": "Mean log Z",
    "hull": "Area of hull, log₁₀",
}
_LOGARITHMIC = ("trace", "hull")  # they grow or shrink by factors
_SPATIAL = ("trace", "entropy", "hull")  # of particles that rounding alone tells apart, these mean nothing
_ROUNDING = 64 * np.finfo(np.float64).eps


@dataclass(frozen=True, eq=False)
class Trajectory:
    """`steps` (t + 1, n, 2): the particles at the start and after each step; `measures` (t + 1) of each.

    `frames` (F, n, 2) at `depths` (F,), called `names`, also has the particles half-way, after attention and before the
    contraction, where there is one. `lost_at` is the first step after which all particles are at one point, to
    rounding.
    """

    update: Update
    steps: Floats
    frames: Floats
    depths: tuple[float, ...]
    names: tuple[str, ...]
    measures: tuple[Measures, ...]
    lost_at: int | None

    @property
    def n_steps(self) -> int:
        """Return how many steps were taken."""
        return len(self.steps) - 1

    def curves(self) -> dict[str, list[float | None]]:
        """The `CURVES`, one value at the start and after each step; None where it is not finite, or rounding."""
        return {title: [self._value(name, t) for t in range(len(self.steps))] for name, title in CURVES.items()}

    def _value(self, name: str, t: int) -> float | None:
        value = getattr(self.measures[t], name)
        if name in _SPATIAL and self.lost_at is not None and t >= self.lost_at:
            return None
        if name in _LOGARITHMIC:
            value = np.log10(value) if value > 0 else np.nan
        return float(value) if np.isfinite(value) else None

    @cached_property
    def stretch(self) -> float:
        """The smallest ratio, over all pairs and steps, of two particles' distance after a step to that before.

        At least 1 with residual and without contraction: log Z is convex, so its gradient is monotone. NaN if particles
        are at one place.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            return min((least_stretch(before, after) for before, after in self._resolved()), default=np.nan)

    @cached_property
    def outside(self) -> float | None:
        """Return how far the farthest particle came, in any step, beyond the convex hull of the particles
        before that step.

        At most 0, to rounding, without residual and contraction: attention is a weighted mean. None without a hull.
        """
        pairs = [(before, after) for before, after in self._resolved() if hull_corners(before) is not None]
        return max((outside_hull(after, before) for before, after in pairs), default=None)

    def _resolved(self) -> list[tuple[Floats, Floats]]:
        """Before and after of each step, as long as the particles are not at one point."""
        return list(pairwise(self.steps[: self.lost_at]))

    def attended(self, index: int, k: int) -> tuple[npt.NDArray[np.intp], Floats]:
        """The `k` particles that particle `index` attends to most in the step after each of `steps`, and how much.

        Two arrays (t + 1, k), most first. The weights are softmax(x·x_n), the particle itself included.
        """
        weights = np.stack([softmax(X @ X[index]) for X in self.steps])
        top = np.argsort(-weights, axis=1, kind="stable")[:, :k]
        return top, np.take_along_axis(weights, top, axis=1)


def trajectory(particles: Floats, update: Update, n_steps: int) -> Trajectory:
    """Take `n_steps` steps from `particles` (n, 2), and measure. Raises `InputError` as `evolve` does."""
    steps: list[Floats] = [np.asarray(particles, np.float64)]
    steps += evolve(steps[0], n_steps, update)
    frames, depths, names = [steps[0]], [0.0], ["the start"]
    for t, (before, after) in enumerate(pairwise(steps), 1):
        if update.contraction != "none":
            frames.append(update.attend(before, before))
            depths.append(t - 0.5)
            names.append(f"step {t}, attention")
        frames.append(after)
        depths.append(float(t))
        names.append(f"step {t}" if update.contraction == "none" else f"step {t}, {CONTRACTIONS[update.contraction]}")
    measures = tuple(measure(X) for X in steps)
    return Trajectory(update, np.stack(steps), np.stack(frames), tuple(depths), tuple(names), measures, _lost_at(steps))


def contraction_error(X: Floats, update: Update) -> float:
    """Return by how much particles X (n, 2), after a step, miss what the contraction promises; 0 with "none".

    "layer_norm": distance to the nearer of (1, −1) and (−1, 1). "rms_norm": of the length from √2. "whitening": of an
    entry of the covariance from that of I. "ball": by which a length exceeds the radius. The largest of all.
    """
    lengths = np.linalg.norm(X, axis=1)
    if update.contraction == "layer_norm":
        return float(np.minimum(np.linalg.norm(X - [1, -1], axis=1), np.linalg.norm(X - [-1, 1], axis=1)).max())
    if update.contraction == "rms_norm":
        return float(np.abs(lengths - np.sqrt(2)).max())
    if update.contraction == "whitening":
        return float(np.abs(moments(X)[1] - np.eye(X.shape[1])).max())
    return max(0.0, float(lengths.max() - update.radius)) if update.contraction == "ball" else 0.0


def hull_corners(X: Floats) -> Floats | None:
    """The corners (c, 2) of the convex hull of X (n, 2), in order around it; None where it has no area."""
    try:
        return X[ConvexHull(X).vertices]
    except QhullError:  # all on a line, or too few
        return None


def _lost_at(steps: Sequence[Floats]) -> int | None:
    """The first step after which the particles differ by no more than the rounding of what they were computed from."""
    for t, (before, after) in enumerate(pairwise(steps), 1):
        if np.ptp(after, axis=0).max() <= _ROUNDING * np.abs(before).max():
            return t
    return None
