"""PCA of the tokens, exact and without randomness, on CPU or GPU."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from sklearn.decomposition import PCA

from dr_transformer.errors import InputError
from dr_transformer.hardware.devices import has_float64
from dr_transformer.model.magnitude import exponent
from dr_transformer.model.projection import float64_chunks
from dr_transformer.types import Floats


class PCAResult(NamedTuple):
    """`scores` (n, k), and the share of the variance along each of the k axes, (k,)."""

    scores: Floats
    explained_variance_ratio: Floats


class PCAModel(NamedTuple):
    """PCA of n tokens with d values: `scores` (n, k) = (Y − `mean`) `axes`ᵀ, with `mean` (d,) and unit `axes` (k, d).

    `explained_variance_ratio` (k,) is the share of the variance along each axis.
    """

    scores: Floats
    mean: Floats
    axes: Floats
    explained_variance_ratio: Floats


def pca(Y: npt.NDArray[np.generic], n_components: int, device: str = "cpu") -> PCAResult:
    """The principal components of Y (n, d), in float64; uint8 is pixels, / 255. `device` is torch's name of it.

    On a CPU scikit-learn's `PCA`, elsewhere torch, with the same signs: the largest entry of each axis is positive.
    What has no float64 is left to the CPU.
    Raises `InputError` for more components than there can be, NaN, infinity, values too large, and equal tokens only.
    """
    model = fit_pca(Y, n_components, device)
    return PCAResult(model.scores, model.explained_variance_ratio)


def fit_pca(Y: npt.NDArray[np.generic], n_components: int, device: str = "cpu") -> PCAModel:
    """Do as `pca`, with the axes and the mean that new tokens can be projected by."""
    n, d = Y.shape
    if not 1 <= n_components <= min(n, d):
        raise InputError(
            f"n_components = {n_components} is not possible for PCA of {n} tokens of {d} values; "
            f"choose from 1 to {min(n, d)}."
        )
    X = np.concatenate(list(float64_chunks(Y)))
    if not np.isfinite(X).all():
        raise InputError("the data hold NaN or infinity; remove or fill such values first.")
    size = exponent(float(np.abs(X).max()))
    X = np.ldexp(X, -size)  # no square over- or underflows
    if np.ptp(X, axis=0).max() == 0:
        raise InputError("all tokens are equal, so PCA has no direction to find; give tokens that differ.")
    if device != "cpu" and has_float64(device):
        model = fit_torch_pca(torch.from_numpy(X).to(device), n_components)
    else:
        found = PCA(n_components, svd_solver="covariance_eigh" if n >= d else "full", copy=False)
        scores = found.fit_transform(X)
        model = PCAModel(scores, found.mean_, found.components_, found.explained_variance_ratio_)
    with np.errstate(over="ignore"):  # reported here, as a sentence
        scores = np.ldexp(model.scores, size)
    if not np.isfinite(scores).all():
        raise InputError("the data hold values too large for PCA; scale them to about [0, 1].")
    return model._replace(scores=scores, mean=np.ldexp(model.mean, size))


def fit_torch_pca(X: torch.Tensor, n_components: int) -> PCAModel:
    """Do as `fit_pca`, of X (n, d) in float64 on any device."""
    mean = X.mean(dim=0)
    X = X - mean
    if len(X) >= X.shape[1]:
        variances, axes = torch.linalg.eigh(X.T @ X)
        variances, axes = variances.flip(0).clamp(min=0), axes.flip(1)
    else:
        _, singular, rows = torch.linalg.svd(X, full_matrices=False)
        variances, axes = singular.square(), rows.T
    axes = axes[:, :n_components]
    axes = axes * axes.gather(0, axes.abs().argmax(dim=0, keepdim=True)).sign()
    shares = variances[:n_components] / variances.sum()
    return PCAModel(*(part.cpu().numpy() for part in (X @ axes, mean, axes.T.contiguous(), shares)))
