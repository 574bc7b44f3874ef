"""The kNN graph against brute force in float64, where rounding, ties and copies make it hard."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.spatial.distance import cdist
from scipy.stats import ortho_group
from sklearn.neighbors import kneighbors_graph

from dr_transformer import InputError, load
from dr_transformer.methods import nearest
from dr_transformer.methods.graph import (
    KNNGraph,
    adjacency,
    components,
    knn_graph,
    neighbourhood_preservation,
    new_edges,
)
from tests.helpers.machine import DEVICES


def brute(X: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices and distances by |x − y| in float64, ties by index."""
    D = cdist(X.astype(np.float64), X.astype(np.float64))
    np.fill_diagonal(D, np.inf)
    order = np.argsort(D, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(D, order, axis=1)


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    for device in DEVICES:
        monkeypatch.setitem(nearest._TILE_ROWS, device, 37)
        monkeypatch.setitem(nearest._GATHER_BYTES, device, 5000)


@pytest.fixture(params=[False, True], ids=["plain", "bfloat16 first"])
def coarse(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(nearest, "_COARSE_FROM", 0)
    monkeypatch.setattr(nearest, "coarse_is_fast", lambda _: request.param)
    return request.param


def _awkward(name: str) -> np.ndarray:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 6))
    if name == "far away":
        return X + 1000
    if name == "clumps":  # all of a clump is within the rounding of float32 products
        return np.repeat(X[:10], 30, axis=0) + 1e-4 * X
    if name == "outlier":
        X[17] *= 1e3
    if name == "tiny":
        return 1e-30 * X
    if name == "huge":
        return 1e30 * X
    if name == "constant columns":
        return np.column_stack([X, np.ones(300), np.full(300, 0.1)])
    return X


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["plain", "far away", "clumps", "outlier", "tiny", "huge", "constant columns"])
@pytest.mark.usefixtures("small_tiles", "coarse")
def test_it_is_exact(name: str, dtype: type, device: str) -> None:
    X = _awkward(name).astype(dtype)
    graph = knn_graph(X, 7, device=device)
    indices, distances = brute(X, 7)
    np.testing.assert_array_equal(graph.indices, indices)
    np.testing.assert_allclose(graph.distances, distances, rtol=1e-6)
    assert graph.indices.dtype == np.intp
    assert graph.distances.dtype == np.float32


@pytest.mark.parametrize("device", DEVICES)
def test_mnist_in_whole_numbers(device: str, coarse: bool) -> None:
    """Distances of pixels are roots of whole numbers, which float64 products have exactly."""
    Y = load("mnist", 2500).Y
    graph = knn_graph(Y, 15, device=device)
    Z = Y.astype(np.float64)
    squares = (Z * Z).sum(axis=1)
    D = squares[:, None] + squares - 2 * Z @ Z.T
    np.fill_diagonal(D, np.inf)
    order = np.argsort(D, axis=1, kind="stable")[:, :15]
    np.testing.assert_array_equal(graph.indices, order)
    np.testing.assert_allclose(graph.distances, np.sqrt(np.take_along_axis(D, order, axis=1)) / 255, rtol=1e-6)


@settings(max_examples=60, deadline=None)
@example(seed=702619, d=1, dtype=torch.bfloat16, spread=1.0)  # its products' last bits are rounded by all of 2⁻⁸
@given(
    seed=st.integers(0, 10**6), d=st.integers(1, 200), dtype=st.sampled_from([torch.bfloat16, torch.float32]),
    spread=st.sampled_from([1.0, 30.0]),
)  # fmt: skip
def test_the_bound_on_rounding_holds(seed: int, d: int, dtype: torch.dtype, spread: float) -> None:
    rng = np.random.default_rng(seed)
    X = (rng.normal(size=(40, d)) * spread ** rng.normal(size=(40, 1))).astype(np.float32)
    rows = torch.from_numpy(X)
    found, beyond = nearest._by_tiles(rows.to(dtype), rows.square().sum(dim=1), 1, None)
    truth = torch.from_numpy(cdist(X.astype(np.float64), X.astype(np.float64))).square()
    error = nearest._error(rows, rows.to(dtype)).double()
    assert ((beyond - truth.gather(1, found)[:, 0]).abs() <= error).all()


def test_only_what_is_doubtful_is_searched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "_COARSE_FROM", 0)
    monkeypatch.setattr(nearest, "coarse_is_fast", lambda _: True)
    searched = []
    by_rows = nearest._by_rows
    monkeypatch.setattr(nearest, "_by_rows", lambda these, *rest: searched.append(len(these)) or by_rows(these, *rest))
    X = np.random.default_rng(0).normal(size=(400, 20)).astype(np.float32)
    X[:60] = X[0] + 1e-2 * X[:60]  # a clump that bfloat16 cannot take apart, but float32 can
    graph = knn_graph(X, 5)
    np.testing.assert_array_equal(graph.indices, brute(X, 5)[0])
    assert len(searched) == 1
    assert 60 <= searched[0] < 200


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.usefixtures("small_tiles", "coarse")
def test_copies_are_at_distance_zero_lowest_index_first(dtype: type, device: str) -> None:
    X = np.random.default_rng(0).normal(size=(200, 5)).astype(dtype)
    X[[20, 90, 150]] = X[5]
    graph = knn_graph(X, 4, device=device)
    for row, others in ((5, [20, 90, 150]), (20, [5, 90, 150]), (150, [5, 20, 90])):
        assert graph.indices[row, :3].tolist() == others
        assert graph.distances[row, :3].tolist() == [0, 0, 0]
    assert (graph.indices != np.arange(200)[:, None]).all()
    same = knn_graph(np.ones((30, 4), dtype=dtype), 3, device=device)
    assert (same.distances == 0).all()
    assert (same.indices != np.arange(30)[:, None]).all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(3, 80), d=st.integers(2, 12), k=st.integers(1, 12))
def test_permutation_and_rotation(seed: int, n: int, d: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    X, k = rng.normal(size=(n, d)), min(k, n - 1)
    graph = knn_graph(X, k)
    order = rng.permutation(n)
    np.testing.assert_array_equal(order[knn_graph(X[order], k).indices], graph.indices[order])
    turned = knn_graph(X @ ortho_group.rvs(d, random_state=rng) * 3 + rng.normal(size=d), k)
    np.testing.assert_array_equal(turned.indices, graph.indices)
    np.testing.assert_allclose(turned.distances, 3 * graph.distances, rtol=1e-5)


def test_pixels_and_what_is_read_only() -> None:
    Y = np.random.default_rng(0).integers(0, 256, size=(50, 9), dtype=np.uint8)
    graph, scaled = knn_graph(Y, 4), knn_graph((Y / 255).astype(np.float32), 4)
    np.testing.assert_array_equal(graph.indices, scaled.indices)
    np.testing.assert_array_equal(graph.distances, scaled.distances)
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal((torch.from_numpy(levels).float() / 255).numpy(), (levels / 255).astype(np.float32))
    Y.flags.writeable = False
    np.testing.assert_array_equal(knn_graph(Y, 4).indices, graph.indices)


@pytest.mark.usefixtures("small_tiles")
def test_check_is_called_between_tiles_and_may_stop_the_work() -> None:
    calls = []
    X = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
    knn_graph(X, 4, check=lambda: calls.append(1))
    assert len(calls) > 21  # 6 tiles a side

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        knn_graph(X, 4, check=stop)


@pytest.mark.parametrize(
    ("X", "k", "sentence"),
    [
        (np.eye(5), 5, "n_neighbors = 5 is not possible with 5 tokens: each has 4 others"),
        (np.eye(5), 0, "choose from 1 to 4"),
        (np.ones((1, 3)), 1, "at least two tokens"),
        (np.array([[1.0, np.nan], [0, 1]]), 1, "NaN or infinity"),
        (np.array([[1.0, -np.inf], [0, 1]]), 1, "NaN or infinity"),
        (np.array([[1.7e308], [-1.7e308]]), 1, "too far apart"),
    ],
)
def test_bad_input_is_a_sentence(X: np.ndarray, k: int, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        knn_graph(X, k)


def test_first() -> None:
    X = np.random.default_rng(0).normal(size=(40, 3))
    graph, fewer = knn_graph(X, 9), knn_graph(X, 4)
    assert graph.n_neighbors == 9
    np.testing.assert_array_equal(graph.first(4).indices, fewer.indices)
    np.testing.assert_array_equal(graph.first(4).distances, fewer.distances)
    for k in (0, 10):
        with pytest.raises(InputError, match=f"n_neighbors = {k} is not within 1 … 9"):
            graph.first(k)


def test_adjacency_is_scikit_learns_without_the_diagonal() -> None:
    X = np.random.default_rng(0).normal(size=(80, 5))
    G = kneighbors_graph(X, 7, include_self=True)
    expected = ((G + G.T) / 2).toarray() - np.eye(80)
    W = adjacency(knn_graph(X, 6))
    assert isinstance(W, sparse.csr_array)
    np.testing.assert_array_equal(W.toarray(), expected)


def test_components_are_numbered_by_size() -> None:
    points = np.concatenate([np.arange(4), 100 + np.arange(9), 200 + np.arange(4), 300 + np.arange(20)])
    parts = components(adjacency(knn_graph(points[:, None].astype(float), 2)))
    assert parts.tolist() == [2] * 4 + [1] * 9 + [3] * 4 + [0] * 20


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.usefixtures("small_tiles")
def test_new_edges_by_hand(device: str) -> None:
    rng = np.random.default_rng(0)
    X, new = rng.normal(size=(150, 4)).astype(np.float32), rng.normal(size=(60, 4)).astype(np.float32)
    new[[3, 9]] = X[[70, 2]]
    graph = knn_graph(X, 6)
    W, twins = new_edges(new, X, graph, device=device)
    D = cdist(new.astype(np.float64), X.astype(np.float64))
    expected = 0.5 * (np.sort(D, axis=1)[:, 5:6] >= D) + 0.5 * (graph.distances[:, -1] * (1 + 1e-6) >= D)
    np.testing.assert_array_equal(W.toarray(), expected)
    assert np.flatnonzero(twins >= 0).tolist() == [3, 9]
    assert twins[[3, 9]].tolist() == [70, 2]
    # One token more, computed again: its row of the adjacency
    joined = adjacency(knn_graph(np.vstack([X, new[:1]]), 6)).toarray()
    np.testing.assert_array_equal(joined[-1, :-1], expected[0])


def test_neighbourhood_preservation() -> None:
    X = np.random.default_rng(0).normal(size=(60, 8))
    here, there = knn_graph(X, 5).indices, knn_graph(X[:, :1], 5).indices
    by_hand = [len(set(a) & set(b)) / 5 for a, b in zip(here, there, strict=True)]
    np.testing.assert_allclose(neighbourhood_preservation(here, there), by_hand)
    turned = knn_graph(X @ ortho_group.rvs(8, random_state=0), 5)
    np.testing.assert_array_equal(neighbourhood_preservation(here, turned.indices), 1)


def test_a_graph_is_plain_arrays() -> None:
    graph = KNNGraph(np.array([[1], [0]]), np.array([[2.0], [2.0]], dtype=np.float32))
    assert adjacency(graph).toarray().tolist() == [[0, 1], [1, 0]]
