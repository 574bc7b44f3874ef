"""Attention as a graph in the background: every figure against the dense float64 matrix A."""

from functools import cache

import numpy as np
import pytest
import torch

from dr_transformer import Config, Dataset, load
from dr_transformer.data.dataset import subset, subset_sentence
from dr_transformer.engine.adjacency import ORDERS, AdjacencyRun, MatrixImage, latents_of, token_attention
from dr_transformer.engine.run import Run
from dr_transformer.methods.graph import knn_graph
from dr_transformer.methods.graph_store import GraphStore
from dr_transformer.theory.attention_graph import IMAGE_SIZE, class_order, fiedler_order

pytestmark = pytest.mark.usefixtures("one_thread")

CONFIG = Config(n_components=16, n_blocks=2)
K = 10


@cache
def mnist() -> Dataset:
    return load("mnist", 600)


@cache
def finished(config: Config = CONFIG) -> Run:
    run = Run(mnist(), config)
    run.owners.add("test")
    run.work()
    assert run.error is None
    return run


@cache
def dense(block: int, config: Config = CONFIG) -> np.ndarray:
    """A after a block by its definition, (n, n), in float64, the mean over heads."""
    X = torch.from_numpy(finished(config).full.latents[block]).double()
    total = np.zeros((len(X), len(X)))
    for X_h in X.chunk(config.n_heads, dim=1):
        logits = config.alpha * len(X) / X_h.shape[1] * X_h @ X_h.T
        if config.mask_self:
            logits.fill_diagonal_(-torch.inf)
        total += torch.softmax(logits, dim=1).numpy()
    return total / config.n_heads


def work(job: AdjacencyRun | MatrixImage) -> None:
    job.owners.add("test")
    job.work()


@pytest.mark.parametrize("config", [CONFIG, Config(n_components=16, n_blocks=2, n_heads=2, mask_self=False)])
def test_the_figures_of_every_block_are_those_of_dense_a(config: Config) -> None:
    job = AdjacencyRun(finished(config), K, GraphStore())
    work(job)
    assert job.complete
    assert sorted(job.blocks) == [0, 1, 2]
    true, labels = knn_graph(mnist().Y, K).indices, mnist().labels
    assert labels is not None
    for block, found in job.blocks.items():
        A = dense(block, config)
        entropy = -(A * np.log(np.where(A > 0, A, 1))).sum(axis=1)
        np.testing.assert_allclose(found.effective, np.exp(entropy), rtol=1e-4)
        np.testing.assert_allclose(found.mass, np.take_along_axis(A, true, axis=1).sum(axis=1), atol=1e-5)
        most = np.argsort(-A, axis=1)[:, :K]
        overlap = [len(set(a) & set(b)) / K for a, b in zip(most, true, strict=True)]
        np.testing.assert_allclose(found.overlap.mean(), np.mean(overlap), atol=1e-3)  # near ties may change places
        assert found.within == pytest.approx(A[labels[:, None] == labels].sum() / len(A), abs=1e-5)


def test_the_block_looked_at_comes_first() -> None:
    job = AdjacencyRun(finished(), K, GraphStore(), wanted=1)
    work(job)
    assert list(job.blocks) == [1, 0, 2]


@pytest.mark.parametrize("order", ORDERS)
def test_the_image_is_a_in_this_order_pooled(order: str) -> None:
    job = MatrixImage(finished(), 1, order, K, GraphStore())
    work(job)
    graph, labels, n = knn_graph(mnist().Y, K), mnist().labels, 600
    assert labels is not None
    spectral = fiedler_order(graph)
    expected = {"class": class_order(labels, spectral), "spectral": spectral, "given": np.arange(n)}[order]
    A = dense(1)[np.ix_(expected, expected)]
    starts = np.arange(IMAGE_SIZE) * n // IMAGE_SIZE
    sizes = np.diff(np.append(starts, n))
    pooled = np.add.reduceat(np.add.reduceat(A, starts, axis=0), starts, axis=1) / sizes[:, None]
    assert job.image is not None
    assert job.image.shape == (IMAGE_SIZE, IMAGE_SIZE)
    np.testing.assert_allclose(job.image, pooled, rtol=1e-4, atol=1e-6)
    if order == "class":
        np.testing.assert_array_equal(job.labels, np.sort(labels))
    else:
        assert job.labels is None


def test_one_token_s_row_is_that_of_dense_a() -> None:
    nearest = knn_graph(mnist().Y, K).indices[7]
    found = token_attention(latents_of(finished(), 2), 7, 12, nearest, CONFIG)
    row = dense(2)[7]
    order = np.argsort(-row)[:12]
    np.testing.assert_array_equal(found.neighbours, order)
    np.testing.assert_allclose(found.weights, row[order], rtol=1e-4)
    np.testing.assert_allclose(found.nearest_weights, row[nearest], rtol=1e-4)
    assert found.effective == pytest.approx(np.exp(-(row[row > 0] * np.log(row[row > 0])).sum()), rel=1e-4)
    assert found.n_true == len(set(order) & set(nearest))


def test_a_subset_is_balanced_says_so_and_has_a_key_of_its_own() -> None:
    whole = mnist()
    some = subset(whole, 100, 3)
    assert some.n_samples == 100
    assert some.labels is not None
    np.testing.assert_array_equal(np.bincount(some.labels), np.full(10, 10))
    rows = np.searchsorted(whole.index, some.index)
    np.testing.assert_array_equal(whole.Y[rows], some.Y)
    assert len({whole.key, some.key, subset(whole, 100, 4).key, subset(whole, 101, 3).key}) == 4
    assert "100 of 600 tokens, class-balanced, drawn with seed 3" in subset_sentence(whole, 100, 3)
    assert subset_sentence(whole, 100, 3) in some.source
    assert subset(whole, 600, 3) is whole
    assert subset_sentence(whole, 600, 3) == "all 600 tokens"
