"""Neighbours, ranks and recall where one row, or many, lie far from the others: a fill value left in the data."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from dr_transformer import LaplacianEigenmaps, quality
from dr_transformer.methods import nearest
from dr_transformer.methods.approximate import approximate_graph, measured_recall
from dr_transformer.methods.graph import KNNGraph, adjacency, knn_graph, new_edges
from dr_transformer.quality.metrics import nearest_first

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 6))
FILLS = [1e8, 1e10, 1e20, -9.96921e36]  # 9.96921e36: netCDF's


def _truth(rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices and distances of the nearest others, by differences in extended precision: nothing cancels."""
    wide = rows.astype(np.longdouble)
    D = np.sqrt(np.square(wide[:, None] - wide).sum(axis=2))
    np.fill_diagonal(D, np.inf)
    order = np.argsort(D, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(D, order, axis=1)


def _is_right(rows: np.ndarray, graph: KNNGraph) -> None:
    """To the rounding of the distances themselves: among rows that tie for a fill value's neighbours, any will do."""
    _, distances = _truth(rows, graph.n_neighbors)
    wide = rows.astype(np.longdouble)
    mine = np.sqrt(np.square(wide[:, None] - wide[graph.indices]).sum(axis=2))
    np.testing.assert_allclose(mine.astype(float), distances.astype(float), rtol=1e-6)
    np.testing.assert_allclose(graph.distances, distances.astype(float), rtol=1e-6)


@pytest.mark.parametrize("coarse", [False, True], ids=["plain", "bfloat16 first"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("fill", FILLS)
def test_one_far_row_leaves_the_neighbours_of_the_others(
    fill: float, dtype: type, coarse: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearest, "_COARSE_FROM", 0)
    monkeypatch.setattr(nearest, "coarse_is_fast", lambda _: coarse)
    alone = X.astype(dtype)
    for at in (0, 60, 120):
        rows = np.insert(alone, at, fill, axis=0)
        graph = knn_graph(rows, 5)
        _is_right(rows, graph)
        others = np.delete(np.arange(121), at)
        np.testing.assert_array_equal(graph.indices[others], others[knn_graph(alone, 5).indices])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("far", ["three scales", "two clusters", "a column", "half", "most are copies"])
def test_many_far_rows(far: str, dtype: type) -> None:
    rows = X.copy()
    if far == "three scales":
        rows[5], rows[40:42], rows[77] = 1e12, [[1e30], [3e30]], -1e37
    elif far == "two clusters":
        rows[:60] += 1e6
    elif far == "a column":
        rows[:, 2] *= 1e12
    elif far == "half":
        rows[::2] *= 1e15
    else:
        rows[10:] = rows[10]
        rows[50] = 1e20
    rows = rows.astype(dtype)
    _is_right(rows, knn_graph(rows, 5))


@pytest.mark.parametrize("power", [-1000, -300, -60, 60, 130, 510, 1010])
def test_the_graph_is_free_of_scale(power: int) -> None:
    expected, rows = knn_graph(X, 5), np.ldexp(X, power)
    found = knn_graph(rows, 5)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.distances, np.ldexp(expected.distances.astype(float), power), rtol=1e-6)
    assert found.distances.dtype == (np.float32 if abs(power) < 130 else np.float64)
    if abs(power) < 130:
        np.testing.assert_array_equal(knn_graph(rows.astype(np.float32), 5).indices, expected.indices)


def test_the_bound_holds_for_every_pair() -> None:
    for spread in (1.0, 1e3, 1e9):
        for d in (1, 6, 200):
            rows = RNG.normal(size=(60, d)) * spread ** RNG.normal(size=(60, 1))
            exact = np.square(rows.astype(np.longdouble)[:, None] - rows.astype(np.longdouble)).sum(axis=2)
            tensor = torch.from_numpy(rows)
            for block, D, error in nearest.squared_distances(tensor, tensor, None):
                assert (np.abs(D.numpy() - exact[block]) <= error.numpy()).all()


def test_ties_need_no_direct_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole numbers have more ties for a place than are looked at: that is no doubt about who is nearer."""
    searched = []
    direct = nearest._direct
    monkeypatch.setattr(nearest, "_direct", lambda these, *rest: searched.append(len(these)) or direct(these, *rest))
    for dtype in (np.float32, np.float64):
        rows = RNG.integers(0, 3, size=(400, 5)).astype(dtype)
        _is_right(rows, knn_graph(rows, 4))
    rows[7] = 1e20
    _is_right(rows, knn_graph(rows, 4))
    assert searched == []
    rows[:200] += 1e9  # each half is far from the middle of all: products settle neither
    _is_right(rows, knn_graph(rows, 4))
    assert sum(searched) > 100


@pytest.mark.parametrize("fill", FILLS)
def test_new_rows_have_the_edges_they_would_have_without_the_far_one(fill: float) -> None:
    rows, new = np.vstack([X, np.full(6, fill)]), np.vstack([RNG.normal(size=(40, 6)), X[:3], np.full(6, fill)])
    graph = knn_graph(rows, 5)
    W, twins = new_edges(new, rows, graph)
    alone, same = new_edges(new[:-1], X, knn_graph(X, 5))
    np.testing.assert_array_equal(W.toarray()[:-1, :120], alone.toarray())
    assert twins.tolist() == [*same.tolist(), 120]
    joined = adjacency(knn_graph(np.vstack([rows, new[:1]]), 5)).toarray()
    np.testing.assert_array_equal(joined[-1, :120], W.toarray()[0, :120])


def test_laplacian_eigenmaps_of_the_others_are_theirs() -> None:
    for fill in FILLS:
        rows = np.vstack([X, np.full(6, fill)])
        near, alone = LaplacianEigenmaps(n_neighbors=8).fit(rows), LaplacianEigenmaps(n_neighbors=8).fit(X)
        assert np.abs(np.corrcoef(near.embedding_[:120].T, alone.embedding_.T)[0, 2]) > 0.99
        np.testing.assert_allclose(near.transform(rows), near.embedding_, atol=1e-9)


@pytest.mark.parametrize("fill", FILLS)
def test_ranks_and_scores_are_right_beside_a_far_row(fill: float) -> None:
    rows = np.vstack([X, np.full(6, fill)])
    D = cdist(rows, rows)
    for some, order in nearest_first(rows):
        np.testing.assert_array_equal(order[:120], np.argsort(D[some], axis=1, kind="stable")[:120])
    alone = quality.quality(X[:, :2], quality.Reference.of(X)).figures
    found = quality.quality(rows[:, :2], quality.Reference.of(rows)).figures
    for name in ("trustworthiness", "continuity", "recall"):
        assert found[name] == pytest.approx(alone[name], abs=0.02), name


@pytest.mark.slow
def test_the_approximate_graph_and_its_recall_know_a_far_row() -> None:
    rows = np.vstack([RNG.normal(size=(600, 6)), np.full(6, 1e20)]) * 1e180
    truth = knn_graph(rows, 5)
    assert measured_recall(rows, truth) == 1
    assert measured_recall(rows, KNNGraph((truth.indices + 1) % 601, truth.distances)) < 0.1
    graph = approximate_graph(rows, 5)
    assert graph.recall > 0.95
    np.testing.assert_allclose(graph.distances[:600, 0], truth.distances[:600, 0], rtol=0.5)
