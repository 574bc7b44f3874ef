"""Attention as a graph, against the dense matrix A."""

from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from dr_transformer import Config, Dataset, InputError, load, unroll
from dr_transformer.methods.graph import KNNGraph, knn_graph
from dr_transformer.theory import attention_graph
from dr_transformer.theory.attention_graph import (
    attention_blocks,
    attention_image,
    class_order,
    fiedler_order,
    most_attended,
)
from dr_transformer.theory.attention_graph import attention_graph as graph_of

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = [
    {"alpha": 30.0},
    {"alpha": 5.0, "mask_self": False},
    {"alpha": 20.0, "n_heads": 4},
]


@cache
def digits() -> Dataset:
    return load("digits", 300)


@cache
def pixel_graph() -> KNNGraph:
    return knn_graph(digits().Y, 10)


@cache
def latents(block: int = 0, precision: str = "float64") -> Tensor:
    config = Config(n_components=16, n_blocks=max(1, block), precision=precision)
    return next(s.X for s in unroll(digits().Y, config) if s.ends_block and s.block == block)


@pytest.fixture(autouse=True)
def _many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention_graph, "_BLOCK_BYTES", 300 * 8 * 37)


def dense(X: Tensor, alpha: float, n_heads: int = 1, mask_self: bool = True) -> np.ndarray:
    """A by its definition, (n, n), the mean over heads."""
    total = np.zeros((len(X), len(X)))
    for X_h in X.double().chunk(n_heads, dim=1):
        logits = alpha * len(X) / X_h.shape[1] * X_h @ X_h.T
        if mask_self:
            logits.fill_diagonal_(-torch.inf)
        total += torch.softmax(logits, dim=1).numpy()
    return total / n_heads


@pytest.mark.parametrize("settings", SETTINGS)
def test_blocks_are_a(settings: dict) -> None:
    blocks = list(attention_blocks(latents(), **settings))
    assert len(blocks) == 9
    np.testing.assert_allclose(np.concatenate([A for _, A in blocks]), dense(latents(), **settings), atol=1e-14)
    assert [rows.start for rows, _ in blocks] == list(range(0, 300, 37))


@pytest.mark.parametrize("settings", SETTINGS)
def test_most_attended_are_the_largest_entries(settings: dict) -> None:
    A = dense(latents(), **settings)
    tokens = np.array([299, 0, 17])
    neighbours, weights = most_attended(latents(), tokens, 6, **settings)
    np.testing.assert_array_equal(neighbours, np.argsort(-A[tokens], axis=1)[:, :6])
    np.testing.assert_allclose(weights, -np.sort(-A[tokens], axis=1)[:, :6], rtol=1e-12)


@pytest.mark.parametrize("settings", SETTINGS)
def test_figures_of_the_graph(settings: dict) -> None:
    A, true = dense(latents(), **settings), pixel_graph().indices
    found = graph_of(latents(), pixel_graph(), **settings)
    np.testing.assert_array_equal(found.neighbours, np.argsort(-A, axis=1)[:, :10])
    np.testing.assert_allclose(found.weights, np.take_along_axis(A, found.neighbours, axis=1), rtol=1e-12)
    np.testing.assert_allclose(found.entropy, -np.where(A > 0, A * np.log(np.maximum(A, 1e-300)), 0).sum(axis=1))
    np.testing.assert_allclose(found.effective, np.exp(found.entropy))
    np.testing.assert_allclose(found.mass, np.take_along_axis(A, true, axis=1).sum(axis=1), rtol=1e-12)
    overlap = [len(set(a) & set(b)) / 10 for a, b in zip(found.neighbours, true, strict=True)]
    np.testing.assert_allclose(found.overlap, overlap)


def test_alpha_moves_the_mass_but_not_the_neighbours() -> None:
    soft, sharp = (graph_of(latents(), pixel_graph(), alpha=alpha) for alpha in (5, 30))
    np.testing.assert_array_equal(soft.neighbours, sharp.neighbours)
    np.testing.assert_array_equal(soft.overlap, sharp.overlap)
    assert soft.mass.mean() < 0.7 * sharp.mass.mean()
    assert soft.effective.mean() > 2 * sharp.effective.mean()


def test_attention_forgets_the_pixels_graph_with_depth() -> None:
    """MNIST, n = 2 000, blocks 0, 4, 8: of 15 neighbours 61, 47, 37 % are most attended; the mass falls much faster."""
    graph = knn_graph(load("mnist", 2000).Y, 15)
    ends = [s.X for s in unroll(load("mnist", 2000).Y, Config()) if s.ends_block and s.block in (0, 4, 8)]
    found = [graph_of(X, graph, alpha=30) for X in ends]
    np.testing.assert_allclose([f.overlap.mean() for f in found], [0.61, 0.47, 0.37], atol=0.02)
    np.testing.assert_allclose([f.mass.mean() for f in found], [0.62, 0.25, 0.11], atol=0.02)
    np.testing.assert_allclose([np.median(f.effective) for f in found], [32, 175, 639], rtol=0.1)


def test_the_image_of_few_tokens_is_a_in_that_order() -> None:
    order = np.random.RandomState(0).permutation(300)
    found = attention_image(latents(), order, alpha=30, size=300)
    np.testing.assert_allclose(found, dense(latents(), 30)[np.ix_(order, order)], atol=1e-14)


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("size", [7, 100, 151])
def test_a_smaller_image_has_sums_over_columns_and_means_over_rows(size: int, settings: dict) -> None:
    order = np.random.RandomState(1).permutation(300)
    A = dense(latents(), **settings)[np.ix_(order, order)]
    edges = np.arange(size + 1) * 300 // size
    runs = [slice(*ends) for ends in pairwise(edges)]
    found = attention_image(latents(), order, size=size, **settings)
    expected = [[A[r, c].sum(axis=1).mean() for c in runs] for r in runs]
    np.testing.assert_allclose(found, expected, atol=1e-14)
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_ordered_by_class_the_image_has_blocks() -> None:
    """44 % of the attention stays within the class, where chance has 10 %; another order does not show it."""
    labels = digits().labels
    assert labels is not None
    order = class_order(labels)
    assert (np.diff(labels[order]) >= 0).all()
    image = attention_image(latents(4), order, alpha=30, size=10)  # 30 tokens of each class
    assert np.diagonal(image).mean() > 0.4
    mixed = attention_image(latents(4), np.random.RandomState(0).permutation(300), alpha=30, size=10)
    assert np.diagonal(mixed).mean() < 0.15


def test_spectral_order_puts_neighbours_near_each_other() -> None:
    order = fiedler_order(pixel_graph())
    place = np.argsort(order)
    apart = np.abs(place[:, None] - place[pixel_graph().indices]).mean()
    assert apart < 60 < 100  # the mean of a random order
    labels = digits().labels
    assert labels is not None
    both = class_order(labels, within=order)
    assert (np.diff(labels[both]) >= 0).all()
    for label in range(10):
        np.testing.assert_array_equal(both[labels[both] == label], order[labels[order] == label])


def test_spectral_order_goes_part_by_part() -> None:
    rng = np.random.RandomState(0)
    rows = np.concatenate([rng.normal(size=(20, 3)), 100 + rng.normal(size=(30, 3))])
    order = fiedler_order(knn_graph(rows[rng.permutation(50)], 4))
    assert len(set(order)) == 50
    graph = knn_graph(rows, 4)
    assert (fiedler_order(graph)[:30] >= 20).all()  # the larger part first


def test_bad_input_is_a_sentence() -> None:
    X, stop = latents(), Exception("stop")
    for bad, message in (
        (lambda: most_attended(X, np.array([300]), 3, alpha=1), "no token 300"),
        (lambda: most_attended(X, np.array([-1, 5]), 3, alpha=1), "no token -1: they are counted from 0 to 299"),
        (lambda: most_attended(X, np.array([5, 300, -1]), 3, alpha=1), "no token 300: they"),
        (lambda: most_attended(X, np.array([0]), 300, alpha=1), "has 299 others"),
        (lambda: graph_of(X[:20], pixel_graph(), alpha=1), "of 300 tokens, but the latents are of 20"),
        (lambda: attention_image(X, np.zeros(300, dtype=np.intp), alpha=1), "each of the 300 tokens once"),
    ):
        with pytest.raises(InputError, match=message):
            bad()

    def check() -> None:
        raise stop

    runs: list[Callable[[], object]] = [
        lambda: graph_of(X, pixel_graph(), alpha=1, check=check),
        lambda: attention_image(X, np.arange(300), alpha=1, check=check),
    ]
    for run in runs:
        with pytest.raises(Exception, match="stop") as raised:
            run()
        assert raised.value is stop
