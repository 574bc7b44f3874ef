"""The deviation of a GPU's result is measured as said; where there is a GPU, its results are the CPU's."""

import numpy as np
import pytest
import torch

from dr_transformer import load
from dr_transformer.methods.pca import fit_torch_pca, pca
from dr_transformer.quality.metrics import subsample
from dr_transformer.quality.words import device_deviation, laplacian_on, pca_on
from tests.helpers.machine import DEVICES


def test_it_is_the_largest_relative_difference_on_the_subsample() -> None:
    Y = np.random.default_rng(0).normal(size=(600, 3))
    rows = subsample(600, 500, 42)
    shift = np.zeros((500, 3))
    shift[17, 1] = 0.25

    def embed(tokens: np.ndarray, device: str) -> np.ndarray:
        np.testing.assert_array_equal(tokens, Y[rows])
        return tokens + shift if device == "other" else tokens

    assert device_deviation(embed, Y, "other") == pytest.approx(0.25 / np.abs(Y[rows]).max())
    assert device_deviation(embed, Y, "cpu") == 0


@pytest.mark.parametrize("device", DEVICES)
def test_devices_agree(device: str) -> None:
    Y = load("mnist", 1000).Y
    assert device_deviation(pca_on(5), Y, device) < 1e-9
    assert device_deviation(laplacian_on(2, 15, 42), Y, device) < 1e-4


def test_torchs_pca_is_scikit_learns() -> None:
    """The GPU's code, run here on the CPU."""
    Y = load("mnist", 500).Y

    def embed(tokens: np.ndarray, device: str) -> np.ndarray:
        if device == "cpu":
            return pca(tokens, 5).scores
        return fit_torch_pca(torch.from_numpy(tokens / 255.0), 5).scores

    assert 0 < device_deviation(embed, Y, "torch") < 1e-9
