"""Energy distance, against scipy and closed forms, and its null band."""

import numpy as np
import pytest
from scipy import stats

from dr_transformer.theory import energy_distance
from dr_transformer.theory.energy_distance import energy_to_normal, null_energies
from dr_transformer.theory.gaussian import standardise


def mean_distance(P: np.ndarray, Q: np.ndarray) -> float:
    return float(np.linalg.norm(P[:, None] - Q, axis=-1).mean())


def energy(X: np.ndarray, Y: np.ndarray) -> float:
    """The energy distance of two samples, by its definition."""
    return 2 * mean_distance(X, Y) - mean_distance(X, X) - mean_distance(Y, Y)


def test_it_is_scipys_squared_in_one_dimension() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=70), rng.exponential(size=50)
    assert energy(x[:, None], y[:, None]) == pytest.approx(stats.energy_distance(x, y) ** 2, rel=1e-10)


@pytest.mark.parametrize("d", [1, 3])
def test_a_sample_is_its_points_less_what_is_between_them(d: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each point's own distance to the Gaussian, and the mean distance within; in blocks of any size."""
    X = np.random.default_rng(0).normal(size=(40, d)) + 1
    expected = np.mean([energy_to_normal(x[None]) for x in X]) - mean_distance(X, X)
    assert energy_to_normal(X) == pytest.approx(expected)
    monkeypatch.setattr(energy_distance, "_BLOCK_BYTES", 8 * 40 * 7)
    assert energy_to_normal(X) == pytest.approx(expected)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_the_distance_to_a_gaussian_is_that_to_a_sample_without_end(d: int) -> None:
    rng = np.random.default_rng(0)
    X, normal = rng.normal(size=(200, d)) * 1.3 + 0.2, rng.normal(size=(4000, d))
    assert energy_to_normal(X) == pytest.approx(energy(X, normal), rel=0.1)
    assert energy_to_normal(X) > 10 * energy_to_normal(normal) > 0


def test_one_point_has_a_closed_form() -> None:
    """E|z − ζ| = 2φ(z) + z(2Φ(z) − 1) in one dimension, and E|ζ − ζ'| = 2/√π."""
    for z in (0.0, 0.7, 6.0):
        exact = 2 * (2 * stats.norm.pdf(z) + z * (2 * stats.norm.cdf(z) - 1)) - 2 / np.sqrt(np.pi)
        assert energy_to_normal(np.array([[z]])) == pytest.approx(exact)


@pytest.mark.parametrize("fitted", [False, True])
def test_the_null_band_holds_what_it_says(fitted: bool) -> None:
    band = np.quantile(null_energies(60, 2, fitted=fitted, n_draws=400), 0.95)
    rng = np.random.default_rng(1)
    draws = [rng.standard_normal((60, 2)) for _ in range(400)]
    above = np.mean([energy_to_normal(standardise(Z) if fitted else Z) > band for Z in draws])
    assert 0.02 < above < 0.09
    uniform = [standardise(rng.uniform(size=(400, 2))) for _ in range(20)]
    fitted_band = np.quantile(null_energies(400, 2, fitted=True), 0.95)
    assert np.mean([energy_to_normal(Z) > fitted_band for Z in uniform]) > 0.9


def test_a_renormalised_sample_has_a_narrower_band() -> None:
    plain, fitted = (np.quantile(null_energies(300, 2, fitted=f), 0.95) for f in (False, True))
    assert fitted < 0.4 * plain
    again = null_energies(300, 2, fitted=True)
    assert np.quantile(again, 0.95) == fitted
    assert (np.diff(again) >= 0).all()
    assert (null_energies(300, 2, fitted=True, random_state=1) != again).all()


def test_cancel() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        null_energies(10, 2, fitted=True, check=stop)
