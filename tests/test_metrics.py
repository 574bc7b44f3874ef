"""Quality figures against values known without them."""

import numpy as np
import pytest

from dr_transformer import metrics


def test_effective_rank() -> None:
    assert metrics.effective_rank(np.eye(7)) == pytest.approx(7)
    assert metrics.effective_rank(np.outer(np.arange(1, 6), np.ones(4))) == pytest.approx(1)
    assert metrics.effective_rank(3 * np.eye(7)) == pytest.approx(7)  # of the rows' directions, not their lengths


def test_mean_cosine() -> None:
    assert metrics.mean_cosine(np.eye(5)) == pytest.approx(0)
    assert metrics.mean_cosine(np.ones((5, 3)) * np.arange(1, 6)[:, None]) == pytest.approx(1)
    X = np.random.default_rng(0).normal(size=(30, 4))
    cosines = (X @ X.T) / np.linalg.norm(X, axis=1) / np.linalg.norm(X, axis=1)[:, None]
    assert metrics.mean_cosine(X) == pytest.approx(cosines[~np.eye(30, dtype=bool)].mean())


def test_knn_accuracy_and_nmi_of_two_clear_clusters() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=100)
    X = rng.normal(size=(100, 3)) + 100 * labels[:, None]
    assert metrics.knn_accuracy(X, labels) == 1
    assert metrics.kmeans_nmi(X, labels) == pytest.approx(1)
    assert metrics.knn_accuracy(rng.normal(size=(1000, 3)), rng.integers(2, size=1000)) == pytest.approx(0.5, abs=0.1)
