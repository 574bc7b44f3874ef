"""PCA: scikit-learn's on the CPU, and the torch path of other devices against it."""

import numpy as np
import pytest
import torch
from scipy.stats import ortho_group
from sklearn.decomposition import PCA

from dr_transformer import InputError, load
from dr_transformer.methods.pca import fit_torch_pca, pca
from tests.helpers.machine import WITH_FLOAT64


@pytest.mark.parametrize("device", WITH_FLOAT64)
@pytest.mark.parametrize("n", [100, 2000])  # fewer and more tokens than pixels
def test_it_is_scikit_learns(n: int, device: str) -> None:
    Y = load("mnist", n).Y
    model = PCA(5, svd_solver="full")
    expected = model.fit_transform(Y / 255)
    scores, shares = pca(Y, 5, device)
    np.testing.assert_allclose(scores, expected, atol=1e-9)
    np.testing.assert_allclose(shares, model.explained_variance_ratio_, rtol=1e-9)
    other = fit_torch_pca(torch.from_numpy(Y / 255).to(device), 5)
    np.testing.assert_allclose(other.scores, expected, atol=1e-9)
    np.testing.assert_allclose(other.explained_variance_ratio, model.explained_variance_ratio_, rtol=1e-9)
    assert scores.dtype == other.scores.dtype == np.float64


@pytest.mark.parametrize("device", WITH_FLOAT64)
def test_all_components_keep_everything(device: str) -> None:
    X = np.random.default_rng(0).normal(size=(30, 6))
    for result in (pca(X, 6, device), fit_torch_pca(torch.from_numpy(X).to(device), 6)):
        assert result.explained_variance_ratio.sum() == pytest.approx(1)
        np.testing.assert_allclose(result.scores @ result.scores.T, (X - X.mean(0)) @ (X - X.mean(0)).T, atol=1e-12)


def test_it_repeats_and_leaves_the_data_alone() -> None:
    X = np.random.default_rng(0).normal(size=(50, 6))
    before = X.copy()
    first = pca(X, 3)
    np.testing.assert_array_equal(pca(X, 3).scores, first.scores)
    np.testing.assert_array_equal(X, before)
    order = np.random.default_rng(1).permutation(50)
    np.testing.assert_allclose(pca(X[order], 3).scores, first.scores[order], atol=1e-12)
    turned = pca(X @ ortho_group.rvs(6, random_state=0) + 9, 3)
    np.testing.assert_allclose(np.abs(turned.scores), np.abs(first.scores), atol=1e-12)
    np.testing.assert_allclose(turned.explained_variance_ratio, first.explained_variance_ratio)


@pytest.mark.parametrize(
    ("X", "k", "sentence"),
    [
        (np.eye(5), 6, "n_components = 6 is not possible for PCA of 5 tokens of 5 values; choose from 1 to 5"),
        (np.eye(5), 0, "choose from 1 to 5"),
        (np.ones((4, 3)), 2, "all tokens are equal"),
        (np.array([[1.0, np.nan], [0, 1]]), 1, "NaN or infinity"),
        (np.array([[1.0, np.inf], [0, 1]]), 1, "NaN or infinity"),
        (np.array([[-1.7e308, 1.7e308], [1.7e308, -1.7e308]]), 1, "values too large"),
    ],
)
def test_bad_input_is_a_sentence(X: np.ndarray, k: int, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        pca(X, k)
