"""`PCA` and `UMAP` as scikit-learn citizens: the libraries' results, and the table of the page "Compare"."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future

import numpy as np
import pytest
import sklearn.decomposition
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.estimator_checks import check_estimator

from dr_transformer import PCA, UMAP, InputError, LaplacianEigenmaps, load
from dr_transformer.config import BaselineConfig, Config
from dr_transformer.engine.baselines import BaselineRun
from dr_transformer.estimators import baselines as baseline_estimators
from dr_transformer.methods.graph import knn_graph
from dr_transformer.methods.graph_store import GraphStore
from dr_transformer.methods.umap_worker import UMAPWorker
from dr_transformer.quality.scores import Reference, quality
from tests.helpers.machine import DEVICES
from tests.helpers.plain_scores import trustworthiness

DIGITS = load("mnist", 500)


# --- PCA --------------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")  # array API check: needs SCIPY_ARRAY_API
@pytest.mark.parametrize("settings", [{}, {"n_components": 1}])
def test_pca_passes_scikit_learns_checks(settings: dict) -> None:
    results = check_estimator(PCA(**settings))
    assert {result["status"] for result in results} == {"passed", "skipped"}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("n", [100, 500])  # fewer tokens than pixels; more would be the other solver
def test_pca_is_scikit_learns(n: int, device: str) -> None:
    Y, new = DIGITS.Y[:n], load("mnist", 60, random_state=1).Y
    theirs = sklearn.decomposition.PCA(4, svd_solver="full")
    expected = theirs.fit_transform(Y / 255)
    model = PCA(4, device=device).fit(Y)
    np.testing.assert_allclose(model.embedding_, expected, atol=1e-9)  # the signs as well
    np.testing.assert_allclose(model.components_, theirs.components_, atol=1e-9)
    np.testing.assert_allclose(model.mean_, theirs.mean_, atol=1e-12)
    np.testing.assert_allclose(model.explained_variance_ratio_, theirs.explained_variance_ratio_, rtol=1e-9)
    np.testing.assert_allclose(model.transform(new), theirs.transform(new / 255), atol=1e-9)
    np.testing.assert_array_equal(clone(model).fit_transform(Y), model.embedding_)
    assert model.get_feature_names_out().tolist() == ["pca0", "pca1", "pca2", "pca3"]
    assert (model.n_features_in_, model.embedding_.dtype) == (784, np.float64)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("shape", [(60, 8), (8, 60)])  # either solver
def test_the_axes_of_pca_have_one_sign(shape: tuple[int, int], device: str) -> None:
    X = np.random.default_rng(0).normal(size=shape)
    for data in (X, X[::-1], -X):
        model = PCA(3, device=device).fit(data)
        largest = np.abs(model.components_).argmax(axis=1)
        assert (model.components_[range(3), largest] > 0).all()
        np.testing.assert_allclose(model.transform(data), model.embedding_, atol=1e-12)
        np.testing.assert_allclose(model.components_ @ model.components_.T, np.eye(3), atol=1e-12)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"n_components": 0}, "n_components must be at least 1, but is 0"),
        ({"n_components": 2.5}, "n_components must be a whole number, but is 2.5"),
        ({"n_components": 4}, "n_components = 4 is not possible for PCA of 40 tokens of 3 values; choose from 1 to 3"),
        ({"device": "tpu"}, "device must be 'auto'"),
    ],
)
def test_bad_parameters_of_pca_are_sentences(settings: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        PCA(**settings).fit(np.random.default_rng(0).normal(size=(40, 3)))


# --- UMAP -------------------------------------------------------------------------------------------------------------

ONE = "sets n_components = 1, which the app's layouts do not have: refused, with a sentence"
EXPECTED = dict.fromkeys(
    [
        "check_dont_overwrite_parameters",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
        "check_fit2d_1feature",
        "check_fit2d_predict1d",
    ],
    ONE,
)


class Shared(UMAP):
    """`UMAP` that need not start a process for each fit of the many, and is quick."""

    worker: UMAPWorker

    def fit(self, X, y=None):
        return super().fit(X, y, worker=self.worker)

    def transform(self, X):
        return super().transform(X, worker=self.worker)

    def _settings(self, **changes):
        return super()._settings(**{"n_epochs": 3} | changes)


class Forgiving(Shared):
    """Reads n_components = 1 as 2."""

    def _settings(self, **changes):
        return super()._settings(n_components=max(self.n_components, 2), **changes)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.EstimatorCheckFailedWarning")  # the expected ones
def test_umap_passes_scikit_learns_checks(worker: UMAPWorker) -> None:
    Shared.worker = worker
    results = check_estimator(Shared(), expected_failed_checks=EXPECTED)
    failed = {r["check_name"]: str(r["exception"]) for r in results if r["status"] == "xfail"}
    assert failed.keys() == EXPECTED.keys()  # a check that came to pass must leave the list
    assert all("n_components must be at least 2" in sentence for sentence in failed.values())


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_umap_passes_the_other_checks_in_two_dimensions(worker: UMAPWorker) -> None:
    Shared.worker = worker
    results = check_estimator(Forgiving())
    assert {r["check_name"] for r in results if r["status"] == "passed"} >= EXPECTED.keys()


@pytest.mark.slow
def test_umap_is_umap_learns(worker: UMAPWorker, umap_learn: Callable[..., Future[np.ndarray]]) -> None:
    """To the last bit on the same graph.

    On its own graph, which has the same neighbours, rounding grows over the epochs: as good a layout, but on some
    processors another one.
    """
    graph = knn_graph(DIGITS.Y, 10)
    settings = {"n_neighbors": 11, "min_dist": 0.3, "n_epochs": 60, "random_state": 7}
    own = np.arange(500)[:, None]
    indices = np.hstack([own, graph.indices]).astype(np.int32)
    distances = np.hstack([np.zeros((500, 1), np.float32), graph.distances])
    X = (DIGITS.Y / 255).astype(np.float32)
    theirs = umap_learn(X, precomputed_knn=(indices, distances), **settings)
    alone = umap_learn(X, **settings)
    model = UMAP(**settings).fit(DIGITS.Y, graph=knn_graph(DIGITS.Y, 20), worker=worker)
    np.testing.assert_array_equal(model.embedding_, theirs.result())
    good, other = (trustworthiness(X, layout) for layout in (model.embedding_, alone.result()))
    assert min(good, other) > 0.9
    assert good == pytest.approx(other, abs=0.03)
    np.testing.assert_array_equal(model.graph_.indices, graph.indices)
    np.testing.assert_array_equal(clone(model).fit_transform(DIGITS.Y, worker=worker), model.embedding_)
    assert (model.embedding_.dtype, model.n_features_in_, model.messages_) == (np.float32, 784, ())
    assert model.get_feature_names_out().tolist() == ["umap0", "umap1"]
    assert model.seconds_ > 0


@pytest.mark.slow
def test_new_rows_are_laid_out_as_umap_learn_does(
    worker: UMAPWorker, umap_learn: Callable[..., Future[np.ndarray]]
) -> None:
    """The same neighbours, with distances rounded otherwise, give most the same place, some another one nearby.

    Fitted rows keep their places, whatever their dtype.
    """
    fitted, new = DIGITS.Y[:400], DIGITS.Y[400:]
    graph, settings = knn_graph(fitted, 10), {"n_neighbors": 11, "n_epochs": 60, "random_state": 7}
    own = np.arange(400)[:, None]
    indices = np.hstack([own, graph.indices]).astype(np.int32)
    distances = np.hstack([np.zeros((400, 1), np.float32), graph.distances])
    X, new_X = ((rows / 255).astype(np.float32) for rows in (fitted, new))
    theirs = umap_learn(X, transform=new_X, precomputed_knn=(indices, distances), **settings)
    model = UMAP(**settings).fit(fitted, graph=graph, worker=worker)
    found = model.transform(DIGITS.Y, worker=worker)
    assert (found.dtype, found.shape) == (np.float32, (500, 2))
    np.testing.assert_array_equal(found[:400], model.embedding_)
    apart = np.abs(found[400:] - theirs.result()).max(axis=1)
    assert np.median(apart) < 1e-5
    assert apart.max() < 0.2 * np.ptp(model.embedding_, axis=0).max(), np.sort(apart)
    np.testing.assert_array_equal(model.transform(fitted[::-1].astype(float), worker=worker), model.embedding_[::-1])
    same = knn_accuracy_of_new(model.embedding_, found[400:], DIGITS.labels[:400], DIGITS.labels[400:])
    assert same > 0.6, same


def knn_accuracy_of_new(places: np.ndarray, new: np.ndarray, labels: np.ndarray, expected: np.ndarray) -> float:
    """The share of new rows whose five nearest fitted ones have their label."""
    return float(KNeighborsClassifier(5).fit(places, labels).score(new, expected))


def test_umap_closes_its_process_and_leaves_a_shared_one(worker: UMAPWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[UMAPWorker] = []

    class Watched(UMAPWorker):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    monkeypatch.setattr(baseline_estimators, "UMAPWorker", Watched)
    X = np.random.default_rng(0).normal(size=(60, 3))
    alone = UMAP(n_epochs=5).fit_transform(X)
    (own,) = made
    with pytest.raises(RuntimeError, match="closed"):
        own.warm()
    with pytest.raises(ProcessLookupError):
        os.kill(own.pid or 0, 0)
    np.testing.assert_array_equal(UMAP(n_epochs=5).fit_transform(X, worker=worker), alone)
    assert len(made) == 1
    os.kill(worker.pid or 0, 0)  # it lives


def test_fewer_neighbours_than_asked_for_are_said(worker: UMAPWorker) -> None:
    X = np.random.default_rng(0).normal(size=(10, 3))
    model = UMAP(n_epochs=5).fit(X, worker=worker)
    assert model.messages_[0] == "n_neighbors is 9, the most of 10 tokens."
    assert model.graph_.n_neighbors == 8
    same = UMAP(n_epochs=5, n_neighbors=9).fit(X, worker=worker)
    np.testing.assert_array_equal(same.embedding_, model.embedding_)
    assert len(same.messages_) == len(model.messages_) - 1


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"n_components": 1}, "n_components must be at least 2, but is 1"),
        ({"n_components": 39}, "a UMAP of 40 tokens has at most 38 dimensions"),
        ({"n_neighbors": 1}, "n_neighbors must be at least 2"),
        ({"min_dist": -1}, "min_dist must be at least 0"),
        ({"n_epochs": 0}, "n_epochs must be at least 1"),
        ({"random_state": "seed"}, "random_state must be a whole number"),
    ],
)
def test_bad_parameters_of_umap_are_sentences(settings: dict, sentence: str, worker: UMAPWorker) -> None:
    with pytest.raises(InputError, match=sentence):
        UMAP(**settings).fit(np.random.default_rng(0).normal(size=(40, 3)), worker=worker)


def test_a_graph_of_other_data_is_refused(worker: UMAPWorker) -> None:
    X = np.random.default_rng(0).normal(size=(40, 3))
    with pytest.raises(InputError, match="the kNN graph is of 30 tokens, not of these 40"):
        UMAP().fit(X, graph=knn_graph(X[:30], 20), worker=worker)
    with pytest.raises(InputError, match="the kNN graph has 5 neighbours of each token"):
        UMAP().fit(X, graph=knn_graph(X, 5), worker=worker)
    with pytest.raises(NotFittedError):
        PCA().transform(X)


X = np.random.default_rng(0).normal(size=(120, 6))
CLONES = {
    "parts of copies": (np.repeat(X[:30], 8, axis=0), 5),
    "many parts": (np.repeat(X[:60], 20, axis=0), 10),
    "copies that are joined": (np.repeat(X[:60], 4, axis=0), 12),
}


@pytest.mark.parametrize("clones", CLONES)
def test_a_seed_gives_the_same_layout_of_many_copies(clones: str, worker: UMAPWorker) -> None:
    """Lanczos begins again with a random vector in a graph of copies: it is drawn from the seed."""
    rows, k = CLONES[clones]
    first, second = (UMAP(n_neighbors=k, n_epochs=20).fit(rows, worker=worker) for _ in range(2))
    assert np.isfinite(first.embedding_).all()
    np.testing.assert_array_equal(first.embedding_, second.embedding_)
    other = UMAP(n_neighbors=k, n_epochs=20, random_state=1).fit_transform(rows, worker=worker)
    assert np.abs(other - first.embedding_).max() > 0.1


def test_a_layout_of_equal_rows_says_that_it_is_chance(worker: UMAPWorker) -> None:
    equal = UMAP(n_epochs=5).fit(np.tile(X[0], (60, 1)), worker=worker)
    assert (
        equal.messages_[0] == "All tokens are equal, so where the layout puts them is chance; give tokens that differ."
    )
    copies = UMAP(n_neighbors=5, n_epochs=5).fit(np.repeat(X[:30], 8, axis=0), worker=worker)
    assert copies.messages_[0].startswith("The nearest neighbours of every token are copies of it")
    assert UMAP(n_epochs=5).fit(X, worker=worker).messages_ == ()


@pytest.mark.parametrize("case", ["× 1e-200", "× 1e155", "× 1e300", "float32 × 1e20", "a far row", "a very far row"])
def test_a_layout_is_free_of_scale(case: str, worker: UMAPWorker) -> None:
    """Not to the last bit: umap-learn looks for distances' scales by halving, to five digits, and what is left grows.

    Layouts of ten seeds are trusted to 0.88 to 0.92, layouts by chance to 0.50 to 0.53.
    """
    settings = {"n_neighbors": 10, "n_epochs": 60}
    rows, core = X.copy(), np.arange(120) != 7
    if "far" in case:
        rows[7] = 1e300 if "very" in case else 1e20
    elif case == "float32 × 1e20":
        rows = (X * 1e20).astype(np.float32)
    else:
        rows = X * float(case.removeprefix("× "))
    found = UMAP(**settings).fit(rows, worker=worker).embedding_
    assert np.isfinite(found).all()
    assert np.ptp(found[core], axis=0).max() < 20
    assert trustworthiness(X[core], found[core]) > 0.82


# --- the table --------------------------------------------------------------------------------------------------------


def test_the_table_of_compare_can_be_had_from_the_estimators(worker: UMAPWorker) -> None:
    """The figures that the page shows of its three baselines, one by one."""
    baselines, config = BaselineConfig(), Config(device="cpu")
    run = BaselineRun(DIGITS, config, baselines, GraphStore(), worker, owners={"a"})
    run.work()
    assert run.complete
    reference = Reference.of(DIGITS.Y, DIGITS.labels)
    maps = LaplacianEigenmaps(device="cpu").fit(DIGITS.Y)
    k = baselines.n_neighbors + 1  # itself included
    found = {
        "laplacian": maps.embedding_,
        "pca": PCA(device="cpu").fit_transform(DIGITS.Y),
        "umap": UMAP(n_neighbors=k).fit_transform(DIGITS.Y, graph=maps.graph_, worker=worker),
    }
    for name, embedding in found.items():
        shown = run.methods[name].quality
        assert shown is not None
        assert quality(embedding, reference).figures == pytest.approx(shown.figures, abs=1e-9), name


@pytest.mark.parametrize("before", ["", "import dr_transformer.quality; "])
def test_quality_is_the_module_whatever_was_imported_before(before: str) -> None:
    code = f"{before}from dr_transformer import quality; print(quality.__name__, quality.Reference.__name__)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["dr_transformer.quality", "Reference"]
