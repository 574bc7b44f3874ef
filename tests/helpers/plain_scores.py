"""Scores as plain functions, one by one, against which those of a whole reference are held."""

import numpy as np
from sklearn.manifold import trustworthiness as trustworthiness_
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from dr_transformer.quality.metrics import kmeans_clusters, nearest_first


def trustworthiness(Y: np.ndarray, X: np.ndarray, n_neighbors: int = 10) -> float:
    """How far the nearest neighbours in X (n, q) are neighbours in Y (n, d): scikit-learn's."""
    return float(trustworthiness_(Y, X, n_neighbors=n_neighbors))


def continuity(Y: np.ndarray, X: np.ndarray, n_neighbors: int = 10) -> float:
    """How far the nearest neighbours in Y are neighbours in X."""
    return trustworthiness(X, Y, n_neighbors)


def knn_recall(reference: np.ndarray, X: np.ndarray) -> float:
    """Mean share of each token's `reference` neighbours (n, k) that are among its k nearest others in X (n, q)."""
    n, k = reference.shape
    both = sum((reference[rows, :, None] == order[:, None, 1 : k + 1]).sum() for rows, order in nearest_first(X))
    return float(both / (n * k))


def kmeans_nmi(X: np.ndarray, labels: np.ndarray, random_state: int = 42) -> float:
    """Normalised mutual information of the labels with k-means clusters of X (n, q), one cluster for each class."""
    return float(normalized_mutual_info_score(labels, kmeans_clusters(X, len(np.unique(labels)), random_state)))


def kmeans_ari(X: np.ndarray, labels: np.ndarray, random_state: int = 42) -> float:
    """Adjusted Rand index of the labels with k-means clusters of X (n, q), one cluster for each class."""
    return float(adjusted_rand_score(labels, kmeans_clusters(X, len(np.unique(labels)), random_state)))
