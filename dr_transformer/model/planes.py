"""The planes of the latent space that pictures show: from latents (n, q) to what is drawn (n, 2), in one way.

A latent space has no preferred axes (everything depends on inner products), so a view is a choice, and is named. A
token that had no part in choosing a plane can be drawn in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from scipy.linalg import orthogonal_procrustes

from dr_transformer.config import Config, ViewConfig
from dr_transformer.types import Floats

Plane = Callable[[Floats], Floats]
"""From tokens (n, q) to their places in the plane, (n, 2)."""


class Projector:
    """Frames (n, q), one after the other and in order, as planes (n, 2), so that they need not all be held at once.

    - "axes": two latent axes as they are; 0 and 1 are the paper's picture. One that there is not is the last one.
    - "fixed-pca": the plane of the two leading principal axes of the frame `fixed` (n, q), about its mean.
    - "pca": each frame's own such plane. A component may point either way: the first frame's are signed as by
      `principal_axes`, those of the others so that they point as in the frame before, for a sign that flipped would
      look like a collapse between two frames.
    - "aligned-pca": the same, turned or mirrored (orthogonal Procrustes) to lie best on the frame before. Shapes stay
      as they are; only the turning that principal axes do between frames is taken out.

    `before` (n, 2) is what was drawn last, for one who goes on where another ended. `plane` is that of the last frame.
    """

    plane: Plane

    def __init__(self, view: ViewConfig, fixed: Floats, before: Floats | None = None) -> None:
        last = fixed.shape[1] - 1
        axes = [min(view.first_axis, last), min(view.second_axis, last)]
        self.before = before
        self._turn = aligning if view.view == "aligned-pca" else signing
        self._fixed: Plane | None = None
        if view.view == "axes":
            self._fixed = lambda X: X[:, axes]
        elif view.view == "fixed-pca":
            self._fixed = principal_plane(fixed)

    def __call__(self, X: Floats) -> Floats:
        """Draw the next frame."""
        self.plane = self._fixed or principal_plane(X)
        drawn = self.plane(X)
        if self._fixed is None and self.before is not None:
            own, turn = self.plane, self._turn(drawn, self.before)
            self.plane = lambda Z: own(Z) @ turn
            drawn = drawn @ turn
        self.before = drawn
        return drawn


def in_view(frames: Sequence[Floats], view: ViewConfig, fixed: int = 0) -> Floats:
    """Draw frames (n, q) in order, (F, n, 2); `fixed` is the one whose axes the view "fixed-pca" takes."""
    draw = Projector(view, frames[min(fixed, len(frames) - 1)])
    return np.stack([draw(X) for X in frames])


def blocks_needed(shown: Iterable[int], config: Config, view: ViewConfig) -> set[int]:
    """Return the blocks whose latents must be kept to draw the blocks `shown` in this view."""
    chosen = set(shown)
    if view.view in ("pca", "aligned-pca"):  # each is signed, or laid, as the one before it
        return set(range(max(chosen) + 1))
    return chosen | ({min(view.view_block, config.n_blocks)} if view.view == "fixed-pca" else set())


def blocks_in_view(latents: Mapping[int, Floats], view: ViewConfig, n_blocks: int) -> dict[int, Floats]:
    """Draw latents (n, q) by block, those that `blocks_needed` names, as planes (n, 2)."""
    blocks = sorted(latents)
    fixed = blocks.index(min(view.view_block, n_blocks)) if view.view == "fixed-pca" else 0
    return dict(zip(blocks, in_view([latents[block] for block in blocks], view, fixed), strict=True))


def axis_names(view: ViewConfig, q: int) -> tuple[str, str]:
    """Name the two coordinates of a picture."""
    if view.view == "axes":
        return f"latent axis {min(view.first_axis, q - 1)}", f"latent axis {min(view.second_axis, q - 1)}"
    return "principal component 1", "principal component 2"


def principal_plane(X: Floats) -> Plane:
    """Find the plane of the two leading principal axes of X (n, q), about its mean."""
    mean, axes = X.mean(axis=0), principal_axes(X)
    return lambda Z: (Z - mean) @ axes


def principal_axes(X: Floats, n_components: int = 2) -> Floats:
    """Find the leading principal axes of X (n, q), columns (q, n_components), the largest entry of each positive.

    From the q × q covariance in float64: exact, without randomness, and independent of n in memory.
    """
    centred = X.astype(np.float64) - X.mean(axis=0, dtype=np.float64)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, ::-1][:, :n_components]
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(n_components)])
    return axes * signs


def signing(frame: Floats, before: Floats) -> Floats:
    """Find the (2, 2) that makes each column of `frame` (n, 2) point as that of `before`, if that tells anything."""
    return np.diag(np.where(np.einsum("ij,ij->j", before, frame) < 0, -1.0, 1.0))


def aligning(frame: Floats, before: Floats) -> Floats:
    """Find the (2, 2) that turns or mirrors `frame` (n, 2) to lie best on `before`."""
    rotation, _ = orthogonal_procrustes(frame, before)
    return rotation


def laid_on(frames: Floats, target: Floats) -> Floats:
    """Lay all `frames` (F, n, 2) by one similarity: the one that lays the last of them best on `target` (n, 2).

    Procrustes: shifted, turned or mirrored, and scaled by one factor, in the least squares. Distances keep ratios.
    A frame whose points all coincide is only shifted.
    """
    last, centre = frames[-1], target.mean(axis=0)
    mean = last.mean(axis=0)
    rotation, overlap = orthogonal_procrustes(last - mean, target - centre)
    size = float(np.square(last - mean).sum())
    scale = overlap / size if size > 0 else 1.0
    return (frames - mean) @ rotation * scale + centre


def three_dimensions(X: Floats, first: int = 0, second: int = 1, *, principal: bool) -> Floats:
    """Draw one frame X (n, q) in three dimensions (n, 3): its principal components, or two axes and the next one.

    With q = 2 the third coordinate is 0.
    """
    if principal:
        points = (X - X.mean(axis=0)) @ principal_axes(X, min(3, X.shape[1]))
    else:
        third = third_axis(X.shape[1], first, second)
        points = X[:, [first, second, *([] if third is None else [third])]]
    return np.pad(points, ((0, 0), (0, 3 - points.shape[1])))


def third_axis(n_components: int, first: int, second: int) -> int | None:
    """Return the first latent axis that is neither of two; None if there is none."""
    return next((axis for axis in range(n_components) if axis not in (first, second)), None)


def explained_variance(X: Floats) -> float:
    """Measure the share of the variance of X (n, q) in its two leading principal components, 0 … 1."""
    eigenvalues = np.linalg.eigvalsh(np.cov(X.astype(np.float64).T))
    return float(eigenvalues[-2:].sum() / eigenvalues.sum())
