"""Corollary 1: attention over samples of N(μ, Σ) tends to μ + Ση; how fast, and from where on it does not."""

import numpy as np
import pytest

from dr_transformer import InputError
from dr_transformer.theory.gaussian import Convergence, Gaussian, convergence, expected_error, limit, tilt

SIZES = (100, 300, 1000, 3000, 10_000)


def along(s: float, d: int) -> np.ndarray:
    return np.full(d, s / np.sqrt(d))


def measured(s: float, d: int = 8, repeats: int = 30, sizes: tuple[int, ...] = SIZES) -> Convergence:
    return convergence(Gaussian.isotropic(1, 0, d), along(s, d), sizes, n_repeats=repeats)


@pytest.mark.parametrize("s", [0.5, 1.0])
def test_the_error_falls_as_monte_carlo_while_the_tilt_is_at_most_one(s: float) -> None:
    found = measured(s)
    assert found.tilt == pytest.approx(s**2)
    assert found.slope == pytest.approx(-0.5, abs=0.06)
    assert found.slopes.mean() == pytest.approx(-0.5, abs=0.06)
    np.testing.assert_allclose(found.rms, found.expected, rtol=0.25)
    np.testing.assert_allclose(found.kish[2:], found.effective[2:], rtol=0.1)
    np.testing.assert_allclose(found.mean**2 + found.sd**2 * 29 / 30, found.rms**2)


def test_it_falls_slower_beyond() -> None:
    found = measured(3)
    assert found.slope > -0.35
    assert found.effective[-1] < 2
    assert (found.rms < 0.5 * found.expected).all()  # large-sample theory is not reached
    assert (found.kish > 5 * found.effective).all()  # the weights that are seen say nothing of those that are missing
    assert (found.rms > 3 * measured(1).rms).all()


def test_far_beyond_the_farthest_key_takes_all() -> None:
    """The error is that of the maximum of N: s − √(2 log N), which no affordable N mends."""
    found = measured(8, d=1, repeats=10)
    np.testing.assert_allclose(found.mean, 8 - np.sqrt(2 * np.log(found.n_samples)), rtol=0.2)
    assert found.slope > -0.1


def test_the_error_over_dimensions() -> None:
    """√(e^(s²)(d + s²)/N) at the same tilt: not the dimension slows it down, but the tilt."""
    for d in (1, 4, 16, 64):
        found = measured(1, d, repeats=40, sizes=(1000, 2000))
        assert found.expected[0] == pytest.approx(np.sqrt(np.e * (d + 1) / 1000))
        np.testing.assert_allclose(found.rms, found.expected, rtol=0.25)


def test_any_mean_and_covariance() -> None:
    keys = Gaussian(np.array([3.0, -1.0]), np.array([[2.0, 0.6], [0.6, 0.5]]))
    query = np.array([0.4, -0.5])
    found = convergence(keys, query, (2000, 8000), n_repeats=60)
    np.testing.assert_allclose(limit(keys, query), [3 + 0.5, -1 - 0.01])
    assert found.tilt == pytest.approx(tilt(keys, query)) == pytest.approx(0.205)
    np.testing.assert_allclose(found.rms, found.expected, rtol=0.25)
    assert found.rms[0] == pytest.approx(expected_error(keys, query, 2000), rel=0.25)


def test_no_number_of_samples_reaches_the_farthest_queries() -> None:
    assert expected_error(Gaussian.isotropic(1), np.array([40.0, 0.0]), 1000) == np.inf


def test_the_seed_decides() -> None:
    keys, query = Gaussian.isotropic(1), along(1, 2)
    first, again, other = (convergence(keys, query, (10, 20), n_repeats=2, random_state=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.errors, again.errors)
    assert (first.errors != other.errors).all()


def test_cancel_and_bad_input() -> None:
    keys = Gaussian.isotropic(1)

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convergence(keys, np.zeros(2), check=stop)
    with pytest.raises(InputError, match="the 2 dimensions of the keys, but has 3"):
        convergence(keys, np.zeros(3))
    for sizes, repeats in (((100,), 5), ((100, 100), 5), ((100, 200), 1), ((0, 100), 2)):
        with pytest.raises(InputError, match="two numbers of samples"):
            convergence(keys, np.zeros(2), sizes, n_repeats=repeats)
