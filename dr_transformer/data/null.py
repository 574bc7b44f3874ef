"""Data without structure, to hold real data against: what a method shows of these is its own doing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from dr_transformer.model.magnitude import exponent
from dr_transformer.model.projection import RandomState, float64_chunks

_CHUNK = 4096


def shuffle_pixels(Y: npt.NDArray[np.generic], random_state: RandomState = 42) -> npt.NDArray[np.generic]:
    """Y (n, d) with the values of each row shuffled, each row by itself; the dtype stays.

    Every image keeps its histogram, so its mean, its norm and its amount of ink; all pixels become alike, and what they
    have to do with each other is gone. Classes that differ in their ink remain a little predictable from it.
    """
    generator = check_random_state(random_state)
    shuffled = np.empty_like(Y)
    for start in range(0, len(Y), _CHUNK):
        chunk = Y[start : start + _CHUNK]
        order = np.argsort(generator.random_sample(chunk.shape), axis=1)
        shuffled[start : start + _CHUNK] = np.take_along_axis(chunk, order, axis=1)
    return shuffled


def gaussian_like(Y: npt.NDArray[np.generic], random_state: RandomState = 42) -> npt.NDArray[np.floating]:
    """Independent Gaussian rows (n, d) with the mean and the sample covariance of the rows of Y (n, d).

    uint8 pixels are scaled to [0, 1] first, and give float32, as the model computes them in; other data keep their
    precision. Values below 0 and above 1 are to be expected. The covariance may be singular, and n less than d: the
    rows stay in the affine span of the data, to rounding.
    """
    generator = check_random_state(random_state)
    pixels = np.concatenate(list(float64_chunks(Y)))
    size = exponent(float(np.abs(pixels).max()))
    pixels = np.ldexp(pixels, -size)  # no square over- or underflows
    mean = pixels.mean(axis=0)
    pixels -= mean
    factor = _root(pixels.T @ pixels) if len(Y) > Y.shape[1] else pixels
    noise = generator.standard_normal((len(Y), len(factor))) @ factor / np.sqrt(max(1, len(Y) - 1)) + mean
    with np.errstate(over="ignore"):  # whoever projects it says so
        noise = np.ldexp(noise, size)
    return noise.astype(np.float64 if Y.dtype.kind != "u" and Y.dtype.itemsize > 4 else np.float32)


def _root(scatter: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """F with FᵀF = scatter (d, d), which may be singular."""
    eigenvalues, vectors = np.linalg.eigh(scatter)
    eigenvalues[eigenvalues <= len(scatter) * np.finfo(np.float64).eps * eigenvalues[-1]] = 0  # rounding, or negative
    return np.sqrt(eigenvalues)[:, None] * vectors.T
