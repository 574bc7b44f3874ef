"""A new token among fitted ones: as `transform` has it, itself if it is one of them."""

import numpy as np
import pytest
import torch

from dr_transformer import Config, InputError, TransformerDR, load
from dr_transformer.model.attention import attend, attention_rows
from dr_transformer.model.landmarks import Landmarks
from dr_transformer.model.new_token import attention_weights, find_twin, majority, nearest, new_token
from dr_transformer.model.projection import fit_projection
from dr_transformer.quality.metrics import knn_accuracy

N = 300
VARIANTS = [
    {},
    {"n_heads": 4},
    {"mask_self": False, "graph_diffusion": True},
    {"activation": "relu", "projection": "pca"},
    {"eta": 0.8, "precision": "float64"},
]


def fitted(**settings: object) -> tuple[TransformerDR, Landmarks]:
    """A model fitted to the first N of 320 MNIST images, and all of them as landmarks."""
    model = TransformerDR(n_components=16, n_blocks=3, **settings).fit(load("mnist", 320).Y[:N])
    latents = tuple(torch.from_numpy(X) for X in model.trajectory_)
    config = model.config()
    projection = fit_projection(load("mnist", 320).Y[:N], config)
    return model, Landmarks(np.arange(N), latents, projection, config)


@pytest.mark.parametrize("settings", VARIANTS)
def test_it_goes_the_way_of_transform(settings: dict[str, object]) -> None:
    model, landmarks = fitted(**settings)
    Y = load("mnist", 320).Y
    for y in Y[N : N + 3]:
        found = new_token(y, list(model.trajectory_), landmarks)
        assert found.twin is None
        assert found.latents.shape == (4, 16)
        np.testing.assert_allclose(found.latents[-1], model.transform(y[None])[0], atol=1e-6)
        np.testing.assert_allclose(found.start, (y / 255 - landmarks.projection.mean) @ landmarks.projection.W)


@pytest.mark.parametrize("settings", VARIANTS)
def test_a_fitted_row_is_that_token(settings: dict[str, object]) -> None:
    model, landmarks = fitted(**settings)
    y = load("mnist", 320).Y[17]
    twin = find_twin(y, load("mnist", 320).Y[:N])
    assert twin == 17
    found = new_token(y, list(model.trajectory_), landmarks, twin)
    np.testing.assert_array_equal(found.latents, model.trajectory_[:, 17])
    masked = torch.tensor([17]) if landmarks.config.mask_self else None
    followed = landmarks.follow(y[None], masked, every_block=True)[:, 0]
    np.testing.assert_allclose(followed, found.latents, atol=2e-6 * np.abs(found.latents).max())
    assert not (found.neighbours == 17).any()
    assert bool((found.attended == 17).any()) != landmarks.config.mask_self
    for block, X in enumerate(model.trajectory_):
        c = landmarks.config
        A = attention_rows(
            torch.from_numpy(X), torch.tensor([17]), alpha=c.alpha, n_heads=c.n_heads, mask_self=c.mask_self
        )[0].numpy()
        np.testing.assert_allclose(found.weights[block], np.sort(A)[::-1][:8], rtol=1e-4)
        np.testing.assert_allclose(A[found.attended[block]], found.weights[block], rtol=1e-4)


def test_with_landmarks_it_attends_to_these_alone_and_has_all_as_neighbours() -> None:
    Y, index = load("mnist", 320).Y, np.arange(0, N, 3)
    config = Config(n_components=16, n_blocks=3)
    landmarks = Landmarks.of(Y[:N], index, config)
    everyone = list(landmarks.embed(Y[:N], every_block=True))
    found = new_token(Y[N], everyone, landmarks)
    np.testing.assert_allclose(found.latents[-1], landmarks.follow(Y[N : N + 1])[0], atol=1e-6)
    assert set(found.attended.ravel()) <= set(index)
    assert not set(found.neighbours.ravel()) <= set(index)
    for twin in (30, 31):  # a landmark, and a token that follows them
        found = new_token(Y[twin], everyone, landmarks, twin)
        np.testing.assert_array_equal(found.latents, np.stack(everyone)[:, twin])
        followed = landmarks.steps(Y[twin : twin + 1], torch.tensor([10 if twin == 30 else -1]))
        ends = np.concatenate([step.X.numpy() for step in followed if step.ends_block])
        np.testing.assert_allclose(ends, found.latents, atol=2e-6)
        assert (twin == 30) == (twin in index)
        assert twin not in found.attended


@pytest.mark.parametrize("settings", VARIANTS)
def test_weights_are_the_attention_that_moves_it(settings: dict[str, object]) -> None:
    _, landmarks = fitted(**settings)
    c, keys = landmarks.config, landmarks.latents[1]
    X = landmarks.latents[2][:1]
    if c.n_heads == 1:
        A = attention_weights(X, keys, landmarks, masked=4)
        expected = attend(X, keys, alpha=c.alpha, n_samples=N, masked=torch.tensor([4]))[0]
        torch.testing.assert_close(A @ keys, expected, atol=1e-6, rtol=1e-4)
        assert A[4] == 0
    assert float(attention_weights(X, keys, landmarks).sum()) == pytest.approx(1)


def test_its_class_is_that_of_most_neighbours() -> None:
    """The vote, over many tokens, is scikit-learn's classifier."""
    dataset = load("mnist", 1000)
    X = dataset.Y / 255
    votes = np.array([majority(dataset.labels[nearest(x, X[:800])])[0] for x in X[800:]])
    assert (votes == dataset.labels[800:]).mean() == knn_accuracy(X, dataset.labels)
    assert majority(np.array([3, 1, 3, 1, 7])) == (1, 2)


def test_a_blank_token_is_a_sentence() -> None:
    model, landmarks = fitted()
    with pytest.raises(InputError, match="the new token is blank"):
        new_token(np.zeros(784, np.uint8), list(model.trajectory_), landmarks)
