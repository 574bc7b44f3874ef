"""Gaussians and the maps between moments."""

import numpy as np
import pytest

from dr_transformer import InputError
from dr_transformer.theory.gaussian import Gaussian, match_moments, moments, standardise, symmetric_power

SKEW = Gaussian(np.array([1.0, -2.0]), np.array([[2.0, 0.6], [0.6, 0.5]]))


def test_draws_have_the_moments() -> None:
    mean, covariance = moments(SKEW.draw(100_000, np.random.default_rng(0)))
    np.testing.assert_allclose(mean, SKEW.mean, atol=0.02)
    np.testing.assert_allclose(covariance, SKEW.covariance, atol=0.03)
    np.testing.assert_allclose(covariance, np.cov(SKEW.draw(100_000, np.random.default_rng(0)).T, bias=True), rtol=1e-9)
    mean, covariance = moments(SKEW.whiten(SKEW.draw(100_000, np.random.default_rng(0))))
    np.testing.assert_allclose(mean, 0, atol=0.02)
    np.testing.assert_allclose(covariance, np.eye(2), atol=0.03)


def test_powers() -> None:
    root, inverse = symmetric_power(SKEW.covariance, 0.5), symmetric_power(SKEW.covariance, -1)
    np.testing.assert_allclose(root @ root, SKEW.covariance)
    np.testing.assert_allclose(root, root.T)
    np.testing.assert_allclose(inverse @ SKEW.covariance, np.eye(2), atol=1e-12)
    flat = np.outer([3.0, 4.0], [3.0, 4.0])
    np.testing.assert_allclose(symmetric_power(flat, -1), np.linalg.pinv(flat), atol=1e-12)


def test_moments_are_matched_exactly() -> None:
    X = np.random.default_rng(0).exponential(size=(50, 2))
    mean, covariance = moments(match_moments(X, SKEW))
    np.testing.assert_allclose(mean, SKEW.mean, atol=1e-12)
    np.testing.assert_allclose(covariance, SKEW.covariance, atol=1e-12)
    mean, covariance = moments(standardise(X))
    np.testing.assert_allclose(mean, 0, atol=1e-12)
    np.testing.assert_allclose(covariance, np.eye(2), atol=1e-12)


def test_what_has_no_extent_keeps_none() -> None:
    """Rounding is not blown up: neither of equal points, nor across a line."""
    np.testing.assert_array_equal(np.abs(standardise(np.full((7, 2), 0.1) + 0.2)) < 1e-9, True)
    line = np.outer(np.arange(10.0), [1.0, 3.0]) + 0.1
    assert np.linalg.matrix_rank(standardise(line), tol=1e-6) == 1
    np.testing.assert_allclose(np.trace(moments(standardise(line))[1]), 1)


@pytest.mark.parametrize(
    "covariance",
    [-np.eye(2), np.ones((2, 2)), np.eye(3), np.array([[1, 2], [0, 1]]), np.zeros((2, 2)), np.full((2, 2), np.nan)],
)
def test_bad_covariances(covariance: np.ndarray) -> None:
    with pytest.raises(InputError, match="covariance"):
        Gaussian(np.zeros(2), covariance)
