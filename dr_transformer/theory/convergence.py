"""Does unrolling converge to what the theory says? Principal angles to Laplacian Eigenmaps, block by block.

Subspaces are compared as functions on tokens modulo constants, in the inner product of the pixel graph's degrees, the
one in which Laplacian Eigenmaps' coordinates are orthogonal: the same picture as in `power_iterations`.

What is found: no, it does not converge to Laplacian Eigenmaps. On MNIST, n = 2 000 (class-balanced), 15 neighbours, the
paper's α and η, seeds 0, 1, 2 and 42, the overlap (mean cos² of ten principal angles; k/n = 0.005 by chance) of

    block                                                0     2     4     6     8       16          32        64
    latents with Laplacian Eigenmaps' coordinates       0.52  0.62  0.68  0.71  0.70  0.36…0.64  0.16…0.39  0.17
    maps of A with these coordinates                    0.59  0.33  0.31  0.26  0.23  0.16…0.43  0.16…0.27  0.16

rises over the paper's eight blocks, and is lost beyond. The maps of A are not those of the pixels' graph: some of the
first tell a few tokens, which attend to each other alone, from all others. What unrolling does converge to is the graph
that it infers for itself: the latents' leading directions become A's eigenvectors with λ < ½, three to eight of them,
one less than the clusters, with an overlap (`Convergence.own`) of 1.00 at block 64. Graph diffusion and the exact
gradient step do the same. With the exact regulariser at β = 1 the overlap with Laplacian Eigenmaps falls to 0.16, too.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from dr_transformer.errors import InputError
from dr_transformer.methods.spectrum import Eigenmaps
from dr_transformer.theory.attention_spectrum import AttentionSpectrum
from dr_transformer.theory.objective import singular_values
from dr_transformer.types import Floats


class Convergence(NamedTuple):
    """One block's latents next to Laplacian Eigenmaps. Angles are principal angles in radians, ascending.

    `latents` (k,): between the latents' k leading directions and Laplacian Eigenmaps' k coordinates. `attention` (k,):
    between the maps of A's k smallest λ and these coordinates. `own` (m,): between the latents' m leading directions
    and the maps of A, their own graph, whose λ is below ½; those are m ≤ k. `eigenvalues` (k,): λ of I − A.
    """

    latents: Floats
    attention: Floats
    own: Floats
    eigenvalues: Floats


def subspace(F: npt.NDArray[np.floating], eigenmaps: Eigenmaps) -> Floats:
    """Functions F (n, k) on tokens as vectors to compare: D^½ F, D the graph's degrees, without what is constant.

    Constant on each part of the graph, that is: those are its trivial eigenvectors. Of D^-½ U that gives U back.
    """
    n, degrees = len(F), eigenmaps.degrees
    parts = sparse.csr_array((np.ones(n), (eigenmaps.parts, np.arange(n))))
    means = (parts @ (F * degrees[:, None])) / (parts @ degrees)[:, None]
    return (F - means[eigenmaps.parts]) * np.sqrt(degrees)[:, None]


def leading_directions(X: npt.NDArray[np.floating], eigenmaps: Eigenmaps, n_components: int) -> Floats:
    """The k leading left singular vectors (n, k) of latents X (n, q), seen by `subspace`: where tokens differ most.

    Where the latents have collapsed to fewer than k, the last are rounding. Raises `InputError` for more than they can
    have: rows have mean 0, and constants do not count.
    """
    n, q = X.shape
    if not 1 <= n_components <= min(n - 1, q - 1):
        raise InputError(f"n_components = {n_components} is not possible: choose from 1 to {min(n - 1, q - 1)}.")
    U, _, _ = singular_values(torch.from_numpy(subspace(X.astype(np.float64), eigenmaps)))
    return U[:, :n_components].numpy()


def principal_angles(U: Floats, V: Floats) -> Floats:
    """Principal angles in radians, ascending, (k,), between the spans of orthonormal U (n, k) and V (n, k).

    By their cosines, so right to 1e-8. `scipy.linalg.subspace_angles` is right to more, for decompositions of n rows.
    """
    cosines = np.linalg.svd(U.T @ V, compute_uv=False)
    return np.arccos(cosines.clip(0, 1))


def subspace_overlap(angles: Floats) -> float:
    """Mean cos² of principal angles (k,): the shared part of two subspaces, 1 if equal; k/n for two random ones."""
    return float(np.square(np.cos(angles)).mean())


def compared(X: npt.NDArray[np.floating], spectrum: AttentionSpectrum, eigenmaps: Eigenmaps) -> Convergence:
    """One block's latents X (n, q) and the spectrum of I − A there, k eigenvalues, next to Laplacian Eigenmaps."""
    k, slow = len(spectrum.eigenvalues), spectrum.n_slow
    leading, target = leading_directions(X, eigenmaps, k), eigenmaps.eigenvectors[:, :k]
    # Orthonormal column by column, so that the first m still span what the first m maps do.
    maps = torch.linalg.qr(torch.from_numpy(subspace(spectrum.maps, eigenmaps))).Q.numpy()
    return Convergence(
        principal_angles(leading, target),
        principal_angles(maps, target),
        principal_angles(leading[:, :slow], maps[:, :slow]),
        spectrum.eigenvalues,
    )
