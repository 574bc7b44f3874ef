"""Why Theorem 1's equilibrium is unstable: its modes in one dimension, and how fast they grow.

In units z = σ(η − μ/σ²) the equilibrium is N(0, 1). Let its density be off by the factor 1 + ε He_k(z), He_k the k-th
(probabilists') Hermite polynomial. The tilt exp(ηx) moves the mean of z by ση = z + μ/σ, and E He_k(z + a) = a^k, so

    log Z(η) = … + ε (z + μ/σ)^k,    attention = μ + σ²η + ε k σ (z + μ/σ)^(k−1)

and after the renormalisation, "population" or "empirical", each particle has moved by

    ε k σ²/(1 + σ²) (z + μ/σ)^(k−1) = ε k σ²/(1 + σ²) He_(k−1)(z) + lower modes

A move by v(z) changes the density by −(v φ)'/φ = z v − v', which is He_k for v = He_(k−1). So mode k grows by

    1 + k σ²/(1 + σ²)   a step,

and feeds none but lower ones. All grow, the finer the faster. "Population" renormalisation lets the mean (k = 1) and
the variance (k = 2) drift too; "empirical" holds these two.

That is in population. In a sample, particles near η = 0 move as derived (`bulk_growth`), but those far out, which have
hardly any keys beyond them to see, respond less, and He_k weighs these most. So the mode k of all of a sample
(`sampled_growth`) grows less than derived, the less the higher k, and nears the rate slowly as particles are added.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import eval_hermitenorm

from dr_transformer.errors import InputError
from dr_transformer.theory.gaussian import Gaussian, standardise
from dr_transformer.theory.renormalisation import ascend, equilibrium, renormalise
from dr_transformer.types import Floats

_NODES = 80  # of the quadrature
_POPULATION_EPS = 1e-9
_SAMPLE_EPS = 1e-3


def growth_factor(k: int, variance: float) -> float:
    """1 + kσ²/(1 + σ²): by how much Hermite mode k grows in a step, for keys of variance σ²."""
    return 1 + k * variance / (1 + variance)


def hermite(k: int, z: Floats) -> Floats:
    """He_k(z), leading coefficient 1: He_1 = z, He_2 = z² − 1, He_3 = z³ − 3z."""
    return eval_hermitenorm(k, z)


def mode(k: int, z: Floats, weights: Floats | None = None) -> float:
    """E He_k(z)/k!: the coefficient of He_k in the density over N(0, 1). A sixth of the skewness for k = 3."""
    return float(np.average(hermite(k, z), weights=weights)) / math.factorial(k)


def population_growth(k: int, keys: Gaussian) -> float:
    """The factor measured without sampling: in place of particles, the nodes and weights of Gauss–Hermite quadrature.

    They are moved by ± ε He_(k−1), which makes mode k ± ε, take one "population" step, and their mode is measured.
    """
    nodes, weights = hermegauss(_NODES)
    before, after = [], []
    for eps in (_POPULATION_EPS, -_POPULATION_EPS):
        z = nodes + eps * hermite(k - 1, nodes)
        before.append(mode(k, z, weights))
        after.append(mode(k, _step(z, keys, "population", np.log(weights)), weights))
    return (after[0] - after[1]) / (before[0] - before[1])


def sampled_growth(k: int, keys: Gaussian, n_particles: int = 2000, random_states: Sequence[int] = range(10)) -> Floats:
    """Return by how much mode k ≥ 3 of a sample grows in an "empirical" step, for each seed: (seeds,).

    Two copies of a sample, bent by ± ε He_(k−1), take the step; their difference is free of the sample's own modes.
    """
    if k < 3:
        raise InputError(
            f"modes 1 and 2, mean and variance, are held by the renormalisation; choose k from 3, not {k}."
        )
    factors = []
    for seed in random_states:
        z = np.random.default_rng(seed).standard_normal(n_particles)
        bent = [standardise((z + eps * hermite(k - 1, z))[:, None])[:, 0] for eps in (_SAMPLE_EPS, -_SAMPLE_EPS)]
        after = [_step(copy, keys, "empirical") for copy in bent]
        factors.append((mode(k, after[0]) - mode(k, after[1])) / (mode(k, bent[0]) - mode(k, bent[1])))
    return np.array(factors)


def bulk_growth(k: int, keys: Gaussian, n_particles: int = 2000, random_states: Sequence[int] = range(10)) -> Floats:
    """1 + how far particles within σ|η| < 1 move in a "population" step for ε (ση)^(k−1), for each seed: (seeds,).

    The same two copies as in `sampled_growth`; the move, less that of the unbent sample, is fitted by least squares.
    """
    centre = float(keys.mean[0] / np.sqrt(keys.covariance[0, 0]))
    factors = []
    for seed in random_states:
        z = np.random.default_rng(seed).standard_normal(n_particles)
        bent = [z + eps * hermite(k - 1, z) for eps in (_SAMPLE_EPS, -_SAMPLE_EPS)]
        moves = [_step(copy, keys, "population") - copy for copy in bent]
        near = np.abs(z + centre) < 1
        power, move = (z + centre)[near] ** (k - 1), (moves[0] - moves[1])[near] / (2 * _SAMPLE_EPS)
        factors.append(1 + power @ move / (power @ power))
    return np.array(factors)


def _step(z: Floats, keys: Gaussian, how: str, log_weights: Floats | None = None) -> Floats:
    """One step of particles at z (n,), in the equilibrium's units, and back into these."""
    if keys.n_dimensions != 1:
        raise InputError(f"Hermite modes are measured in one dimension, but the keys have {keys.n_dimensions}.")
    target = equilibrium(keys)
    particles = target.mean + z[:, None] @ np.sqrt(target.covariance)
    return target.whiten(renormalise(ascend(particles, keys, log_weights), keys, how))[:, 0]
