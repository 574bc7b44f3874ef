"""All figures of one embedding: equal to the plain functions, right at the extremes, and never an exception."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.manifold import trustworthiness
from sklearn.metrics import silhouette_score

from dr_transformer import Config, Dataset, InputError, load, unroll
from dr_transformer.quality import metrics
from dr_transformer.quality.metrics import METRICS
from dr_transformer.quality.scores import MAX_SUBSAMPLE, Quality, Reference, quality
from tests.helpers.plain_scores import kmeans_ari, kmeans_nmi, knn_recall

NEIGHBOURHOODS = ("trustworthiness", "continuity", "recall")
LABELLED = ("accuracy", "nmi", "ari", "silhouette")


def blobs(n: int = 300, d: int = 12, q: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Data, a noisy projection of it, and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=n)
    Y = rng.normal(size=(n, d)) + 2 * np.eye(d)[labels]
    return Y, Y[:, :q] + 0.5 * rng.normal(size=(n, q)), labels


def same(a: Quality, b: Quality, names: tuple[str, ...] = tuple(METRICS), tolerance: float = 1e-9) -> None:
    assert [a.figures[n] for n in names] == pytest.approx([b.figures[n] for n in names], abs=tolerance)
    assert None not in [a.figures[n] for n in names]


@pytest.mark.parametrize("size", [150, 1000])
def test_the_figures_are_those_of_the_plain_functions(size: int) -> None:
    Y, X, labels = blobs()
    reference = Reference.of(Y, labels, n_samples=size, n_neighbors=8, random_state=3)
    rows = reference.rows
    np.testing.assert_array_equal(np.sort(rows), metrics.subsample(300, size, 3))
    found = quality(X.astype(np.float32), reference)
    Y, X, labels = Y[rows], X[rows].astype(np.float32).astype(np.float64), labels[rows]
    np.testing.assert_allclose(
        list(found.figures.values()),
        [
            trustworthiness(Y, X, n_neighbors=8),
            trustworthiness(X, Y, n_neighbors=8),
            knn_recall(reference.neighbors, X),
            metrics.knn_accuracy(X, labels),
            kmeans_nmi(X, labels, 3),
            kmeans_ari(X, labels, 3),
            silhouette_score(X, labels),
            metrics.effective_rank(X),
            metrics.mean_cosine(X),
        ],
        rtol=1e-12,
    )
    assert tuple(found.figures) == tuple(METRICS)
    assert found.missing == {}
    sample = "150 of 300 tokens, drawn with seed 3" if size == 150 else "all 300 tokens"
    assert found.sample == sample


def test_a_token_is_no_neighbour_of_itself_even_among_duplicates() -> None:
    reference = Reference.of(np.repeat(np.random.default_rng(0).normal(size=(60, 3)), 4, axis=0))
    assert (reference.neighbors != np.arange(240)[:, None]).all()
    assert (np.diag(reference.ranks) == 0).all()
    np.testing.assert_array_equal(np.sort(reference.ranks, axis=1), np.tile(np.arange(240), (240, 1)))
    assert (reference.rows[reference.neighbors[:, :3]] // 4 == reference.rows[:, None] // 4).all()


def test_pixels_are_pixels() -> None:
    digits = load("digits", 200)
    as_bytes = np.rint(digits.Y * 255).astype(np.uint8)
    as_floats = as_bytes / 255
    X = np.random.default_rng(0).normal(size=(200, 4))
    same(quality(X, Reference.of(as_floats, digits.labels)), quality(X, Reference.of(as_bytes, digits.labels)))


def test_a_perfect_embedding_and_a_random_one() -> None:
    Y, _, labels = blobs(400)
    reference = Reference.of(Y, labels)
    perfect = quality(Y, reference)
    assert [perfect.figures[name] for name in NEIGHBOURHOODS] == [1, 1, 1]
    random = quality(np.random.default_rng(1).normal(size=(400, 5)), reference).figures
    assert random["trustworthiness"] == pytest.approx(0.5, abs=0.03)
    assert random["continuity"] == pytest.approx(0.5, abs=0.03)
    assert random["recall"] == pytest.approx(10 / 399, abs=0.01)
    assert random["accuracy"] == pytest.approx(1 / 3, abs=0.15)
    assert random["nmi"] == pytest.approx(0, abs=0.03)
    assert random["ari"] == pytest.approx(0, abs=0.03)
    assert random["silhouette"] == pytest.approx(0, abs=0.03)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), log_scale=st.floats(-200, 200))
def test_rotation_and_scale_change_nothing(seed: int, log_scale: float) -> None:
    Y, X, labels = blobs(seed=seed)
    rng = np.random.default_rng(seed)
    rotation, other = (np.linalg.qr(rng.normal(size=(k, k)))[0] for k in (5, 12))
    reference, turned = Reference.of(Y, labels), Reference.of(Y @ other * 3 + 1, labels)
    same(quality(X, reference), quality(X @ rotation * 10**log_scale, turned))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_order_of_the_tokens_and_the_names_of_the_classes_change_nothing(seed: int) -> None:
    """Nothing but what is random by nature: the split of the accuracy, and where k-means starts."""
    Y, X, labels = blobs(seed=seed)
    order = np.random.default_rng(seed).permutation(len(Y))
    permuted = quality(X[order], Reference.of(Y[order], 7 - labels[order]))
    same(
        quality(X, Reference.of(Y, labels)), permuted, (*NEIGHBOURHOODS, "silhouette", "effective_rank", "mean_cosine")
    )


def test_data_sorted_by_class_are_split_fairly() -> None:
    labels = np.arange(300) // 60
    X = 5 * np.eye(5)[labels] + np.random.default_rng(0).normal(size=(300, 5))
    assert metrics.knn_accuracy(X, labels) == 0  # fitted on the first four classes, scored on the last
    assert quality(X, Reference.of(X, labels)).figures["accuracy"] == pytest.approx(1, abs=0.05)


def test_what_cannot_be_measured_is_none_with_a_reason() -> None:
    Y, X, _ = blobs()
    without = quality(X, Reference.of(Y))
    assert set(without.missing) == set(LABELLED)
    assert without.missing["nmi"] == "the data have no labels"
    one = quality(X, Reference.of(Y, np.zeros(300, int)))
    assert set(one.missing) == set(LABELLED)
    assert one.missing["silhouette"] == "all tokens are of one class"
    many = quality(X, Reference.of(Y, np.arange(300) // 2))
    assert many.missing == dict.fromkeys(LABELLED, "150 classes are too many for 300 tokens")
    most = quality(X, Reference.of(Y, np.arange(300) % 120))
    assert most.missing == {}
    for result in (without, one, many, most):
        for name in METRICS:
            assert (result.figures[name] is None) == (name in result.missing)


@pytest.mark.parametrize(
    ("X", "reason"),
    [
        (np.zeros((300, 4)), "all tokens lie at one point"),
        (np.full((300, 4), 0.1, np.float32), "all tokens lie at one point"),
        (np.ones((300, 4)) + 1e-16 * np.arange(1200).reshape(300, 4) % 3e-16, "all tokens lie at one point"),
        (np.zeros((300, 2), int), "all tokens lie at one point"),
        (np.where(np.arange(300)[:, None] < 7, np.nan, blobs()[1]), "7 tokens have NaN or infinity"),
        (np.where(np.arange(300)[:, None] < 2, np.inf, blobs()[1]), "2 tokens have NaN or infinity"),
    ],
)
def test_a_useless_embedding_has_no_figures(X: np.ndarray, reason: str) -> None:
    Y, _, labels = blobs()
    found = quality(X, Reference.of(Y, labels))
    assert set(found.figures.values()) == {None}
    assert set(found.missing) == set(METRICS)
    assert all(text.startswith(reason) for text in found.missing.values())


def test_collapse_to_a_few_points_keeps_what_has_meaning() -> None:
    """Two points and three classes: k-means would find two clusters, and warn."""
    Y, _, labels = blobs()
    X = np.eye(4)[np.minimum(labels, 1)]
    for noise in (0, 1e-9):
        found = quality(X + noise * np.random.default_rng(0).normal(size=X.shape), Reference.of(Y, labels))
        assert set(found.missing) == {"nmi", "ari"}
        assert found.missing["ari"] == "the tokens lie at 2 points, too few for 3 clusters"
        assert found.figures["effective_rank"] == pytest.approx(2, abs=0.2)
    X[0] = 0
    found = quality(X, Reference.of(Y, labels))
    assert found.missing == dict.fromkeys(
        ("effective_rank", "mean_cosine"), "1 of the tokens lie at the origin, in no direction"
    )


@pytest.mark.parametrize("n", range(2, 25))
def test_few_tokens(n: int) -> None:
    Y, X, _ = blobs(n)
    found = quality(X, Reference.of(Y, np.arange(n) % 2))
    assert (found.figures["recall"] is None) == (n <= 20)
    assert (found.figures["accuracy"] is None) == (n < 7)
    assert (found.figures["silhouette"] is None) == (n < 5)
    assert (found.figures["nmi"] is None) == (n < 5)
    for name, value in found.figures.items():
        assert (value is None) == (name in found.missing)
        assert value is None or METRICS[name].lowest - 1e-9 <= value <= (METRICS[name].highest or 5) + 1e-9


def test_bad_input_is_a_sentence() -> None:
    Y, X, labels = blobs()
    with pytest.raises(InputError, match="300 rows, but its shape is \\(299, 5\\)"):
        quality(X[1:], Reference.of(Y, labels))
    with pytest.raises(InputError, match="NaN or infinity"):
        Reference.of(np.where(Y > 3, np.nan, Y), labels)
    with pytest.raises(InputError, match="on 2 to 5000 tokens, but here on 1"):
        Reference.of(Y[:1], labels[:1])
    with pytest.raises(InputError, match="but here on 5001"):
        Reference.of(np.zeros((MAX_SUBSAMPLE + 1, 1)), n_samples=MAX_SUBSAMPLE + 1)


def test_cancel_between_the_pieces() -> None:
    Y, X, labels = blobs()
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt

    reference = Reference.of(Y, labels)
    with pytest.raises(KeyboardInterrupt):
        quality(X, reference, check=check)
    calls = 2
    with pytest.raises(KeyboardInterrupt):
        Reference.of(Y, labels, check=check)


@pytest.fixture(scope="module")
def mnist() -> Dataset:
    return load("mnist", 1500)


def test_depth_tightens_clusters_and_costs_neighbours(mnist: Dataset) -> None:
    latents = [step.X.numpy() for step in unroll(mnist.Y, Config(precision="float32")) if step.ends_block]
    reference = Reference.of(mnist.Y, mnist.labels)
    first, last = (quality(latents[block], reference).figures for block in (0, 8))
    noise = quality(np.random.default_rng(0).normal(size=(1500, 128)), reference).figures
    for deep in (first, last):
        assert (deep["trustworthiness"] or 0) > 0.9 > 0.6 > (noise["trustworthiness"] or 1)
        assert (deep["continuity"] or 0) > 0.9 > 0.6 > (noise["continuity"] or 1)
        assert (deep["recall"] or 0) > 0.3 > 0.02 > (noise["recall"] or 1)
        assert (deep["accuracy"] or 0) > 0.75 > 0.2 > (noise["accuracy"] or 1)
        assert (deep["nmi"] or 0) > 0.4 > 0.05 > (noise["nmi"] or 1)
        assert (deep["ari"] or 0) > 0.25 > 0.02 > abs(noise["ari"] or 1)
    assert (last["nmi"] or 0) > (first["nmi"] or 0) + 0.03
    for lost in ("trustworthiness", "continuity", "recall", "accuracy", "effective_rank"):
        assert (last[lost] or 0) < (first[lost] or 0) - 0.02
