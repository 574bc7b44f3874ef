"""Laplacian Eigenmaps as it comes about: subspace iteration from given latents towards the eigenvectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse

from dr_transformer.errors import InputError
from dr_transformer.methods.spectrum import Eigenmaps
from dr_transformer.types import Floats

ITERATIONS = (0, *(2**i for i in range(13)))  # 0, 1, 2, 4, … 4096: the eye sees a steady approach
_STRIDE = 8  # steps between orthonormalisations; the columns stay far from parallel meanwhile


class PowerIterations(NamedTuple):
    """`frames` (F, n, k): the coordinates after each of the `iterations` (F,), all turned towards the eigenvectors.

    `angles` (F,), in radians: the largest principal angle between the span of each frame and the eigenvectors'. It says
    how far the frame still is from what Lanczos finds.
    """

    iterations: tuple[int, ...]
    frames: Floats
    angles: Floats


def power_iterations(
    eigenmaps: Eigenmaps,
    start: npt.NDArray[np.floating],
    iterations: Sequence[int] = ITERATIONS,
    close: float = 0.01,
    check: Callable[[], None] | None = None,
) -> PowerIterations:
    """Orthogonal iteration of (I + P)/2 from `start` (n, k), seen after each of the ascending `iterations`.

    The first frame within the angle `close` (radians) of the eigenvectors is the last: no more is to be seen then.

    (I + P)/2, the lazy random walk, rather than P: its eigenvalues (1 + μ)/2 are within 0 … 1 in the order of μ, so
    that the end −1 of the spectrum (a bipartite graph has it) cannot win. The price is about twice as many steps: the
    angle falls as ((1 + μ_{k+1}) / (1 + μ_k))^t, μ descending, without the trivial ones: those are taken out exactly.

    Every frame is the orthonormal basis of its span that lies nearest to the eigenvectors (orthogonal Procrustes), in
    the coordinates of `eigenmaps.embedding`, so frames neither flip nor spin, and converge to it. Frame 0 is an affine
    image of `start`. `check` may raise to stop. Raises `InputError` where `start` does not fit, or has fewer than k
    directions.
    """
    n, k = eigenmaps.eigenvectors.shape
    steps = np.asarray(iterations)
    if not len(steps) or steps[0] < 0 or (np.diff(steps) <= 0).any():
        raise InputError(f"iterations must ascend from 0 or above, but are {list(iterations)}.")
    if start.shape != (n, k):
        raise InputError(
            f"the start must have one row a token and one column a component, {n} × {k}, not {start.shape}."
        )
    trivial = _trivial(eigenmaps)
    lazy = ((sparse.eye_array(n, format="csr") + eigenmaps.P) / 2).tocsr()
    # As P acts on eigenvectors, the start is read as values of D^-½ U: pixels' positions are what is to be smoothed.
    Q = np.where(eigenmaps.shaped[:, None], start, 0) * np.sqrt(eigenmaps.degrees)[:, None]
    Q = _orthonormal(Q, trivial)
    frames, angles, done = [], [], 0
    for target in steps:
        while done < target:
            if check:
                check()
            for _ in range(min(_STRIDE, target - done)):
                Q = lazy @ Q
                done += 1
            Q = _orthonormal(Q, trivial)
        turn, _ = linalg.orthogonal_procrustes(Q, eigenmaps.eigenvectors)
        frames.append(eigenmaps.coordinates(Q @ turn, eigenmaps.degrees))
        angles.append(linalg.subspace_angles(Q, eigenmaps.eigenvectors).max())
        if angles[-1] <= close:
            break
    return PowerIterations(tuple(int(step) for step in steps[: len(frames)]), np.stack(frames), np.array(angles))


def _trivial(eigenmaps: Eigenmaps) -> sparse.csr_array:
    """The eigenvectors of eigenvalue 0, (n, parts): √degree on one part each, normed."""
    roots = np.sqrt(eigenmaps.degrees)
    norms = np.sqrt(np.bincount(eigenmaps.parts, weights=eigenmaps.degrees))
    n = len(roots)
    return sparse.csr_array((roots / norms[eigenmaps.parts], (np.arange(n), eigenmaps.parts)), shape=(n, len(norms)))


def _orthonormal(Q: Floats, trivial: sparse.csr_array) -> Floats:
    """An orthonormal basis (n, k) of what the columns of Q span beside the trivial vectors."""
    size = np.linalg.norm(Q)
    Q = Q - trivial @ (trivial.T @ Q)
    basis, triangle = np.linalg.qr(Q)
    if np.abs(np.diagonal(triangle)).min() <= 1e-12 * size:
        raise InputError(
            f"the start has fewer than {Q.shape[1]} directions in which tokens differ; begin from other latents."
        )
    return basis
