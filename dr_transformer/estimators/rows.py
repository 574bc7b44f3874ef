"""Rows as the estimators take them: checked by scikit-learn, and in the unit of the data they were fitted to."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from dr_transformer.model.projection import float64_chunks

_ACCEPTED = [np.float64, np.float32, np.uint8]  # anything else is converted to float64
_PIXEL = 255.0  # what a uint8 pixel is divided by


def fitted_rows(estimator: BaseEstimator, X: npt.ArrayLike, min_samples: int = 2) -> npt.NDArray[Any]:
    """The rows (n, d) to fit, float64, float32, or uint8 pixels; which of these is remembered."""
    rows = _checked(estimator, X, ensure_min_samples=min_samples)
    estimator._unit = _PIXEL if rows.dtype == np.uint8 else 1.0
    return rows


def new_rows(estimator: BaseEstimator, X: npt.ArrayLike) -> npt.NDArray[Any]:
    """New rows (m, d), equal to fitted ones where the numbers are the same, whatever the dtype of either.

    So after a fit of uint8 pixels, numbers of another dtype are from 0 to 255 too, and after a fit of other numbers
    uint8 is not divided by 255.
    """
    rows = _checked(estimator, X, reset=False)
    if (rows.dtype == np.uint8) == (estimator._unit == _PIXEL):
        return rows
    return rows.astype(np.float64) / estimator._unit


def row_digests(rows: npt.NDArray[np.generic]) -> list[bytes]:
    """A digest of each row (d,) as float64: a float32 copy of a row is the same, and the rows need not be kept."""
    return [
        hashlib.blake2b((row + 0.0).tobytes(), digest_size=16).digest()  # + 0.0 turns −0 into 0
        for chunk in float64_chunks(rows)
        for row in chunk
    ]


def twins(fitted: list[bytes], rows: list[bytes]) -> npt.NDArray[np.intp]:
    """For each digest of `rows` the place of its first equal among the `fitted`, or −1."""
    first = {digest: i for i, digest in reversed(list(enumerate(fitted)))}
    return np.array([first.get(digest, -1) for digest in rows], dtype=np.intp)


def _checked(estimator: BaseEstimator, X: npt.ArrayLike, **options: Any) -> npt.NDArray[Any]:
    with np.errstate(over="ignore", invalid="ignore"):  # a sum of finite numbers may overflow
        return validate_data(estimator, X, dtype=_ACCEPTED, **options)
