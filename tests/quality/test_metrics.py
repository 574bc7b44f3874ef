"""Quality figures against values known without them."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_info

from dr_transformer.quality import metrics
from tests.helpers.plain_scores import continuity, kmeans_ari, kmeans_nmi, knn_recall, trustworthiness


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
    assert kmeans_nmi(X, labels) == pytest.approx(1)
    assert metrics.knn_accuracy(rng.normal(size=(1000, 3)), rng.integers(2, size=1000)) == pytest.approx(0.5, abs=0.1)


def _rank(distances: np.ndarray, i: int, j: int) -> int:
    """j is the how-many-th nearest other of i, by counting."""
    return 1 + sum(distances[i, other] < distances[i, j] for other in range(len(distances)) if other not in (i, j))


def _lost_by_rank(seen: np.ndarray, truth: np.ndarray, k: int) -> float:
    """Venna & Kaski's measure by its definition: neighbours in `seen`, weighed by their ranks in `truth`."""
    n = len(seen)
    seen, truth = (np.linalg.norm(Z[:, None] - Z[None], axis=2) for Z in (seen, truth))
    total = 0
    for i in range(n):
        for j in range(n):
            if i != j and _rank(seen, i, j) <= k and (rank := _rank(truth, i, j)) > k:
                total += rank - k
    return 1 - 2 * total / (n * k * (2 * n - 3 * k - 1))


@pytest.mark.parametrize("k", [1, 4, 10])
def test_trustworthiness_and_continuity_by_their_definition(k: int) -> None:
    rng = np.random.default_rng(k)
    Y = rng.normal(size=(30, 6))
    X = Y[:, :2] + 0.3 * rng.normal(size=(30, 2))
    assert trustworthiness(Y, X, k) == pytest.approx(_lost_by_rank(seen=X, truth=Y, k=k), abs=1e-12)
    assert continuity(Y, X, k) == pytest.approx(_lost_by_rank(seen=Y, truth=X, k=k), abs=1e-12)


def test_a_tear_costs_continuity_and_a_fold_trustworthiness() -> None:
    """A ring cut open keeps its neighbours true but loses some; a ring pressed flat brings strangers together."""
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    ring = np.column_stack([np.cos(angle), np.sin(angle)])
    torn = angle[:, None]
    folded = ring[:, :1]
    assert trustworthiness(ring, torn) > 0.999 > continuity(ring, torn)
    assert trustworthiness(ring, folded) < 0.8
    assert continuity(ring, folded) > 0.95


def test_knn_recall_counts_neighbours_kept() -> None:
    rng = np.random.default_rng(0)
    Y, X = rng.normal(size=(2, 300, 5))
    reference = NearestNeighbors(n_neighbors=7).fit(Y).kneighbors(return_distance=False)
    found = NearestNeighbors(n_neighbors=7).fit(X).kneighbors(return_distance=False)
    shares = [len(set(a) & set(b)) / 7 for a, b in zip(reference, found, strict=True)]
    assert knn_recall(reference, X) == pytest.approx(np.mean(shares), abs=1e-12)
    assert knn_recall(reference, Y) == 1
    assert knn_recall(reference[:, ::-1], 3 - 2 * Y) == 1  # their order is not asked


def test_clusters_and_classes_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=200)
    X = rng.normal(size=(200, 3)) + 1.5 * np.eye(4)[labels][:, :3]
    clusters = KMeans(4, n_init=10, random_state=7).fit_predict(X)
    assert kmeans_nmi(X, labels, 7) == pytest.approx(normalized_mutual_info_score(labels, clusters))
    assert kmeans_ari(X, labels, 7) == pytest.approx(adjusted_rand_score(labels, clusters))
    assert 0.1 < kmeans_ari(X, labels, 7) < 0.9
    distances = np.linalg.norm(X[:, None] - X[None], axis=2)
    widths = []
    for i, own in enumerate(labels):
        mean = [distances[i, labels == c].sum() / ((labels == c).sum() - (c == own)) for c in range(4)]
        nearest_other = min(m for c, m in enumerate(mean) if c != own)
        widths.append((nearest_other - mean[own]) / max(nearest_other, mean[own]))
    assert metrics.silhouette(X, labels) == pytest.approx(np.mean(widths))


def test_k_means_takes_one_openmp_thread_and_other_threads_keep_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    """So one seed gives one result, whatever else the machine does."""

    def threads() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"]

    def threads_elsewhere() -> list[int]:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(threads).result()

    seen: dict[str, list[int]] = {}

    class Watched(KMeans):
        def fit_predict(self, X):
            seen["here"], seen["elsewhere"] = threads(), threads_elsewhere()
            return super().fit_predict(X)

    here, elsewhere = threads(), threads_elsewhere()
    X = np.random.default_rng(0).normal(size=(3000, 16)).astype(np.float32)
    plain = metrics.kmeans_clusters(X, 10, 3)
    monkeypatch.setattr(metrics, "KMeans", Watched)
    np.testing.assert_array_equal(metrics.kmeans_clusters(X, 10, 3), plain)
    assert set(seen["here"]) == {1}
    assert seen["elsewhere"] == elsewhere
    assert threads() == here


def test_every_metric_is_declared_with_a_range_and_one_line_of_help() -> None:
    assert list(metrics.METRICS) == [
        "trustworthiness", "continuity", "recall", "accuracy", "nmi", "ari", "silhouette", "effective_rank",
        "mean_cosine",
    ]  # fmt: skip
    for metric in metrics.METRICS.values():
        assert metric.help.endswith(".")
        assert "\n" not in metric.help
        assert metric.highest is None or metric.lowest < metric.highest
    assert len({metric.title for metric in metrics.METRICS.values()}) == len(metrics.METRICS)
    assert {name for name, metric in metrics.METRICS.items() if metric.needs_labels} == {
        "accuracy", "nmi", "ari", "silhouette",
    }  # fmt: skip
