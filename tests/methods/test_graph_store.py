"""One graph a data set: computed once, shared, grown when more neighbours are asked for, bounded in bytes."""

import threading

import numpy as np
import pytest

from dr_transformer import Dataset, load
from dr_transformer.engine.jobs import Cancelled
from dr_transformer.errors import InputError
from dr_transformer.methods import graph_store
from dr_transformer.methods.graph import knn_graph
from dr_transformer.methods.graph_store import GraphStore


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits", 200)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many neighbours each computation looked for."""
    calls: list[int] = []

    def counting(Y, n_neighbors, **settings):
        calls.append(n_neighbors)
        return knn_graph(Y, n_neighbors, **settings)

    monkeypatch.setattr(graph_store, "shared_graph", counting)
    return calls


def test_a_graph_is_computed_once(digits: Dataset, counted: list[int]) -> None:
    store = GraphStore()
    for k in (10, 5, 30):
        expected = knn_graph(digits.Y, k)
        np.testing.assert_array_equal(store.get(digits, k).indices, expected.indices)
        np.testing.assert_array_equal(store.get(digits, k).distances, expected.distances)
    assert counted == [30]
    assert store.get(digits, 40).n_neighbors == 40
    assert counted == [30, 40]


def test_few_tokens_have_few_neighbours(counted: list[int]) -> None:
    few = load("digits", 12)
    assert GraphStore().get(few, 10).n_neighbors == 10
    assert counted == [11]
    with pytest.raises(InputError, match="12 is not possible with 12 tokens"):
        GraphStore().get(few, 12)


def test_who_asks_meanwhile_waits_and_may_give_up(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go, calls = threading.Event(), threading.Event(), []

    def slow(Y, n_neighbors, **settings):
        calls.append(n_neighbors)
        begun.set()
        assert go.wait(30)
        return knn_graph(Y, n_neighbors, **settings)

    monkeypatch.setattr(graph_store, "shared_graph", slow)
    store, found = GraphStore(), []
    threads = [threading.Thread(target=lambda: found.append(store.get(digits, 10))) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert begun.wait(30)

    def give_up() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        store.get(digits, 10, give_up)
    go.set()
    for thread in threads:
        thread.join(30)
    assert len(found) == 2
    assert calls == [30]


def test_graphs_are_bounded_in_bytes(counted: list[int]) -> None:
    sets = [load("digits", n) for n in (100, 101, 102)]
    store = GraphStore(max_bytes=2 * 102 * 30 * 12)
    for dataset in (*sets, sets[2], sets[1], sets[0]):
        store.get(dataset, 10)
    assert len(counted) == 4  # the first was forgotten, and computed again at the end
