"""Laplacian Eigenmaps against spectra known by formula, a dense solver, and scikit-learn."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, sparse
from scipy.sparse.linalg import eigsh
from scipy.stats import ortho_group
from sklearn.manifold import SpectralEmbedding

from dr_transformer import InputError, load
from dr_transformer.methods import spectrum
from dr_transformer.methods.graph import KNNGraph, adjacency, knn_graph
from dr_transformer.methods.spectrum import Eigenmaps, laplacian_eigenmaps


def ring(n: int) -> KNNGraph:
    i = np.arange(n)
    return KNNGraph(np.column_stack([(i - 1) % n, (i + 1) % n]), np.ones((n, 2), dtype=np.float32))


def path(n: int) -> tuple[sparse.csr_array, np.ndarray]:
    """The normalised adjacency of a path, and √degree."""
    W = sparse.diags_array([np.ones(n - 1), np.ones(n - 1)], offsets=[-1, 1]).tocsr()
    roots = np.sqrt(W.sum(axis=1))
    return sparse.csr_array(W / roots[:, None] / roots), roots


@cache
def mnist(n: int) -> KNNGraph:
    return knn_graph(load("mnist", n).Y, 15)


def laplacian(graph: KNNGraph) -> np.ndarray:
    W = adjacency(graph).toarray()
    roots = np.sqrt(W.sum(axis=1))
    return np.eye(len(W)) - W / roots[:, None] / roots


@pytest.mark.parametrize("n", [8, 61, 1000, 3000])  # dense, Lanczos, and where its gaps are too small for it
def test_ring(n: int) -> None:
    """λ_j = 1 − cos(2πj/n), each twice; every pair of coordinates is a circle."""
    found = laplacian_eigenmaps(ring(n), 4)
    expected = 1 - np.cos(2 * np.pi * np.array([1, 1, 2, 2]) / n)
    np.testing.assert_allclose(found.eigenvalues, expected, rtol=1e-6, atol=1e-13)
    j = np.arange(n)
    first = np.column_stack([np.cos(2 * np.pi * j / n), np.sin(2 * np.pi * j / n)]) * np.sqrt(2 / n)
    assert linalg.subspace_angles(found.eigenvectors[:, :2], first).max() < 1e-6
    np.testing.assert_allclose(np.linalg.norm(found.embedding[:, :2], axis=1), 1 / np.sqrt(n), rtol=1e-6)


@pytest.mark.parametrize("n", [5, 200, 3000])
def test_path(n: int) -> None:
    """λ_j = 1 − cos(πj/(n − 1)), eigenvectors cos(πji/(n − 1)) √degree."""
    P, roots = path(n)
    mu, U = spectrum._modes(P, roots, 3, np.random.RandomState(0))
    j, i = np.arange(1, 4), np.arange(n)
    np.testing.assert_allclose(1 - mu, 1 - np.cos(np.pi * j / (n - 1)), rtol=1e-6, atol=1e-13)
    expected = np.cos(np.pi * i[:, None] * j / (n - 1)) * roots[:, None]
    np.testing.assert_allclose(np.abs((U * expected).sum(axis=0)) / np.linalg.norm(expected, axis=0), 1, rtol=1e-9)


def test_complete_graph() -> None:
    """All non-zero eigenvalues are n/(n − 1)."""
    graph = knn_graph(np.random.default_rng(0).normal(size=(12, 3)), 11)
    np.testing.assert_allclose(laplacian_eigenmaps(graph, 11).eigenvalues, 12 / 11)


def test_dense_solver_agrees() -> None:
    graph = mnist(400)
    values, vectors = np.linalg.eigh(laplacian(graph))
    assert abs(values[0]) < 1e-12
    for k in (1, 2, 10):
        found = laplacian_eigenmaps(graph, k)
        np.testing.assert_allclose(found.eigenvalues, values[1 : k + 1], atol=1e-12)
        np.testing.assert_allclose(np.abs((found.eigenvectors * vectors[:, 1 : k + 1]).sum(axis=0)), 1, atol=1e-9)


def test_factorisation_agrees_with_lanczos(monkeypatch: pytest.MonkeyPatch) -> None:
    lanczos = laplacian_eigenmaps(mnist(1000), 3)
    monkeypatch.setattr(spectrum, "_RESTARTS", 1)
    ways = []
    monkeypatch.setattr(spectrum, "eigsh", lambda *args, **how: ways.append(how["which"]) or eigsh(*args, **how))
    factorised = laplacian_eigenmaps(mnist(1000), 3)
    assert ways == ["LA", "LM"]
    np.testing.assert_allclose(factorised.eigenvalues, lanczos.eigenvalues, atol=1e-12)
    np.testing.assert_allclose(factorised.embedding, lanczos.embedding, atol=1e-10)


def test_the_embedding_is_scikit_learns() -> None:
    """Same graph (a point counts among its own neighbours there), same scaling, same signs."""
    Y = load("mnist", 2000).Y
    theirs = SpectralEmbedding(3, affinity="nearest_neighbors", n_neighbors=16, eigen_solver="arpack", random_state=0)
    expected = theirs.fit_transform(Y / 255)
    np.testing.assert_allclose(laplacian_eigenmaps(mnist(2000), 3).embedding, expected, atol=1e-10)


def test_scalings() -> None:
    graph = mnist(400)
    plain, probdr = laplacian_eigenmaps(graph, 4), laplacian_eigenmaps(graph, 4, beta=2.5)
    X = plain.embedding
    np.testing.assert_allclose(X.T @ (plain.degrees[:, None] * X), np.eye(4), atol=1e-12)
    np.testing.assert_allclose(plain.degrees, adjacency(graph).sum(axis=1))
    assert (X[np.abs(X).argmax(axis=0), range(4)] > 0).all()
    np.testing.assert_array_equal(probdr.eigenvectors, plain.eigenvectors)
    X = probdr.embedding
    np.testing.assert_allclose(X.T @ X, np.diag(1 / plain.eigenvalues - 2.5), atol=1e-10)
    # The maximum of the model's likelihood: there the gradient 2 (L − (XXᵀ + βI)⁻¹) X vanishes
    inverse = np.linalg.inv(X @ X.T + 2.5 * np.eye(len(X)))
    np.testing.assert_allclose(laplacian(graph) @ X, inverse @ X, atol=1e-12)


def test_the_seed_only_rounds() -> None:
    first, again, other = (laplacian_eigenmaps(mnist(1000), 3, random_state=seed).embedding for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(first, other, atol=1e-10)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(30, 320), k=st.integers(6, 12))
def test_permutation_and_rotation_of_the_data(seed: int, n: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    X, order = rng.normal(size=(n, 3)), rng.permutation(n)
    plain = laplacian_eigenmaps(knn_graph(X, k), 2)
    permuted = laplacian_eigenmaps(knn_graph(X[order], k), 2)
    turned = laplacian_eigenmaps(knn_graph(X @ ortho_group.rvs(3, random_state=rng) + 5, k), 2)
    for other, rows in ((permuted, order), (turned, np.arange(n))):
        np.testing.assert_allclose(other.eigenvalues, plain.eigenvalues, atol=1e-12)
        if np.diff(np.append(0, laplacian_eigenmaps(knn_graph(X, k), 3).eigenvalues)).min() > 1e-3:
            np.testing.assert_allclose(other.embedding, plain.embedding[rows], atol=1e-9)


# --- graphs in parts --------------------------------------------------------------------------------------------------


def two_parts() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(300, 3)), rng.normal(size=(40, 3)) + 100


def test_two_parts_each_have_their_own_coordinates() -> None:
    """The spectrum is the union of the parts' spectra; both zeros are left out."""
    parts = two_parts()
    order = np.random.default_rng(1).permutation(340)
    found = laplacian_eigenmaps(knn_graph(np.concatenate(parts)[order], 6), 8)
    alone = [laplacian_eigenmaps(knn_graph(part, 6), 8) for part in parts]
    union = np.sort(np.concatenate([one.eigenvalues for one in alone]))[:8]
    np.testing.assert_allclose(found.eigenvalues, union, atol=1e-12)
    np.testing.assert_array_equal(found.parts, order >= 300)
    belongs = np.array([(found.eigenvectors[found.parts == p] != 0).any(axis=0) for p in (0, 1)])
    assert (belongs.sum(axis=0) == 1).all()
    assert belongs.sum(axis=1).min() >= 1
    X = found.embedding
    np.testing.assert_allclose(X.T @ (found.degrees[:, None] * X), np.eye(8), atol=1e-12)
    np.testing.assert_allclose(laplacian(knn_graph(np.concatenate(parts), 6)) @ found.eigenvectors[np.argsort(order)],
                               found.eigenvectors[np.argsort(order)] * found.eigenvalues, atol=1e-10)  # fmt: skip
    assert found.messages == (
        "The graph of 6 neighbours falls into 2 parts (of 300, 40 tokens): each coordinate tells tokens of one part "
        "apart and is 0 on the others; more neighbours may join them.",
    )


def test_a_small_part_does_not_spoil_the_large_one() -> None:
    large, small = two_parts()
    alone = laplacian_eigenmaps(knn_graph(large, 6), 2)
    found = laplacian_eigenmaps(knn_graph(np.concatenate([large, small[:9]]), 6), 2)
    np.testing.assert_allclose(found.embedding[:300], alone.embedding, atol=1e-12)
    assert (found.embedding[300:] == 0).all()
    assert found.messages[1] == "9 tokens are in parts without a coordinate among these, and lie at the origin."
    assert alone.messages == ()


def test_copies() -> None:
    """A part of copies of one token gets no coordinate, though its Laplacian has eigenvectors."""
    large, _ = two_parts()
    found = laplacian_eigenmaps(knn_graph(np.concatenate([large, np.full((30, 3), 50.0)]), 6), 2)
    alone = laplacian_eigenmaps(knn_graph(large, 6), 2)
    np.testing.assert_allclose(found.embedding[:300], alone.embedding, atol=1e-12)
    assert (found.embedding[300:] == 0).all()
    assert found.messages[2] == "30 tokens are in parts that consist of copies of a single token."
    np.testing.assert_array_equal(found.shaped, np.arange(330) < 300)
    few = np.concatenate([large, large[:3], large[:3]])  # copies, but fewer than neighbours
    assert laplacian_eigenmaps(knn_graph(few, 6), 2).messages == ()


def test_too_many_parts_for_one_solver_call() -> None:
    """Hundreds of parts: each by itself, and the embedding still solves the whole problem."""
    rng = np.random.default_rng(0)
    X = (1000 * np.arange(300)[:, None] + rng.normal(size=(300, 5)))[:, :, None].reshape(-1, 1)
    graph = knn_graph(X, 2)
    found = laplacian_eigenmaps(graph, 3)
    values = np.linalg.eigvalsh(laplacian(graph))
    assert (values[:300] < 1e-12).all()
    np.testing.assert_allclose(found.eigenvalues, values[300:303], atol=1e-12)
    assert found.parts.max() == 299
    assert "falls into 300 parts (of 5, 5, 5, 5, … tokens)" in found.messages[0]


@pytest.mark.parametrize(
    ("points", "settings", "sentence"),
    [
        (np.arange(10), {"n_components": 10}, "n_components = 10 is more than the 9 non-zero eigenvectors that a graph "
         "of 10 tokens has; choose at most 9, or use more tokens"),
        (np.r_[0:5, 100:105], {"n_components": 9}, "more than the 8 non-zero eigenvectors that a graph of 10 tokens in "
         "2 parts has; choose at most 8, or use more neighbours"),
        (np.arange(10), {"n_components": 0}, "n_components must be at least 1"),
        (np.repeat([1, 2, 3], 8), {}, "the 2 nearest neighbours of every token are exact copies of it"),
        (np.ones(9), {}, "exact copies"),
        (np.arange(10), {"beta": 1e3}, r"beta = 1000 is above 1/λ = 3\.939 of coordinate 2"),
        (np.arange(10), {"beta": -1.0}, "beta must be a number from 0"),
        (np.arange(10), {"beta": float("nan")}, "beta must be a number from 0"),
    ],
)  # fmt: skip
def test_bad_input_is_a_sentence(points: np.ndarray, settings: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        laplacian_eigenmaps(knn_graph(points[:, None].astype(float), 2), **settings)


# --- out of sample ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [None, 1.0])
def test_the_extension_is_exact_for_the_tokens_own_edges(beta: float | None) -> None:
    found = laplacian_eigenmaps(mnist(1000), 5, beta=beta)
    scale = np.abs(found.embedding).max()
    np.testing.assert_allclose(found.extend(adjacency(mnist(1000))), found.embedding, atol=1e-10 * scale)


def test_what_neighbours_do_not_determine_is_refused() -> None:
    """A star: all its eigenvalues but 0 and 2 are 1."""
    indices = np.zeros((6, 1), dtype=np.intp)
    indices[0] = 1
    star: Eigenmaps = laplacian_eigenmaps(KNNGraph(indices, np.ones((6, 1), dtype=np.float32)), 2)
    np.testing.assert_allclose(star.eigenvalues, 1, atol=1e-12)
    with pytest.raises(InputError, match="coordinate 1 cannot be extended to new tokens"):
        star.extend(adjacency(KNNGraph(indices, np.ones((6, 1), dtype=np.float32))))
