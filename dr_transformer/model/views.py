"""Two-dimensional views of a trajectory: which plane of the latent space a picture shows.

A latent space has no preferred axes (everything depends on inner products), so a view is a choice, and is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.linalg import orthogonal_procrustes

from dr_transformer.types import Floats


def axes_view(latents: Iterable[Floats], first: int = 0, second: int = 1) -> Floats:
    """Two latent axes as they are: (F, n, 2) from F arrays (n, q). Axes 0 and 1 are the paper's picture."""
    return np.stack([X[:, [first, second]] for X in latents])


def pca_view(latents: Iterable[Floats]) -> Floats:
    """Of each frame its own two leading principal components: the plane that shows most of it, frame by frame.

    A component may point either way. The first frame's are signed as by `principal_axes`, those of the others so that
    they point as in the frame before (`turned_to`): a sign that flipped would look like a collapse between two frames.
    """
    frames: list[Floats] = []
    for X in latents:
        frame = own_plane(X)
        frames.append(turned_to(frames[-1], frame) if frames else frame)
    return np.stack(frames)


def fixed_pca_view(latents: Sequence[Floats], block: int) -> Floats:
    """All frames in the plane of the two leading principal axes of frame `block`, about that frame's mean."""
    mean, axes = plane_of(latents[min(block, len(latents) - 1)])
    return np.stack([(Z - mean) @ axes for Z in latents])


def aligned_pca_view(latents: Iterable[Floats]) -> Floats:
    """`own_plane` of each frame, turned or mirrored (orthogonal Procrustes) to lie best on the one before it.

    Shapes stay as they are; only the turning that principal axes do between frames is taken out.
    """
    frames: list[Floats] = []
    for X in latents:
        frame = own_plane(X)
        frames.append(laid_along(frames[-1], frame) if frames else frame)
    return np.stack(frames)


def plane_of(X: Floats) -> tuple[Floats, Floats]:
    """Mean (q,) and leading principal axes (q, 2) of X (n, q)."""
    return X.mean(axis=0), principal_axes(X)


def own_plane(X: Floats) -> Floats:
    """The two leading principal components of X (n, q), signed as by `principal_axes`: (n, 2)."""
    mean, axes = plane_of(X)
    return (X - mean) @ axes


def signs_towards(before: Floats, frame: Floats) -> Floats:
    """For each column of `frame` (n, 2) the sign, 1 or −1, with which it points as that of the frame before."""
    return np.where(np.einsum("ij,ij->j", before, frame) < 0, -1.0, 1.0)


def turned_to(before: Floats, frame: Floats) -> Floats:
    """`frame` (n, 2) with `signs_towards` the frame before."""
    return frame * signs_towards(before, frame)


def laid_along(before: Floats, frame: Floats) -> Floats:
    """`frame` (n, 2), turned or mirrored to lie best on the frame before."""
    rotation, _ = orthogonal_procrustes(frame, before)
    return frame @ rotation


def laid_on(frames: Floats, target: Floats) -> Floats:
    """All `frames` (F, n, 2) by one similarity: the one that lays the last of them best on `target` (n, 2).

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
    """One frame X (n, q) in three dimensions (n, 3): its leading principal components, or two axes and the next one.

    With q = 2 the third coordinate is 0.
    """
    if principal:
        points = (X - X.mean(axis=0)) @ principal_axes(X, min(3, X.shape[1]))
    else:
        third = third_axis(X.shape[1], first, second)
        points = X[:, [first, second, *([] if third is None else [third])]]
    return np.pad(points, ((0, 0), (0, 3 - points.shape[1])))


def third_axis(n_components: int, first: int, second: int) -> int | None:
    """The first latent axis that is neither of two; None if there is none."""
    return next((axis for axis in range(n_components) if axis not in (first, second)), None)


def principal_axes(X: Floats, n_components: int = 2) -> Floats:
    """The leading principal axes of X (n, q) as columns (q, n_components), the largest entry of each positive.

    From the q × q covariance in float64: exact, without randomness, and independent of n in memory.
    """
    centred = X.astype(np.float64) - X.mean(axis=0, dtype=np.float64)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, ::-1][:, :n_components]
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(n_components)])
    return axes * signs


def explained_variance(X: Floats) -> float:
    """Share of the variance of X (n, q) in its two leading principal components, 0 … 1."""
    eigenvalues = np.linalg.eigvalsh(np.cov(X.astype(np.float64).T))
    return float(eigenvalues[-2:].sum() / eigenvalues.sum())
