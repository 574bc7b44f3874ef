"""Quality figures of embeddings, scikit-learn's where it has them.

`METRICS` declares them, for tables, curves and the terminal; `scores.py` measures all of them on one embedding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from dr_transformer.methods.graph import floats, scaled
from dr_transformer.methods.nearest import centre
from dr_transformer.types import Check, Floats

N_NEIGHBORS = 10  # k of trustworthiness, continuity and kNN recall
_BLOCK_BYTES = 16 * 2**20
_ROUNDINGS = 1e9 * np.finfo(float).eps  # of a squared length, for each feature: nearer tokens are compared directly

Labels = npt.NDArray[np.integer]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Metric:
    """One figure as people meet it. `higher_is_better` is None where neither end is good in itself."""

    title: str
    help: str
    higher_is_better: bool | None
    lowest: float
    highest: float | None  # None: the dimension q
    needs_labels: bool


# fmt: off
METRICS: dict[str, Metric] = {
    "trustworthiness": Metric(
        "trustworthiness", "Are neighbours in the embedding neighbours in the pixels? Intruders count by their rank.",
        True, 0, 1, False),
    "continuity": Metric(
        "continuity", "Are neighbours in the pixels neighbours in the embedding? Those lost count by their rank.",
        True, 0, 1, False),
    "recall": Metric(
        "kNN recall", f"Share of each token's {N_NEIGHBORS} nearest in the pixels that are among its {N_NEIGHBORS} "
        "nearest in the embedding.", True, 0, 1, False),
    "accuracy": Metric(
        "5-NN accuracy", "Share of tokens whose class the nearest 5 of other tokens' embeddings tell.",
        True, 0, 1, True),
    "nmi": Metric(
        "NMI of k-means clusters", "Normalised mutual information of the classes with as many k-means clusters.",
        True, 0, 1, True),
    "ari": Metric(
        "ARI of k-means clusters", "Adjusted Rand index of the classes with as many k-means clusters; 0 is chance.",
        True, -0.5, 1, True),
    "silhouette": Metric(
        "silhouette", "How much nearer a token is to its own class than to the next one, from −1 to 1.",
        True, -1, 1, True),
    "effective_rank": Metric(
        "effective rank", "In how many directions the tokens point; 1 is collapse, and noise has the most.",
        None, 1, None, False),
    "mean_cosine": Metric(
        "mean cosine", "Mean cosine similarity of two tokens; 1 is collapse, and centred embeddings have about 0.",
        None, -1, 1, False),
}
# fmt: on


def effective_rank(X: Floats) -> float:
    """Exp of the entropy of the normalised spectrum of XᵀX, rows of X (n, q) scaled to norm 1: 1 … q."""
    X = _unit_rows(X)
    if not len(X):
        return float("nan")
    eigenvalues = np.linalg.eigvalsh(X.T @ X).clip(min=0)
    p = eigenvalues[eigenvalues > 0] / eigenvalues.sum()
    return float(np.exp(-(p * np.log(p)).sum()))


def mean_cosine(X: Floats) -> float:
    """Mean cosine similarity over all pairs of different rows of X (n, q); 1 is total collapse."""
    X = _unit_rows(X)
    n = len(X)
    if n < 2:
        return float("nan")
    return float((np.square(X.sum(axis=0)).sum() - n) / (n * (n - 1)))


def knn_accuracy(X: Floats, labels: Labels, n_neighbors: int = 5, train_fraction: float = 0.8) -> float:
    """Accuracy of a k-NN classifier fitted on the first part of X (n, q), scored on the rest, in the order given."""
    split = int(len(X) * train_fraction)
    classifier = KNeighborsClassifier(n_neighbors).fit(X[:split], labels[:split])
    with _one_openmp_thread():
        return float((classifier.predict(X[split:]) == labels[split:]).mean())


def kmeans_clusters(X: Floats, n_clusters: int, random_state: int = 42, *, n_init: int = 10) -> npt.NDArray[np.integer]:
    """k-means cluster (n,) of each row of X (n, q), the best of `n_init` starts.

    In float64: where tokens have collapsed to a few places, their distances are rounding in float32. After 32 blocks of
    MNIST it left 2.7 times the inertia, and the NMI was 0.20 instead of 0.41.
    """
    X = X.astype(np.float64)
    with _one_openmp_thread():
        return KMeans(n_clusters, n_init=n_init, random_state=random_state).fit_predict(X)


def points_apart(X: Floats, at_most: int) -> int:
    """Return how many points, up to `at_most`, are apart by more than 1e-5 of the farthest: what k-means can tell
    apart.
    """
    nearest = np.linalg.norm(X - X[0], axis=1)
    threshold = 1e-5 * nearest.max()
    for found in range(1, at_most):
        farthest = nearest.argmax()
        if nearest[farthest] <= threshold:
            return found
        nearest = np.minimum(nearest, np.linalg.norm(X - X[farthest], axis=1))
    return at_most


def silhouette(X: Floats, labels: Labels) -> float:
    """Mean silhouette coefficient of the labels, not of clusters, in X (n, q): scikit-learn's, −1 … 1."""
    return float(silhouette_score(X, labels))


def subsample(n: int, size: int, random_state: int) -> Indices:
    """Sorted indices of at most `size` of n tokens."""
    return np.sort(check_random_state(random_state).permutation(n)[:size])


def nearest_first(X: Floats, check: Check | None = None) -> Iterator[tuple[slice, Indices]]:
    """Row blocks of the tokens of X (m, q), and for each token of a block all m by distance, itself first: (b, m).

    Distances are by products, but where their rounding is not far below the nearest, by differences. `check` is called
    before each block, and may raise to stop.
    """
    rows, _ = scaled(floats(X, "cpu"))
    X = (rows - centre(rows)).numpy()  # distances are the same, their rounding is smaller
    rounding = _ROUNDINGS * X.shape[1] * np.square(X, dtype=np.float64).sum(axis=1)
    size = max(1, _BLOCK_BYTES // (8 * len(X)))
    for start in range(0, len(X), size):
        if check:
            check()
        some = slice(start, min(start + size, len(X)))
        distances = euclidean_distances(X[some], X, squared=True)
        own = np.arange(len(distances)), np.arange(some.start, some.stop)
        distances[own] = np.inf
        doubtful = distances.min(axis=1) <= rounding[some]
        if doubtful.any():
            distances[doubtful] = cdist(X[some][doubtful], X, "sqeuclidean")
        distances[own] = -1
        yield some, np.argsort(distances, axis=1)


def _unit_rows(X: Floats) -> npt.NDArray[np.float64]:
    """The directions of rows; a row at the origin, as a blank token is at first, has none and takes no part."""
    X = X.astype(np.float64)
    lengths = np.linalg.norm(X, axis=1, keepdims=True)
    there = lengths[:, 0] > 0
    return X / lengths if there.all() else X[there] / lengths[there]


def _one_openmp_thread() -> AbstractContextManager[object]:
    # With two, the order of k-means' sums, so their last bits, is left to chance; and where other work takes the cores,
    # they wait for each other ten times as long as one thread takes. The limit holds for the calling thread alone.
    return threadpool_limits(1, user_api="openmp")
