"""Rows as the estimators take them: checked by scikit-learn, and in the unit of the data they were fitted to."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

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


def _checked(estimator: BaseEstimator, X: npt.ArrayLike, **options: Any) -> npt.NDArray[Any]:
    with np.errstate(over="ignore", invalid="ignore"):  # a sum of finite numbers may overflow
        return validate_data(estimator, X, dtype=_ACCEPTED, **options)
