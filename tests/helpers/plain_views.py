"""The views the plain way: all frames at once, from the principal axes, against which the projector is held."""

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.linalg import orthogonal_procrustes

from dr_transformer.model.planes import principal_axes


def axes_view(latents: Iterable[np.ndarray], first: int = 0, second: int = 1) -> np.ndarray:
    """Two latent axes as they are: (F, n, 2) from F arrays (n, q)."""
    return np.stack([X[:, [first, second]] for X in latents])


def own_plane(X: np.ndarray) -> np.ndarray:
    """The two leading principal components of X (n, q), signed as by `principal_axes`: (n, 2)."""
    return (X - X.mean(axis=0)) @ principal_axes(X)


def pca_view(latents: Iterable[np.ndarray]) -> np.ndarray:
    """Of each frame its own plane, every component signed to point as in the frame before."""
    frames: list[np.ndarray] = []
    for frame in map(own_plane, latents):
        flips = (frames[-1] * frame).sum(axis=0) < 0 if frames else False
        frames.append(np.where(flips, -frame, frame))
    return np.stack(frames)


def fixed_pca_view(latents: Sequence[np.ndarray], block: int) -> np.ndarray:
    """All frames in the plane of frame `block`, about that frame's mean."""
    fixed = latents[min(block, len(latents) - 1)]
    return np.stack([(X - fixed.mean(axis=0)) @ principal_axes(fixed) for X in latents])


def aligned_pca_view(latents: Iterable[np.ndarray]) -> np.ndarray:
    """Of each frame its own plane, turned or mirrored to lie best on the frame before."""
    frames: list[np.ndarray] = []
    for frame in map(own_plane, latents):
        frames.append(frame @ orthogonal_procrustes(frame, frames[-1])[0] if frames else frame)
    return np.stack(frames)
