"""Lanczos where it exhausts what it can reach, and must begin again."""

import numpy as np
import pytest
from scipy.sparse import csr_array, linalg

from dr_transformer import LaplacianEigenmaps
from dr_transformer.methods import lanczos

N = 300
COMPLETE = csr_array((np.ones((N, N)) - np.eye(N)) / (N - 1))  # two eigenvalues: two vectors reach all there is


def _vectors(seed: int) -> np.ndarray:
    return lanczos.eigsh(COMPLETE, 4, which="LA", v0=np.ones(N), seed=seed)[1]


def test_it_begins_anew_from_the_seed() -> None:
    np.testing.assert_array_equal(_vectors(1), _vectors(1))
    assert np.abs(_vectors(1) - _vectors(2)).max() > 0.01


def test_other_modules_get_their_own_back() -> None:
    before = linalg.eigsh
    with lanczos.seeded(3, linalg):
        assert linalg.eigsh is not before
        found = linalg.eigsh(COMPLETE, 4, which="LA", v0=np.ones(N))[1]
    assert linalg.eigsh is before
    np.testing.assert_array_equal(found, _vectors(3))
    with lanczos.seeded(None, linalg):
        assert linalg.eigsh is before
    with pytest.raises(KeyError), lanczos.seeded(3, linalg):
        raise KeyError
    assert linalg.eigsh is before


def test_where_nothing_is_exhausted_the_seed_changes_nothing() -> None:
    X = np.random.default_rng(0).normal(size=(N, N))
    A = X + X.T
    expected = linalg.eigsh(A, 3, v0=np.ones(N))[1]
    for seed in (1, 2):
        np.testing.assert_array_equal(lanczos.eigsh(A, 3, v0=np.ones(N), seed=seed)[1], expected)


def test_laplacian_eigenmaps_of_many_copies_are_the_same_each_time() -> None:
    rows = np.repeat(np.random.default_rng(0).normal(size=(30, 6)), 12, axis=0)
    first, second = (LaplacianEigenmaps(3, n_neighbors=14).fit_transform(rows) for _ in range(2))
    np.testing.assert_array_equal(first, second)
