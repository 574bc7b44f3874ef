"""`LaplacianEigenmaps` as a scikit-learn citizen, and its `transform` of new tokens."""

import pickle

import numpy as np
import pytest
from scipy import linalg
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.manifold import SpectralEmbedding
from sklearn.utils.estimator_checks import check_estimator

from dr_transformer import InputError, load
from dr_transformer.estimators.laplacian import LaplacianEigenmaps
from dr_transformer.methods.graph import knn_graph
from dr_transformer.methods.spectrum import laplacian_eigenmaps
from tests.helpers.machine import DEVICES


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")  # array API check: needs SCIPY_ARRAY_API
@pytest.mark.parametrize("settings", [{}, {"beta": 0.1}, {"n_neighbors": 3, "n_components": 1}])
def test_check_estimator(settings: dict) -> None:
    results = check_estimator(LaplacianEigenmaps(**settings))
    assert {result["status"] for result in results} == {"passed", "skipped"}


@pytest.mark.parametrize("device", DEVICES)
def test_it_is_the_function_of_the_graph(device: str) -> None:
    Y = load("mnist", 1000).Y
    model = LaplacianEigenmaps(3, n_neighbors=10, beta=0.5, device=device).fit(Y)
    expected = laplacian_eigenmaps(knn_graph(Y, 10), 3, beta=0.5)
    np.testing.assert_array_equal(model.graph_.indices, knn_graph(Y, 10).indices)
    np.testing.assert_allclose(model.embedding_, expected.embedding, atol=1e-12)
    np.testing.assert_allclose(model.eigenvalues_, expected.eigenvalues)
    assert model.n_connected_components_ == 1
    assert model.messages_ == ()
    assert model.n_features_in_ == 784
    assert model.get_feature_names_out().tolist() == [f"laplacianeigenmaps{j}" for j in range(3)]


def test_the_subspace_is_scikit_learns() -> None:
    Y = load("digits").Y
    theirs = SpectralEmbedding(4, affinity="nearest_neighbors", n_neighbors=16, eigen_solver="arpack", random_state=0)
    ours = LaplacianEigenmaps(4).fit_transform(Y)
    # Pixels of 17 levels tie often, and which of two that tie is the nearer is rounding's choice there.
    assert np.cos(linalg.subspace_angles(ours, theirs.fit_transform(Y))).min() > 0.9999


def test_a_graph_at_hand_is_used() -> None:
    Y = load("digits", 300).Y
    graph = knn_graph(Y, 20)
    model = LaplacianEigenmaps(n_neighbors=8)
    np.testing.assert_array_equal(model.fit_transform(Y, graph=graph), clone(model).fit_transform(Y))
    np.testing.assert_array_equal(model.graph_.indices, graph.indices[:, :8])
    other = knn_graph(Y[:, :10], 8)
    assert not np.allclose(clone(model).fit_transform(Y, graph=other), model.embedding_)
    with pytest.raises(InputError, match="the graph is of 300 tokens, but the data have 200"):
        model.fit(Y[:200], graph=graph)
    with pytest.raises(InputError, match="n_neighbors = 21 is not within 1 … 20"):
        LaplacianEigenmaps(n_neighbors=21).fit(Y, graph=graph)


def test_fewer_neighbours_than_asked_for_is_said() -> None:
    X = np.random.default_rng(0).normal(size=(10, 3))
    model = LaplacianEigenmaps(n_neighbors=15).fit(X)
    assert model.graph_.n_neighbors == 9
    assert model.messages_ == ("10 tokens have only 9 others each: n_neighbors is 9.",)


def test_parts_are_reported() -> None:
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(20, 3)) + 100, rng.normal(size=(60, 3))])
    model = LaplacianEigenmaps(n_neighbors=5).fit(X)
    assert model.n_connected_components_ == 2
    assert model.connected_components_.tolist() == [1] * 20 + [0] * 60
    assert "falls into 2 parts (of 60, 20 tokens)" in model.messages_[0]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"n_components": 0}, "n_components must be a whole number from 1, but is 0"),
        ({"n_components": 2.0}, "n_components must be a whole number"),
        ({"n_neighbors": 0}, "n_neighbors must be a whole number from 1, but is 0"),
        ({"n_neighbors": True}, "n_neighbors must be a whole number"),
        ({"n_components": 40}, "more than the 39 non-zero eigenvectors"),
        ({"beta": 1e6}, "beta = 1e\\+06 is above"),
        ({"device": "tpu"}, "device"),
    ],
)
def test_bad_parameters_are_sentences(settings: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        LaplacianEigenmaps(**settings).fit(np.random.default_rng(0).normal(size=(40, 3)))


# --- transform --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_transform_of_fitted_rows_is_their_embedding(dtype: type, device: str) -> None:
    Y = load("mnist", 600).Y
    X = Y if dtype == np.uint8 else (Y / 255).astype(dtype)
    model = LaplacianEigenmaps(3, device=device).fit(X)
    rows = np.random.default_rng(0).permutation(600)[:50]
    np.testing.assert_array_equal(model.transform(X[rows]), model.embedding_[rows])


@pytest.mark.parametrize("beta", [None, 1.0])
def test_a_row_hardly_different_lies_near(beta: float | None) -> None:
    """Not on it: it is a new token beside the other. The figures are those of the docstring."""
    X = load("mnist", 2000).Y / 255
    model = LaplacianEigenmaps(beta=beta).fit(X)
    away = np.linalg.norm(model.transform(X + 1e-7) - model.embedding_, axis=1)
    away /= np.sqrt(model.embedding_.var(axis=0).sum())
    assert np.median(away) == pytest.approx(0.005 if beta is None else 0.017, rel=0.1)
    assert away.max() < 0.14


def test_transform_is_near_what_fitting_all_would_give() -> None:
    X = load("mnist", 2500).Y / 255
    model, whole = LaplacianEigenmaps().fit(X[::2]), LaplacianEigenmaps().fit(X)
    placed = np.empty((2500, 2))
    placed[::2], placed[1::2] = model.embedding_, model.transform(X[1::2])
    turn, size = linalg.orthogonal_procrustes(model.embedding_, whole.embedding_[::2])
    scale = size / np.square(model.embedding_).sum()
    off = np.square(placed @ turn * scale - whole.embedding_) / np.square(whole.embedding_).mean()
    fitted, new = off[::2].mean(), off[1::2].mean()
    assert fitted < 0.15
    assert new < 1.05 * fitted  # what they are off by is the change of the graph, not the extension


def test_transform_by_hand() -> None:
    """The mean of the neighbours, weighted by edges, over μ; with `beta` the same of U, before it is scaled."""
    rng = np.random.default_rng(0)
    X, new = rng.normal(size=(80, 3)), rng.normal(size=(1, 3))
    model = LaplacianEigenmaps(2, n_neighbors=5).fit(X)
    distances = np.linalg.norm(X - new, axis=1)
    weights = 0.5 * (distances <= np.sort(distances)[4]) + 0.5 * (distances <= model.graph_.distances[:, -1])
    mean = weights @ model.embedding_ / weights.sum() / (1 - model.eigenvalues_)
    np.testing.assert_allclose(model.transform(new)[0], mean)
    probdr = LaplacianEigenmaps(2, n_neighbors=5, beta=0.1).fit(X)
    U = mean * np.sqrt(weights.sum())
    np.testing.assert_allclose(probdr.transform(new)[0], U * np.sqrt(1 / model.eigenvalues_ - 0.1))


def test_unfitted_pickled_cloned() -> None:
    X = np.random.default_rng(0).normal(size=(50, 4))
    with pytest.raises(NotFittedError):
        LaplacianEigenmaps().transform(X)
    model = LaplacianEigenmaps(random_state=3).fit(X)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.transform(X + 0.01), model.transform(X + 0.01))
    assert clone(model).get_params() == model.get_params()
