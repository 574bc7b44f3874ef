"""Landmarks: the exact model among themselves, `transform` for all others, and near the exact run."""

import numpy as np
import pytest
import torch
from scipy.spatial import procrustes

from dr_transformer import Config, InputError, TransformerDR, load, unroll
from dr_transformer.methods.graph import knn_graph
from dr_transformer.model import landmarks as module
from dr_transformer.model.landmarks import CHOICES, Landmarks, choose_landmarks
from dr_transformer.model.projection import Projection, fit_projection
from dr_transformer.model.unroll import layer_norm
from dr_transformer.quality.metrics import knn_accuracy
from tests.helpers.oracle import relative_error
from tests.helpers.plain_landmarks import unroll_landmarks
from tests.helpers.plain_scores import knn_recall
from tests.model.test_unroll import tokens

VARIANTS = [
    Config(n_components=16, n_blocks=3),
    Config(n_components=16, n_blocks=3, mask_self=False),
    Config(n_components=16, n_blocks=3, n_heads=4, graph_diffusion=True),
    Config(n_components=16, n_blocks=3, activation="relu", projection="pca"),
]


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 64)  # so that a run of a hundred tokens has several


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("config", VARIANTS)
def test_landmarks_run_the_exact_model_and_others_are_transformed(config: Config) -> None:
    Y = tokens(150)
    Y[100] = Y[7]  # a copy of a landmark attends to it, as another token would
    index = np.array([7, 20, 64, 65, 110, 149, *range(30, 60)])
    index.sort()
    others = np.setdiff1d(np.arange(150), [*index, 100])
    projection = fit_projection(Y, config)
    exact = list(unroll(Y[index], config, projection))
    fitted = TransformerDR(**_parameters(config))
    fitted.fit(Y[index])
    fitted._map = projection  # for PCA, that of all tokens
    steps = list(unroll_landmarks(Y, config, index))
    assert [step[:2] for step in steps] == [step[:2] for step in exact]
    for step, expected in zip(steps, exact, strict=True):
        assert step.X.shape == (150, 16)
        assert relative_error(step.X[index], expected.X) <= 1e-12
    if config.projection == "gaussian":
        np.testing.assert_allclose(steps[-1].X[others], fitted.transform(Y[others]), atol=1e-12)
        alone = Landmarks.of(Y, index, config).follow(Y[100:101])  # nothing masked
        np.testing.assert_allclose(steps[-1].X[100:101], alone, atol=1e-12)


def _parameters(config: Config) -> dict:
    return config.to_dict() | {"activation": None if config.activation == "none" else config.activation}


@pytest.mark.parametrize("config", VARIANTS)
@pytest.mark.usefixtures("small_chunks")
def test_all_tokens_as_landmarks_are_the_exact_run(config: Config) -> None:
    Y = tokens(90)
    for step, exact in zip(unroll_landmarks(Y, config, np.arange(90)), unroll(Y, config), strict=True):
        assert relative_error(step.X, exact.X) <= 1e-12


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.usefixtures("small_chunks")
def test_a_stream_of_chunks_is_the_whole(precision: str) -> None:
    Y, config = tokens(150), Config(n_components=16, n_blocks=3, precision=precision)
    index = choose_landmarks(Y, 40, fit_projection(Y, config))
    every = np.stack([step.X.numpy() for step in unroll_landmarks(Y, config, index) if step.ends_block])
    landmarks = Landmarks.of(Y, index, config)
    done: list[int] = []
    result = landmarks.embed(Y, every_block=True, report=done.append)
    np.testing.assert_array_equal(result, every)
    assert done == [64, 64, 22]
    np.testing.assert_array_equal(landmarks.embed(Y), every[-1])
    tolerance = 1e-6 if precision == "float32" else 1e-13
    np.testing.assert_allclose(landmarks.embed(Y, rows=slice(30, 111)), every[-1, 30:111], rtol=0, atol=tolerance)
    new = tokens(10, seed=3)
    one_by_one = np.concatenate([list(landmarks.steps(row[None]))[-1].X.numpy() for row in new])
    np.testing.assert_allclose(landmarks.follow(new), one_by_one, rtol=0, atol=tolerance)


@pytest.mark.parametrize("choice", CHOICES)
def test_the_choice(choice: str) -> None:
    """Seeded, without repetition, ascending, of the tokens alone; and k-means++ reaches what random misses."""
    rng = np.random.default_rng(0)
    Y = np.concatenate([rng.normal(size=(990, 8)), 50 + rng.normal(size=(10, 8))]) + 100
    projection = Projection(np.linalg.qr(rng.normal(size=(8, 8)))[0], np.full(8, 100.0))

    def chosen(seed: int, m: int = 20) -> np.ndarray:
        return choose_landmarks(Y, m, projection, choice=choice, random_state=seed)

    for m in (2, 20, 500, 999, 1000):
        index = chosen(0, m)
        assert (np.diff(index) > 0).all()
        assert len(index) == m
        assert 0 <= index[0] <= index[-1] < 1000
    np.testing.assert_array_equal(chosen(1), chosen(1))
    assert (chosen(1) != chosen(2)).any()
    np.testing.assert_array_equal(chosen(1), choose_landmarks(
        Y, 20, projection, choice=choice, random_state=np.random.RandomState(1)))  # fmt: skip
    if choice == "random":
        counts = np.bincount(np.concatenate([chosen(seed) for seed in range(400)]), minlength=1000)
        assert counts.sum() == 8000
        assert abs(counts[:500].sum() - 4000) < 5 * 44  # 5 standard deviations
    else:
        X = (Y - 100) @ projection.W
        X = X - X.mean(axis=1, keepdims=True)
        X /= np.linalg.norm(X, axis=1, keepdims=True)
        index = chosen(1, 100)
        at_random = choose_landmarks(Y, 100, projection, choice="random", random_state=1)
        reach, other = (np.linalg.norm(X[:, None] - X[i], axis=2).min(axis=1) ** 2 for i in (index, at_random))
        assert reach.mean() < 0.9 * other.mean()


def test_copies_do_not_repeat_a_landmark() -> None:
    Y = np.repeat(tokens(6), 5, axis=0)
    index = choose_landmarks(Y, 20, fit_projection(Y, Config(n_components=4)))
    assert len(np.unique(index)) == 20
    assert len(np.unique(Y[index], axis=0)) == 6


def test_nearer_the_exact_run_with_more_landmarks() -> None:
    """n = 2 000: the Procrustes distance falls, neighbours are kept, and 5-NN accuracy is not far below."""
    data, config = load("mnist", 2000), Config(n_components=64)
    exact = _unit(list(unroll(data.Y, config))[-1].X)
    nearest = knn_graph(exact, 10).indices
    projection = fit_projection(data.Y, config)
    figures = {}
    for choice in CHOICES:
        for m in (200, 1000):
            index = choose_landmarks(data.Y, m, projection, choice=choice)
            X = _unit(torch.from_numpy(Landmarks.of(data.Y, index, config, projection).embed(data.Y)))
            distance = procrustes(exact, X)[2] ** 0.5
            figures[choice, m] = distance, knn_recall(nearest, X), knn_accuracy(X, data.labels)
    for choice in CHOICES:
        assert figures[choice, 1000][0] < figures[choice, 200][0] < 0.6, figures
        assert figures[choice, 1000][0] < 0.4, figures
        assert figures[choice, 1000][1] > 0.4 > figures[choice, 200][1] > 0.15, figures
    assert figures["k-means++", 200][1] > figures["random", 200][1]
    assert all(figures[choice, 1000][2] > knn_accuracy(exact, data.labels) - 0.04 for choice in CHOICES), figures


def test_the_estimator() -> None:
    """Its trajectory is that of the landmarks, its embedding that of all; and new tokens come the same way."""
    Y, config = tokens(150), Config(n_components=16, n_blocks=3)
    model = TransformerDR(n_components=16, n_blocks=3, landmarks=40).fit(Y)
    index = choose_landmarks(Y, 40, fit_projection(Y, config))
    np.testing.assert_array_equal(model.landmarks_, index)
    exact = [step.X for step in unroll(Y[index], config) if step.ends_block]
    np.testing.assert_allclose(model.trajectory_, np.stack(exact), atol=1e-13)
    landmarks = Landmarks.of(Y, index, config)
    np.testing.assert_allclose(model.embedding_, landmarks.embed(Y), atol=1e-13)
    np.testing.assert_allclose(model.embedding_[index], model.trajectory_[-1], atol=1e-12)
    np.testing.assert_allclose(model.transform(Y), model.embedding_, atol=1e-13)
    new = tokens(5, seed=9)
    np.testing.assert_allclose(model.transform(new), landmarks.follow(new), atol=1e-13)
    assert TransformerDR().fit(Y).landmarks_ is None
    with pytest.raises(InputError, match="landmarks = 151 is not possible"):
        TransformerDR(landmarks=151).fit(Y)
    with pytest.raises(InputError, match="landmarks must be a whole number"):
        TransformerDR(landmarks=0.5).fit(Y)


def _unit(X: torch.Tensor) -> np.ndarray:
    return torch.nn.functional.normalize(X.double(), dim=1).numpy()


@pytest.mark.parametrize(
    ("m", "choice", "sentence"),
    [
        (1, "random", "landmarks = 1 is not possible: choose from 2 to 20"),
        (21, "k-means++", "landmarks = 21 is not possible"),
        (5, "by class", "'k-means\\+\\+' or 'random', but not by 'by class'"),
    ],
)
def test_bad_choices(m: int, choice: str, sentence: str) -> None:
    Y = tokens(20)
    with pytest.raises(InputError, match=sentence):
        choose_landmarks(Y, m, fit_projection(Y, Config()), choice=choice)


@pytest.mark.usefixtures("small_chunks")
def test_a_blank_token_follows_landmarks_to_their_mean() -> None:
    Y, config = tokens(200), Config(n_components=4, n_blocks=1, precision="float64")
    Y[140] = 0
    index = np.array([3, 77, 150])
    found = Landmarks.of(Y, index, config)
    X = found.embed(Y)
    assert np.isfinite(X).all()
    mean = torch.from_numpy(np.asarray(found.latents[0])).mean(dim=0)[None]
    np.testing.assert_allclose(X[140], layer_norm(mean, 3).numpy()[0], rtol=1e-6)
    assert len(choose_landmarks(Y, 150, fit_projection(Y, config))) == 150
