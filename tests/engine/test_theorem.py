"""The measurements of Corollary 1 and Theorem 1 as jobs: they give the numerics' values, and stop."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import pytest

from dr_transformer.engine.jobs import Background
from dr_transformer.engine.theorem import (
    DIMENSIONS,
    MODES,
    N_DRAWS,
    N_OF_DIMENSIONS,
    CorollaryRun,
    CorollarySettings,
    GrowthRun,
    GrowthSettings,
    NullBand,
    TheoremRun,
    TheoremSettings,
)
from dr_transformer.theory.energy_distance import null_energies
from dr_transformer.theory.gaussian import N_SAMPLES, Gaussian, convergence, tilt
from dr_transformer.theory.hermite_modes import bulk_growth, growth_factor, sampled_growth
from dr_transformer.theory.renormalisation import persistence

J = TypeVar("J", bound=Background)


def done(job: J) -> J:
    job.owners.add("test")
    job.work()
    return job


def nulls(settings: TheoremSettings) -> tuple[NullBand, ...]:
    about = settings.n_particles, settings.n_dimensions
    return tuple(done(NullBand(*about, fitted)) for fitted in settings.bands())


def test_the_corollary_is_measured_over_samples_and_dimensions() -> None:
    settings = CorollarySettings(tilt=2.25, n_dimensions=3, variance=0.5, mean=1.0, n_repeats=5, random_state=7)
    job = done(CorollaryRun(settings))
    assert job.finished
    assert job.progress == pytest.approx(1)
    keys = Gaussian.isotropic(0.5, 1.0, 3)
    query = settings.query(3)
    assert tilt(keys, query) == pytest.approx(2.25)
    expected = convergence(keys, query, N_SAMPLES, n_repeats=5, random_state=7)
    assert job.over_samples is not None
    np.testing.assert_array_equal(job.over_samples.errors, expected.errors)
    assert [each.n_dimensions for each in job.over_dimensions] == list(DIMENSIONS)
    for each in job.over_dimensions:
        assert each.tilt == pytest.approx(2.25)
        np.testing.assert_array_equal(each.n_samples, N_OF_DIMENSIONS)


@pytest.mark.parametrize("how", ["empirical", "population"])
def test_the_theorem_is_measured_against_its_bands(how: str) -> None:
    settings = TheoremSettings(variance=0.5, mean=0.5, n_dimensions=1, n_particles=300, n_steps=3, how=how)
    job = done(TheoremRun(settings, nulls(settings)))
    assert job.progress == pytest.approx(1)
    assert list(job.found) == ([False, True] if how == "empirical" else [False])
    for fitted, found in job.found.items():
        null = null_energies(300, 1, fitted=fitted, n_draws=N_DRAWS)
        expected = persistence(settings.keys(), how, n_particles=300, n_steps=3, null=null)
        np.testing.assert_array_equal(found.energy, expected.energy)
        np.testing.assert_array_equal(found.displacement, expected.displacement)
        assert found.band == expected.band
        assert found.holds == expected.holds


def test_the_growth_is_measured_mode_by_mode() -> None:
    settings = GrowthSettings(variance=0.5, n_particles=300, n_seeds=5)
    job = done(GrowthRun(settings))
    assert [each.k for each in job.found] == list(MODES)
    for each in job.found:
        assert each.derived == growth_factor(each.k, 0.5)
        assert each.quadrature == pytest.approx(each.derived, rel=1e-6)
        np.testing.assert_array_equal(each.bulk, bulk_growth(each.k, settings.keys(), 300, range(5)))
        np.testing.assert_array_equal(each.whole, sampled_growth(each.k, settings.keys(), 300, range(5)))
        assert each.deviation == pytest.approx(each.bulk.mean() / each.derived - 1)
        assert each.surprise * each.standard_error(each.bulk) == pytest.approx(abs(each.bulk.mean() - each.derived))
        assert each.standard_error(each.bulk) == pytest.approx(each.bulk.std(ddof=1) / 5**0.5)


def test_near_eta_zero_modes_grow_as_derived_and_in_the_whole_sample_less() -> None:
    job = done(GrowthRun(GrowthSettings(n_particles=1000, n_seeds=20)))
    third = job.found[0]
    assert abs(third.bulk.mean() - third.derived) < 3 * third.standard_error(third.bulk)
    assert abs(third.deviation) < 0.1
    assert 1 < third.whole.mean() < third.derived - 3 * third.standard_error(third.whole)
