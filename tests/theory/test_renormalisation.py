"""Theorem 1: an equilibrium of attention and renormalisation, in population; and its few steps in a sample."""

from itertools import product

import numpy as np
import pytest
from numpy.polynomial.hermite_e import hermegauss

from dr_transformer import InputError
from dr_transformer.theory.energy_distance import energy_to_normal, null_energies
from dr_transformer.theory.gaussian import Gaussian, moments, symmetric_power
from dr_transformer.theory.particles import Update
from dr_transformer.theory.renormalisation import (
    RENORMALISATIONS,
    ascend,
    equilibrium,
    persistence,
    renormalise,
    step,
)

KEYS = Gaussian(np.array([0.5, -0.3]), np.array([[1.2, 0.4], [0.4, 0.6]]))
ONE = Gaussian.isotropic(1, 0, 1)


def ascended(keys: Gaussian) -> Gaussian:
    """What one step makes of `equilibrium` in population: N(Σ⁻¹μ + 2μ, (I + Σ) Σ⁻¹ (I + Σ))."""
    start = equilibrium(keys)
    grow = np.eye(keys.n_dimensions) + keys.covariance
    return Gaussian(start.mean + 2 * keys.mean, grow @ start.covariance @ grow)


def expected_displacement(particles: np.ndarray, keys: Gaussian) -> np.ndarray:
    """Root mean square displacement of each of the particles (n, d) in the first "population" step, (n,).

    In units of the equilibrium's standard deviations: √(e^(s²)/N tr M(Σ + ΣηηᵀΣ)M), M = Σ^½ (I + Σ)⁻¹, by Corollary 1.
    It is true of particles whose s² = ηᵀΣη is well below log N.
    """
    M = symmetric_power(keys.covariance, 0.5) @ symmetric_power(np.eye(keys.n_dimensions) + keys.covariance, -1)
    tilts = np.einsum("ni,ij,nj->n", particles, keys.covariance, particles)
    spread = np.trace(M @ keys.covariance @ M.T) + np.square(particles @ keys.covariance @ M.T).sum(axis=1)
    with np.errstate(over="ignore"):
        return np.sqrt(spread / len(particles)) * np.exp(tilts / 2)


def quadrature(target: Gaussian, n_nodes: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Points and log weights by which sums are exactly the expectations of polynomials under `target`."""
    nodes, weights = hermegauss(n_nodes)
    grid = np.array(list(product(nodes, repeat=2)))
    log_weights = np.log(np.array([np.prod(pair) for pair in product(weights, repeat=2)]))
    return target.mean + grid @ np.linalg.cholesky(target.covariance).T, log_weights - np.log(weights.sum() ** 2)


def test_the_step_in_population() -> None:
    """η ← (I + Σ)η + μ, so N(Σ⁻¹μ, Σ⁻¹) becomes N(Σ⁻¹μ + 2μ, (I + Σ)Σ⁻¹(I + Σ))."""
    target, (particles, log_weights) = equilibrium(KEYS), quadrature(equilibrium(KEYS))
    np.testing.assert_allclose(target.mean, np.linalg.solve(KEYS.covariance, KEYS.mean))
    np.testing.assert_allclose(target.covariance @ KEYS.covariance, np.eye(2), atol=1e-12)
    moved = ascend(particles, KEYS, log_weights)
    mean = np.exp(log_weights) @ moved
    covariance = (moved - mean).T @ (np.exp(log_weights)[:, None] * (moved - mean))
    np.testing.assert_allclose(mean, ascended(KEYS).mean, atol=1e-8)
    np.testing.assert_allclose(covariance, ascended(KEYS).covariance, atol=1e-8)
    np.testing.assert_allclose(ascended(KEYS).mean, target.mean + 2 * KEYS.mean)
    near = np.linalg.norm(target.whiten(particles), axis=1) < 3
    affine = particles @ (np.eye(2) + KEYS.covariance) + KEYS.mean
    np.testing.assert_allclose(moved[near], affine[near], atol=1e-8)
    np.testing.assert_allclose(renormalise(moved, KEYS, "population")[near], particles[near], atol=1e-8)


def test_both_renormalisations_are_one_map_in_population() -> None:
    """C^½ S^−½ is (I + Σ)⁻¹, since Σ⁻¹ and (I + Σ)Σ⁻¹(I + Σ) commute."""
    exact = ascended(KEYS).draw(200_000, np.random.default_rng(0))
    population, empirical = (renormalise(exact, KEYS, how) for how in RENORMALISATIONS)
    assert np.abs(population - empirical).max() < 0.05
    coarse = exact[:100]
    assert np.abs(renormalise(coarse, KEYS, "population") - renormalise(coarse, KEYS, "empirical")).max() > 0.05


def test_empirical_renormalisation_restores_the_moments_and_turns_nothing() -> None:
    target = equilibrium(KEYS)
    particles = target.draw(4000, np.random.default_rng(0))
    moved = ascend(particles, KEYS)
    mean, covariance = moments(renormalise(moved, KEYS, "empirical"))
    np.testing.assert_allclose(mean, target.mean, atol=1e-12)
    np.testing.assert_allclose(covariance, target.covariance, atol=1e-12)
    S_mean, S = moments(moved)
    turn = np.linalg.cholesky(target.covariance) @ np.linalg.inv(np.linalg.cholesky(S))
    by_cholesky = target.mean + (moved - S_mean) @ turn.T  # the same moments, but other places
    np.testing.assert_allclose(moments(by_cholesky)[1], target.covariance, atol=1e-12)
    still = np.median(np.linalg.norm(renormalise(moved, KEYS, "empirical") - particles, axis=1))
    assert still < 0.25 * np.median(np.linalg.norm(by_cholesky - particles, axis=1))


@pytest.mark.parametrize("keys", [ONE, KEYS, Gaussian.isotropic(0.2)])
def test_particles_are_displaced_as_the_sampling_error_says(keys: Gaussian) -> None:
    """Those whose tilt is small enough for Corollary 1's rate, in the root mean square over draws."""
    measured, expected = [], []
    target = equilibrium(keys)
    for seed in range(60):
        particles = target.draw(500, np.random.default_rng(seed))
        near = np.einsum("ni,ij,nj->n", particles, keys.covariance, particles) < 1
        moved = target.whiten(step(particles, keys, "population")) - target.whiten(particles)
        measured.append(np.square(moved[near]).sum(axis=1).mean())
        expected.append(np.square(expected_displacement(particles, keys)[near]).mean())
    assert np.sqrt(np.mean(measured)) == pytest.approx(np.sqrt(np.mean(expected)), rel=0.2)


@pytest.fixture(scope="module")
def bands() -> tuple[np.ndarray, np.ndarray]:
    return null_energies(3000, 1, fitted=False), null_energies(3000, 1, fitted=True)


def test_the_equilibrium_holds_for_a_step_or_two(bands: tuple[np.ndarray, np.ndarray]) -> None:
    """At 3 000 particles and Σ = 1; by the sharper band, which knows the moments are given, for one at most."""
    plain, fitted = bands
    for seed in range(3):
        found = persistence(ONE, "empirical", n_steps=4, random_state=seed, null=plain)
        assert found.holds in (1, 2)
        assert found.energy[0] < found.band
        assert found.energy[4] > 2 * found.band
        assert (np.diff(found.energy[1:]) > 0).all()
        sharper = persistence(ONE, "empirical", n_steps=2, random_state=seed, null=fitted)
        assert sharper.holds <= 1
        np.testing.assert_array_equal(sharper.energy, found.energy[:3])
        assert sharper.band < found.band / 3


def test_under_population_renormalisation_mean_and_variance_run_away_too(bands: tuple[np.ndarray, np.ndarray]) -> None:
    plain, _ = bands
    found = [persistence(ONE, "population", n_steps=4, random_state=seed, null=plain) for seed in range(3)]
    assert max(one.holds for one in found) <= 2
    assert all(one.energy[-1] > 5 * one.energy[0] for one in found)
    assert all((np.diff(one.rms_displacement) > 0).all() for one in found)
    assert found[0].displacement.shape == (4, 3000)


def test_layer_norm_is_no_such_renormalisation() -> None:
    """Even in eight dimensions: it puts every particle on one sphere."""
    keys = Gaussian.isotropic(1, 0, 8)
    particles = equilibrium(keys).draw(500, np.random.default_rng(0))
    moved = ascend(particles, keys)
    normed = Update(contraction="layer_norm").contract(moved, moved)
    worst = null_energies(500, 8, fitted=False)[-1]
    assert energy_to_normal(normed) > 2 * worst
    assert energy_to_normal(renormalise(moved, keys, "population")) < 10 * worst
    assert np.ptp(np.linalg.norm(normed, axis=1)) < 1e-6


def test_the_start_is_renormalised_where_the_particles_are() -> None:
    found = persistence(KEYS, "empirical", n_particles=200, n_steps=1, random_state=3)
    assert found.band == np.quantile(null_energies(200, 2, fitted=True), 0.95)
    assert found.rms_displacement.shape == (1,)
    free = persistence(KEYS, "population", n_particles=200, n_steps=1, random_state=3)
    assert free.band == np.quantile(null_energies(200, 2, fitted=False), 0.95)
    draw = equilibrium(KEYS).draw(200, np.random.default_rng(3))
    assert free.energy[0] == energy_to_normal(equilibrium(KEYS).whiten(draw))
    assert found.energy[0] != free.energy[0]


def test_cancel_and_bad_input() -> None:
    with pytest.raises(InputError, match="population or empirical, but is 'layer_norm'"):
        renormalise(np.zeros((3, 2)), KEYS, "layer_norm")

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        persistence(KEYS, n_particles=20, null=np.zeros(1), check=stop)
