"""Shim's Theorem 1 with the operator said precisely: a Gaussian that attention and renormalisation leave as it is.

Particles η are queries, and the keys are Ση; the step is η ← η + attention(η). If η is N(Σ⁻¹μ, Σ⁻¹), then the keys are
N(μ, Σ), attention tends to μ + Ση (Corollary 1), and the step to the affine map η ← (I + Σ)η + μ. So η becomes

    N(Σ⁻¹μ + 2μ, (I + Σ) Σ⁻¹ (I + Σ))

and is to be brought back. "population" undoes that map, particle by particle. "empirical" gives the sample its mean and
covariance back, by symmetric roots: in population the same map. LayerNorm, which knows each particle alone, is neither.

In a sample the keys' attention is not the limit, and the equilibrium is unstable (`hermite_modes.py`): what chance
leaves grows. Under "empirical" mean and covariance hold by construction, so what is looked at is each particle's
displacement, and the energy distance to the Gaussian against what a sample of it has by chance. With 3 000 particles,
Σ = I and μ = 0 the particles pass for plain draws for one or two steps. But a sample with given moments lies nearer to
the Gaussian than a plain draw, and by that sharper band ("fitted") the equilibrium holds for one step or none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dr_transformer.errors import InputError
from dr_transformer.theory.energy_distance import energy_to_normal, null_energies
from dr_transformer.theory.exponential_family import attention
from dr_transformer.theory.gaussian import Gaussian, match_moments, symmetric_power
from dr_transformer.types import Floats

RENORMALISATIONS = ("population", "empirical")


def equilibrium(keys: Gaussian) -> Gaussian:
    """The particles' distribution N(Σ⁻¹μ, Σ⁻¹), for keys N(μ, Σ)."""
    inverse = symmetric_power(keys.covariance, -1)
    return Gaussian(inverse @ keys.mean, inverse)


def ascend(particles: Floats, keys: Gaussian, log_weights: Floats | None = None) -> Floats:
    """η + attention(η) over the keys Ση, for particles (n, d) of optional `log_weights` (n,): (n, d)."""
    return particles + attention(particles, particles @ keys.covariance, log_weights)


def renormalise(particles: Floats, keys: Gaussian, how: str) -> Floats:
    """Bring ascended particles (n, d) back, by one of `RENORMALISATIONS`."""
    if how == "population":
        return (particles - keys.mean) @ symmetric_power(np.eye(keys.n_dimensions) + keys.covariance, -1)
    if how == "empirical":
        return match_moments(particles, equilibrium(keys))
    raise InputError(f"renormalisation must be {' or '.join(RENORMALISATIONS)}, but is {how!r}.")


def step(particles: Floats, keys: Gaussian, how: str) -> Floats:
    """One step of the theorem's operator: `ascend`, then `renormalise`."""
    return renormalise(ascend(particles, keys), keys, how)


@dataclass(frozen=True, eq=False)
class Persistence:
    """How the equilibrium fares over t steps of n particles, in units of its standard deviations.

    `displacement` (t, n): how far each particle moves in each step. `energy` (t + 1,): energy distance to the
    equilibrium at the start and after each step. `band`: what a sample of the equilibrium stays below by chance with
    probability `level`.
    """

    displacement: Floats
    energy: Floats
    band: float
    level: float

    @property
    def holds(self) -> int:
        """After how many steps on end the particles still pass for a sample of the equilibrium; t if to the end."""
        outside = np.flatnonzero(self.energy[1:] > self.band)
        return int(outside[0]) if len(outside) else len(self.displacement)

    @property
    def rms_displacement(self) -> Floats:
        """Root mean square over particles, (t,); a few far out, where hardly a key is, decide it."""
        return np.sqrt(np.square(self.displacement).mean(axis=1))


def persistence(
    keys: Gaussian,
    how: str = "empirical",
    *,
    n_particles: int = 3000,
    n_steps: int = 6,
    random_state: int = 42,
    null: Floats | None = None,
    level: float = 0.95,
    check: Callable[[], None] | None = None,
) -> Persistence:
    """Start from a draw of the equilibrium, with exactly its moments if `how` is "empirical", and take steps.

    `null` are `null_energies` of as many particles, if they are at hand: they are the same for all `keys` of one
    dimension. The default is renormalised ("fitted") where the particles are. `check` may raise to cancel.
    """
    target, fitted = equilibrium(keys), how == "empirical"
    particles = target.draw(n_particles, np.random.default_rng(random_state))
    if fitted:
        particles = match_moments(particles, target)
    if null is None:
        null = null_energies(n_particles, keys.n_dimensions, fitted=fitted, check=check)
    Z = target.whiten(particles)
    energy, displacement = [energy_to_normal(Z)], np.empty((n_steps, n_particles))
    for t in range(n_steps):
        if check:
            check()
        particles = step(particles, keys, how)
        before, Z = Z, target.whiten(particles)
        displacement[t] = np.linalg.norm(Z - before, axis=1)
        energy.append(energy_to_normal(Z))
    return Persistence(displacement, np.array(energy), float(np.quantile(null, level)), level)
