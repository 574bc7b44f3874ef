"""The graph of very many tokens: how good it is is measured, and it can be cancelled."""

import signal
import subprocess
from typing import Any

import numpy as np
import pytest

from dr_transformer import LaplacianEigenmaps, load
from dr_transformer.engine.jobs import Cancelled
from dr_transformer.errors import InputError
from dr_transformer.methods import approximate as graph_approximate
from dr_transformer.methods.approximate import approximate_graph, measured_recall, shared_graph, without_own
from dr_transformer.methods.graph import KNNGraph, knn_graph, neighbourhood_preservation
from dr_transformer.methods.spectrum import laplacian_eigenmaps


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return load("mnist", 3000).Y


@pytest.mark.slow
def test_the_approximate_graph_is_as_good_as_it_says(pixels: np.ndarray) -> None:
    approximate, exact = shared_graph(pixels, 15, exact_most=2999), knn_graph(pixels, 15)
    share = float(neighbourhood_preservation(exact.indices, approximate.indices).mean())
    assert 0.95 < share <= 1
    assert approximate.recall == pytest.approx(share, abs=0.01)  # of 1 000 tokens, not all
    assert (approximate.indices != np.arange(3000)[:, None]).all(), "no token is its own neighbour"
    same = approximate.indices[:, 0] == exact.indices[:, 0]
    np.testing.assert_allclose(approximate.distances[same, 0], exact.distances[same, 0], rtol=1e-5)
    assert approximate.first(5).recall == approximate.recall


def test_a_spoilt_graph_has_the_recall_that_it_was_spoilt_to(pixels: np.ndarray) -> None:
    exact = knn_graph(pixels[:1000], 10)
    assert measured_recall(pixels[:1000], exact) == 1
    indices = exact.indices.copy()
    indices[:, 5:] = knn_graph(pixels[:1000], 30).indices[:, 25:]
    assert measured_recall(pixels[:1000], KNNGraph(indices, exact.distances)) == 0.5


def test_up_to_its_limit_the_graph_is_exact(pixels: np.ndarray) -> None:
    graph = shared_graph(pixels[:500], 5, exact_most=500)
    assert graph.recall == 1
    np.testing.assert_array_equal(graph.indices, knn_graph(pixels[:500], 5).indices)


def test_laplacian_eigenmaps_say_that_their_graph_is_approximate(pixels: np.ndarray) -> None:
    exact = knn_graph(pixels[:300], 15)
    approximate = KNNGraph(exact.indices, exact.distances, recall=0.973)
    said = laplacian_eigenmaps(approximate, 2).messages
    assert said[0] == "The graph is approximate: it has 97.3% of the true neighbours."
    assert not LaplacianEigenmaps(2).fit(load("mnist", 300).Y).messages_


def test_a_row_is_taken_from_among_its_own_neighbours() -> None:
    near = np.array([[0, 2, 1], [0, 1, 2], [0, 1, 3], [3, 0, 1]])  # row 2 is not among its own
    distances = np.arange(12.0).reshape(4, 3)
    indices, lengths = without_own(near, distances)
    assert indices.tolist() == [[2, 1], [0, 2], [0, 1], [0, 1]]
    assert lengths.tolist() == [[1, 2], [3, 5], [6, 7], [10, 11]]


def test_waiting_for_it_can_be_cancelled(pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    processes: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def remembered(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        processes.append(popen(*arguments, **options))
        return processes[-1]

    def check() -> None:
        raise Cancelled

    monkeypatch.setattr(graph_approximate.subprocess, "Popen", remembered)
    with pytest.raises(Cancelled):
        approximate_graph(pixels, 15, check=check)
    assert [process.returncode for process in processes] == [-signal.SIGKILL]  # it did not end by itself


def test_more_neighbours_than_tokens_is_a_sentence() -> None:
    with pytest.raises(InputError, match="not possible with 3 tokens"):
        approximate_graph(np.eye(3), 3)
