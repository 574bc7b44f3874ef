"""What the curves show, where the exact values are known."""

import numpy as np
import pytest
from scipy import stats

from dr_transformer import InputError
from dr_transformer.theory.exponential_family import log_normaliser
from dr_transformer.theory.particles import entropy, hull_volume, least_stretch, measure, outside_hull, trace


@pytest.mark.parametrize("d", [1, 2, 5])
def test_the_entropy_of_a_gaussian(d: int) -> None:
    X = np.random.default_rng(0).normal(size=(4000, d))
    assert entropy(X) == pytest.approx(stats.multivariate_normal(np.zeros(d)).entropy(), abs=0.1)
    assert entropy(X, 1) == pytest.approx(entropy(X), abs=0.1)


def test_the_entropy_of_a_square_and_of_its_images() -> None:
    X = np.random.default_rng(0).uniform(size=(4000, 2))
    assert entropy(X) == pytest.approx(0, abs=0.05)
    assert entropy(3 * X + 7) == pytest.approx(entropy(X) + 2 * np.log(3))
    rotation = np.array([[0.6, -0.8], [0.8, 0.6]])
    assert entropy(X @ rotation) == pytest.approx(entropy(X))


def test_what_coincides_has_no_density() -> None:
    X = np.repeat(np.random.default_rng(0).normal(size=(10, 2)), 5, axis=0)
    assert entropy(X) == -np.inf
    assert np.isfinite(entropy(X[:40:4]))
    with pytest.raises(InputError, match="more particles than 4"):
        entropy(X[:4])


def test_hull_and_trace() -> None:
    square = np.array([[0, 0], [2, 0], [2, 2], [0, 2], [1, 1]], float)
    assert hull_volume(square) == pytest.approx(4)
    assert trace(square) == pytest.approx(np.trace(np.cov(square.T, bias=True)))
    assert hull_volume(np.outer(np.arange(5.0), [1.0, 2.0])) == 0
    assert hull_volume(square[:2]) == 0
    assert hull_volume(square[:, :1]) == 2
    cube = np.random.default_rng(0).integers(0, 2, (50, 3)).astype(float)
    assert hull_volume(cube) == pytest.approx(1)


def test_what_lies_outside_the_hull() -> None:
    square = np.array([[0, 0], [2, 0], [2, 2], [0, 2]], float)
    assert outside_hull(np.array([[1.0, 1.0], [1.5, 1.0]]), square) == pytest.approx(-0.5)
    assert outside_hull(np.array([[1.0, 1.0], [2.25, 1.0]]), square) == pytest.approx(0.25)
    assert outside_hull(np.array([[3.0]]), square[:, :1]) == 1
    assert outside_hull(np.array([[-0.5]]), square[:, :1]) == 0.5
    with pytest.raises(InputError, match="no inside"):
        outside_hull(square, square[:2])


def test_the_least_stretch() -> None:
    X = np.random.default_rng(0).normal(size=(20, 2))
    assert least_stretch(X, 2 * X) == pytest.approx(2)
    assert least_stretch(X, X * [3, 0.5]) == pytest.approx(0.5, abs=0.1)


def test_all_together() -> None:
    X = np.random.default_rng(0).normal(size=(50, 2))
    found = measure(X)
    assert found == (trace(X), entropy(X), log_normaliser(X, X).mean(), hull_volume(X))
    logits = X @ X.T
    assert found.mean_log_z == pytest.approx(np.log(np.exp(logits).sum(axis=1)).mean())
