"""The growth of the equilibrium's modes: derived, measured in population, and what samples show of it."""

import math

import numpy as np
import pytest
from numpy.polynomial.hermite_e import hermegauss

from dr_transformer import InputError
from dr_transformer.theory.gaussian import Gaussian
from dr_transformer.theory.hermite_modes import (
    bulk_growth,
    growth_factor,
    hermite,
    mode,
    population_growth,
    sampled_growth,
)
from dr_transformer.theory.renormalisation import ascend, renormalise

ONE = Gaussian.isotropic(1, 0, 1)
NODES, WEIGHTS = hermegauss(80)


def after(z: np.ndarray, steps: int) -> np.ndarray:
    """Quadrature nodes moved by "population" steps, for keys N(0, 1)."""
    for _ in range(steps):
        z = renormalise(ascend(z[:, None], ONE, np.log(WEIGHTS)), ONE, "population")[:, 0]
    return z


@pytest.mark.parametrize("variance", [0.25, 1.0, 4.0])
@pytest.mark.parametrize("mean", [0.0, 0.4])
def test_modes_grow_as_derived_in_population(variance: float, mean: float) -> None:
    keys = Gaussian.isotropic(variance, mean, 1)
    for k in range(1, 6):
        assert population_growth(k, keys) == pytest.approx(1 + k * variance / (1 + variance), abs=1e-6)
        assert growth_factor(k, variance) == 1 + k * variance / (1 + variance)


def test_step_after_step() -> None:
    """ε He_3 grows by 5/2 a step, while it is small; He_5 by 7/2, and overtakes."""
    for k in (3, 5):
        for steps in (1, 2, 3):
            found = mode(k, after(NODES + 1e-9 * hermite(k - 1, NODES), steps), WEIGHTS)
            assert found == pytest.approx(1e-9 * (1 + k / 2) ** steps, rel=1e-3)


def test_a_mode_feeds_none_but_lower_ones() -> None:
    fed = {j: mode(j, after(NODES + 1e-7 * hermite(3, NODES), 1), WEIGHTS) for j in range(1, 8)}
    assert fed[2] == pytest.approx(1e-7 * 6, rel=1e-3)  # all move by 2 z³ = 2 He_3 + 6 He_1
    assert fed[4] == pytest.approx(1e-7 * 3, rel=1e-3)
    assert max(abs(fed[j]) for j in (1, 3, 5, 6, 7)) < 1e-10


def test_without_a_mode_nothing_moves() -> None:
    near = np.abs(NODES) < 4
    np.testing.assert_allclose(after(NODES, 1)[near], NODES[near], atol=1e-6)


def test_modes_are_coefficients() -> None:
    for k in range(1, 5):
        weights = WEIGHTS * (1 + 0.01 * hermite(k, NODES))
        assert mode(k, NODES, weights) == pytest.approx(0.01)
        assert mode(k + 1, NODES, weights) == pytest.approx(0, abs=1e-12)
    z = np.random.default_rng(0).exponential(size=1000)
    z = (z - z.mean()) / z.std()
    assert mode(3, z) == pytest.approx((z**3).mean() / math.factorial(3))


def test_near_the_middle_samples_move_as_derived() -> None:
    for keys, k in ((ONE, 3), (ONE, 2), (Gaussian.isotropic(0.25, 0.2, 1), 3)):
        factors = bulk_growth(k, keys, 1500, range(6))
        exact = growth_factor(k, float(keys.covariance[0, 0]))
        assert factors.mean() == pytest.approx(exact, rel=0.06)
        assert factors.shape == (6,)


def test_a_samples_own_modes_grow_less_the_finer_they_are() -> None:
    third, fifth = (sampled_growth(k, ONE, 1500, range(5)) for k in (3, 5))
    assert 1.5 < third.mean() < 2.3 < growth_factor(3, 1)
    assert fifth.mean() < 1 < growth_factor(5, 1)
    assert third.mean() < sampled_growth(3, ONE, 4000, range(2)).mean() < growth_factor(3, 1)


def test_bad_input() -> None:
    with pytest.raises(InputError, match="choose k from 3, not 2"):
        sampled_growth(2, ONE)
    with pytest.raises(InputError, match="in one dimension, but the keys have 2"):
        population_growth(3, Gaussian.isotropic(1))
