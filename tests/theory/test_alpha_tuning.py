"""α tuned against a reference graph: dense formulas, convexity, and the optimum of MNIST."""

from functools import cache

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from dr_transformer import Config, InputError, load, unroll
from dr_transformer.methods.graph import KNNGraph, adjacency, knn_graph
from dr_transformer.theory import attention_graph
from dr_transformer.theory.alpha_tuning import agreement, random_walk, tune_alpha

pytestmark = pytest.mark.usefixtures("one_thread")


@cache
def start(name: str, n: int, q: int = 128, precision: str = "auto") -> Tensor:
    steps = unroll(load(name, n).Y, Config(n_components=q, precision=precision))
    return next(step.X for step in steps if step.ends_block)


@cache
def pixels(name: str, n: int, k: int = 15) -> KNNGraph:
    return knn_graph(load(name, n).Y, k)


def small() -> tuple[Tensor, KNNGraph]:
    return start("digits", 200, 16, "float64"), pixels("digits", 200, 8)


def dense(X: Tensor, walk: np.ndarray, alpha: float, n_heads: int, mask_self: bool) -> tuple[float, float]:
    """Cross-entropy and mass by their definitions."""
    cross_entropy, mass = 0.0, 0.0
    for X_h in X.chunk(n_heads, dim=1):
        logits = alpha * len(X) / X_h.shape[1] * X_h @ X_h.T
        if mask_self:
            logits.fill_diagonal_(-torch.inf)
        log_A = torch.log_softmax(logits, dim=1).numpy()
        cross_entropy -= float((walk[walk > 0] * log_A[walk > 0]).sum()) / len(X)
        mass += float(np.exp(log_A)[walk > 0].sum()) / len(X)
    return cross_entropy / n_heads, mass / n_heads


@pytest.mark.parametrize("symmetric", [True, False])
def test_the_reference_is_a_random_walk_on_the_graph(symmetric: bool) -> None:
    graph = pixels("digits", 200, 8)
    walk = random_walk(graph, symmetric).toarray()
    np.testing.assert_allclose(walk.sum(axis=1), 1)
    assert np.diagonal(walk).max() == 0
    joined = np.zeros((200, 200), dtype=bool)
    np.put_along_axis(joined, graph.indices, values=True, axis=1)
    np.testing.assert_array_equal(walk > 0, joined | joined.T if symmetric else joined)
    for row in walk:
        assert len(np.unique(row[row > 0])) == 1
    if symmetric:
        np.testing.assert_array_equal(walk > 0, adjacency(graph).toarray() > 0)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize(("n_heads", "mask_self"), [(1, True), (1, False), (4, True)])
def test_agreement_is_the_dense_definition(
    monkeypatch: pytest.MonkeyPatch, symmetric: bool, n_heads: int, mask_self: bool
) -> None:
    monkeypatch.setattr(attention_graph, "_BLOCK_BYTES", 3 * 200 * 8 * 23)
    X, graph = small()
    alphas = [0.5, 10.0, 400.0]
    options = {"symmetric": symmetric, "n_heads": n_heads, "mask_self": mask_self}
    found = agreement(X, graph, alphas, **options)
    walk = random_walk(graph, symmetric).toarray()
    expected = [dense(X, walk, alpha, n_heads, mask_self) for alpha in alphas]
    np.testing.assert_allclose(np.column_stack([found.cross_entropy, found.mass]), expected, rtol=1e-10)
    step = 1e-4
    for alpha, slope in zip(alphas, found.slope, strict=True):
        up, down = agreement(X, graph, [alpha + step, alpha - step], **options).cross_entropy
        assert slope == pytest.approx((up - down) / (2 * step), abs=1e-7)


@pytest.mark.parametrize("n_heads", [1, 2])
def test_cross_entropy_is_convex_in_alpha(n_heads: int) -> None:
    X, graph = small()
    found = agreement(X, graph, list(np.linspace(0.5, 120, 40)), n_heads=n_heads)
    assert (np.diff(found.slope) > 0).all()
    assert (np.diff(found.cross_entropy, 2) > 0).all()


@pytest.mark.parametrize("symmetric", [True, False])
def test_the_optimum_is_refined_between_grid_points(symmetric: bool) -> None:
    X, graph = small()
    walk = random_walk(graph, symmetric).toarray()
    best = minimize_scalar(lambda a: dense(X, walk, a, 1, True)[0], bounds=(1, 100), method="bounded").x
    for alphas in ([1, 10, 100], [2, 5, 8, 20, 50, 300], list(np.arange(1, 60, 2.5))):
        curve = tune_alpha(X, graph, alphas, symmetric=symmetric)
        assert curve.inside
        assert curve.best == pytest.approx(best, rel=2e-3)
        assert (curve.best_cross_entropy, curve.best_mass) == pytest.approx(dense(X, walk, curve.best, 1, True))
        assert curve.best_cross_entropy <= curve.agreement.cross_entropy.min()
        np.testing.assert_array_equal(curve.alphas, alphas)


@pytest.mark.parametrize(("alphas", "end"), [([1, 2, 3], 3), ([80, 100, 200], 80)])
def test_an_optimum_beyond_the_grid_is_said_to_be(alphas: list[float], end: float) -> None:
    X, graph = small()
    curve = tune_alpha(X, graph, alphas)
    assert not curve.inside
    assert curve.best == end
    assert curve.best_cross_entropy == curve.agreement.cross_entropy.min()


@pytest.mark.parametrize(("n", "best"), [(1000, 17.4), (2000, 20.7)])
def test_the_optimum_for_mnist(n: int, best: float) -> None:
    """Of 15, 20, 25, …, 20 is best for 1 000 and 2 000 tokens: the optimum proper grows with n."""
    curve = tune_alpha(start("mnist", n), pixels("mnist", n), [15, 20, 25, 30])
    assert curve.best == pytest.approx(best, abs=0.8)
    assert curve.alphas[curve.agreement.cross_entropy.argmin()] == 20
    directed = tune_alpha(start("mnist", n), pixels("mnist", n), [10, 40], symmetric=False)
    assert directed.best == pytest.approx(curve.best + 2.2, abs=0.6)


def test_the_papers_alpha_is_the_optimum_at_its_n() -> None:
    """MNIST, n = 10 000: the least is between 27.5 and 32.5, and at 30 only 44 % of A lies on true neighbours."""
    found = agreement(start("mnist", 10_000), pixels("mnist", 10_000), [27.5, 30, 32.5])
    assert found.slope[0] < 0 < found.slope[2]
    assert found.cross_entropy[1] == found.cross_entropy.min()
    assert found.mass[1] == pytest.approx(0.44, abs=0.015)


def test_bad_input_is_a_sentence() -> None:
    X, graph = small()
    for alphas in ([0, 1], [-1.0], [float("nan")], []):
        with pytest.raises(InputError, match="alpha"):
            agreement(X, graph, alphas)
    for alphas in ([5], [5, 5], [5, 3]):
        with pytest.raises(InputError, match="ascending"):
            tune_alpha(X, graph, alphas)
    with pytest.raises(InputError, match="of 200 tokens, but the latents are of 100"):
        tune_alpha(X[:100], graph)


def test_check_stops_the_search() -> None:
    X, graph = small()
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > 2:  # within the refinement
            raise InterruptedError

    with pytest.raises(InterruptedError):
        tune_alpha(X, graph, check=check)
    assert calls == 3
