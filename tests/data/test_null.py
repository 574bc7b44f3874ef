"""What null data keep of the data, and what they do not."""

import numpy as np
import pytest

from dr_transformer import Dataset, load
from dr_transformer.data.null import gaussian_like, shuffle_pixels


@pytest.fixture(scope="module")
def mnist() -> Dataset:
    return load("mnist", 2000)


def neighbour_correlation(Y: np.ndarray) -> float:
    """Between pixels side by side, about each image's mean."""
    images = Y.reshape(-1, 28, 28) - Y.mean(axis=1)[:, None, None]
    return float((images[:, :, 1:] * images[:, :, :-1]).mean() / (images**2).mean())


def test_shuffling_keeps_each_images_histogram_and_nothing_else(mnist: Dataset) -> None:
    before = mnist.Y.copy()
    shuffled = shuffle_pixels(mnist.Y, 0)
    np.testing.assert_array_equal(mnist.Y, before)
    assert shuffled.dtype == np.uint8
    np.testing.assert_array_equal(np.sort(shuffled, axis=1), np.sort(mnist.Y, axis=1))
    Y, shuffled = mnist.Y / 255, shuffled / 255
    assert neighbour_correlation(Y) > 0.7
    assert abs(neighbour_correlation(shuffled)) < 0.01
    # Every pixel now has the mean of all, within six standard errors.
    standard_error = shuffled.std(axis=0) / np.sqrt(len(Y))
    assert (np.abs(shuffled.mean(axis=0) - Y.mean()) < 6 * standard_error).all()
    assert np.ptp(Y.mean(axis=0)) > 0.4


def test_each_image_is_shuffled_by_itself() -> None:
    Y = np.tile(np.arange(500.0), (40, 1))
    shuffled = shuffle_pixels(Y, 0)
    cosines = np.corrcoef(shuffled)[np.triu_indices(40, 1)]
    assert np.abs(cosines).max() < 0.3  # permutations that have nothing to do with each other: s.d. 0.045
    assert len(np.unique(shuffled[:, 0])) > 30
    more_than_a_chunk = np.tile(np.arange(8), (5000, 1))
    places = (shuffle_pixels(more_than_a_chunk, 0)[:, :, None] == np.arange(8)).mean(axis=0)
    np.testing.assert_allclose(places, 1 / 8, atol=6 * np.sqrt(7 / 64 / 5000))  # every place is as likely as another


def test_gaussian_noise_has_the_mean_and_the_covariance(mnist: Dataset) -> None:
    noise = gaussian_like(mnist.Y, 0)
    assert noise.dtype == np.float32
    assert noise.shape == mnist.Y.shape
    Y = mnist.Y / 255
    n = len(Y)
    covariance, found = np.cov(Y.T), np.cov(noise.T.astype(np.float64))
    scale = np.sqrt(np.diag(covariance))
    assert (np.abs(noise.mean(axis=0) - Y.mean(axis=0)) <= 6 * scale / np.sqrt(n) + 1e-6).all()
    # The sampling variance of an entry of a Gaussian's covariance is (c_ij² + c_ii c_jj) / (n − 1).
    error = np.sqrt((covariance**2 + np.outer(scale, scale) ** 2) / (n - 1))
    assert (np.abs(found - covariance) <= 7 * error + 1e-6).all()
    deviations = (found - covariance)[error > 0.001] / error[error > 0.001]
    assert np.sqrt(np.mean(deviations**2)) == pytest.approx(1, abs=0.1)  # as far off as it must be, and no nearer
    blank = mnist.Y.max(axis=0) == 0
    assert blank.any()
    assert np.abs(noise[:, blank]).max() < 1e-6
    assert (noise < 0).mean() > 0.05  # pixels are not Gaussian


def test_gaussian_noise_is_gaussian(mnist: Dataset) -> None:
    noise = gaussian_like(mnist.Y, 1).astype(np.float64)
    standard = (noise - noise.mean(axis=0))[:, 400:410] / noise[:, 400:410].std(axis=0)
    assert np.abs((standard**4).mean(axis=0) - 3).max() < 6 * np.sqrt(96 / len(noise))
    assert np.abs((standard**3).mean(axis=0)).max() < 6 * np.sqrt(15 / len(noise))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fewer_tokens_than_values(dtype: type) -> None:
    """The covariance is singular: the noise stays in the span of the data, and keeps their precision."""
    rng = np.random.default_rng(0)
    Y = (rng.normal(size=(20, 3)) @ rng.normal(size=(3, 100)) + 5).astype(dtype)
    noise = gaussian_like(Y, 0)
    assert noise.dtype == dtype
    assert noise.shape == (20, 100)
    basis = np.linalg.svd(Y.astype(np.float64) - Y.mean(axis=0, dtype=np.float64))[2][:3]
    centred = noise - Y.mean(axis=0, dtype=np.float64)
    np.testing.assert_allclose(centred @ basis.T @ basis, centred, atol=1e-5 if dtype == np.float32 else 1e-12)
    # The mean of many draws of the covariance is that of the data.
    draws = [np.cov(gaussian_like(Y.astype(np.float64), seed).T) for seed in range(400)]
    covariance = np.cov(Y.T.astype(np.float64))
    assert np.mean([np.trace(c) for c in draws]) == pytest.approx(np.trace(covariance), rel=0.03)
    assert np.linalg.norm(np.mean(draws, axis=0) - covariance) < 0.1 * np.linalg.norm(covariance)


@pytest.mark.parametrize("make", [shuffle_pixels, gaussian_like])
def test_one_seed_is_one_draw(make, mnist: Dataset) -> None:
    Y = mnist.Y[:50]
    np.testing.assert_array_equal(make(Y, 3), make(Y, 3))
    np.testing.assert_array_equal(make(Y, 3), make(Y, np.random.RandomState(3)))
    assert (make(Y, 3) != make(Y, 4)).any()
    state = np.random.get_state()[1].copy()  # type: ignore[index, union-attr]
    make(Y, 5)  # the global generator is left alone
    np.testing.assert_array_equal(state, np.random.get_state()[1])


@pytest.mark.parametrize("make", [shuffle_pixels, gaussian_like])
def test_degenerate_data_stay_what_they_are(make) -> None:
    constant = np.full((30, 4), 7.0)
    np.testing.assert_allclose(make(constant, 0), constant)
    np.testing.assert_allclose(make(np.full((2, 4), 7.0), 0), 7)
    assert make(np.zeros((5, 3), np.uint8), 0).shape == (5, 3)
    assert np.isfinite(make(np.arange(12).reshape(3, 4), 0)).all()
