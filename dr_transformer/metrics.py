"""Quality figures of latents, scikit-learn's where it has them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils import check_random_state

Array = npt.NDArray[np.floating]
Labels = npt.NDArray[np.integer]


def effective_rank(X: Array) -> float:
    """Exp of the entropy of the normalised spectrum of XᵀX, rows of X (n, q) scaled to norm 1: 1 … q."""
    X = _unit_rows(X)
    eigenvalues = np.linalg.eigvalsh(X.T @ X).clip(min=0)
    p = eigenvalues[eigenvalues > 0] / eigenvalues.sum()
    return float(np.exp(-(p * np.log(p)).sum()))


def mean_cosine(X: Array) -> float:
    """Mean cosine similarity over all pairs of different rows of X (n, q); 1 is total collapse."""
    X = _unit_rows(X)
    n = len(X)
    return float((np.square(X.sum(axis=0)).sum() - n) / (n * (n - 1)))


def knn_accuracy(X: Array, labels: Labels, n_neighbors: int = 5, train_fraction: float = 0.8) -> float:
    """Accuracy of a k-NN classifier fitted on the first part of X (n, q), scored on the rest, in the order given."""
    split = int(len(X) * train_fraction)
    classifier = KNeighborsClassifier(n_neighbors).fit(X[:split], labels[:split])
    return float(classifier.score(X[split:], labels[split:]))


def kmeans_nmi(X: Array, labels: Labels, random_state: int = 42) -> float:
    """Normalised mutual information of the labels with k-means clusters of X (n, q), one cluster for each class."""
    n_clusters = len(np.unique(labels))
    clusters = KMeans(n_clusters, n_init=10, random_state=random_state).fit_predict(X)
    return float(normalized_mutual_info_score(labels, clusters))


def subsample(n: int, size: int, random_state: int) -> npt.NDArray[np.intp]:
    """Sorted indices of at most `size` of n tokens."""
    return np.sort(check_random_state(random_state).permutation(n)[:size])


def _unit_rows(X: Array) -> npt.NDArray[np.float64]:
    X = X.astype(np.float64)
    return X / np.linalg.norm(X, axis=1, keepdims=True)
