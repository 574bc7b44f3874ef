"""Charts of the log normaliser: what they draw is what was computed."""

import numpy as np
import pytest

from dr_transformer.charts.particles import arrow_scale, difference_chart, field_chart, gradient_chart, logarithmic
from dr_transformer.charts.theorem import (
    dimensions_chart,
    displacement_chart,
    energy_chart,
    growth_chart,
    samples_chart,
)
from dr_transformer.engine.theorem import Growth
from dr_transformer.theory.exponential_family import check_gradient, log_normaliser
from dr_transformer.theory.gaussian import Gaussian, convergence
from dr_transformer.theory.particle_trajectory import hull_corners
from dr_transformer.theory.particles import Update, field, grid, start
from dr_transformer.theory.renormalisation import persistence


def traces(figure: object) -> dict[str, object]:
    return {trace.name: trace for trace in figure.data}  # type: ignore[attr-defined]


def test_arrows_are_the_field_to_one_scale() -> None:
    X, update = start("gaussian", 50), Update()
    points = grid(X, 8)
    arrows = field(points, X, update)
    log_z = log_normaliser(points, X)
    drawn = traces(field_chart(X, ["#000"] * 50, points, arrows, log_z, hull_corners(X), name="field"))
    scale = arrow_scale(points, arrows)
    assert scale * np.linalg.norm(arrows, axis=1).max() == pytest.approx(1.3 * (points[1, 0] - points[0, 0]))
    quiver = drawn["a step"]
    starts = np.stack([quiver.x, quiver.y], axis=1)[: 3 * 64].astype(float).reshape(64, 3, 2)  # from, to, a gap
    np.testing.assert_allclose(starts[:, 0], points)
    np.testing.assert_allclose(starts[:, 1], points + scale * arrows)
    np.testing.assert_allclose(drawn["level lines of log Z"].z.ravel(), log_z)
    np.testing.assert_array_equal(np.stack([drawn["particles"].x, drawn["particles"].y], axis=1), X)
    assert len(drawn["hull"].x) == len(hull_corners(X)) + 1
    assert drawn["particles"].type == "scatter", "WebGL traces of Plotly do not change smoothly"


def test_a_field_at_rest_has_arrows_of_no_length() -> None:
    points = grid(np.zeros((3, 2)), 4)
    assert arrow_scale(points, np.zeros_like(points)) == 1


def test_the_level_lines_stand_on_the_field() -> None:
    """log Z along an arrow grows by its length squared, to first order: the arrows are its gradient."""
    X = start("mixture", 60)
    points = grid(X, 12)
    arrows = field(points, X, Update())
    grown = log_normaliser(points + 1e-6 * arrows, X) - log_normaliser(points, X)
    np.testing.assert_allclose(grown / 1e-6, np.square(arrows).sum(axis=1), rtol=1e-4, atol=1e-6)


def test_both_sides_of_the_proposition_are_drawn() -> None:
    keys, query = start("ring", 40), np.array([0.5, -1.0])
    check = check_gradient(query, keys)
    drawn = traces(gradient_chart(keys, query, check))
    for name, vector in (("attention average", check.exact), ("central differences", check.numeric)):
        assert (drawn[name].x[0], drawn[name].y[0]) == tuple(vector)
    steps = np.array([1e-8, 1e-4, 1e-2])
    errors = np.array([1e-9, 0.0, 1e-5])
    curve, chosen = difference_chart(steps, errors, 1e-4, 1e-10).data
    np.testing.assert_array_equal(curve.x, steps[[0, 2]])  # no logarithm shows exact agreement
    np.testing.assert_array_equal(curve.y, errors[[0, 2]])
    assert (chosen.x[0], chosen.y[0]) == (1e-4, 1e-10)


def test_errors_are_drawn_with_the_slope_that_is_said() -> None:
    found = convergence(Gaussian.isotropic(1, 0, 2), np.array([0.5, 0.5]), (100, 300, 1000), n_repeats=10)
    drawn = traces(samples_chart(found))
    rms, expected = drawn["root mean square"], drawn["slope −½, expected"]
    slope = np.polyfit(np.log(rms.x), np.log(rms.y), 1)[0]
    assert slope == pytest.approx(found.slope)
    assert np.polyfit(np.log(expected.x), np.log(expected.y), 1)[0] == pytest.approx(-0.5)
    assert len(drawn["single draws"].x) == 30
    over = [convergence(Gaussian.isotropic(1, 0, d), np.full(d, d**-0.5), (50, 100), n_repeats=5) for d in (1, 4)]
    measured = traces(dimensions_chart(over))["root mean square"]
    np.testing.assert_array_equal(measured.x, [1, 4])
    np.testing.assert_allclose(measured.y, [each.rms[-1] for each in over])
    assert not dimensions_chart([]).data


def test_energy_and_displacement_are_drawn_with_their_bands() -> None:
    found = persistence(Gaussian.isotropic(1), n_particles=200, n_steps=3, null=np.array([1e-3, 2e-3]))
    particles, plain, fitted = energy_chart({False: found, True: found}).data
    np.testing.assert_array_equal(particles.y, found.energy)
    assert set(plain.y) == set(fitted.y) == {found.band}
    drawn = traces(displacement_chart(found))
    np.testing.assert_allclose(drawn["median"].y, np.median(found.displacement, axis=1))
    np.testing.assert_allclose(drawn["root mean square"].y, found.rms_displacement)


def test_growth_is_drawn_against_the_derived_rates() -> None:
    one = Growth(3, 2.5, 2.5, np.array([2.3, 2.5]), np.array([1.9, 2.0]))
    drawn = traces(growth_chart([one], {3: 2.5, 4: 3.0}))
    np.testing.assert_array_equal(drawn["1 + kσ²/(1 + σ²)"].y, [2.5, 3.0])
    assert drawn["near η = 0"].y[0] == pytest.approx(2.4)
    assert drawn["near η = 0"].error_y.array[0] == pytest.approx(0.2)  # twice 0.1414 / √2
    assert drawn["all particles"].y[0] == pytest.approx(1.95)


def test_logarithmic_axes_show_all() -> None:
    wide = logarithmic(np.array([1e-6, 1e3]))
    assert wide["dtick"] == 2
    assert wide["range"][0] < -6 < 3 < wide["range"][1]  # type: ignore[index]
    assert logarithmic(np.array([0.1, 0.4]))["dtick"] == "D2"
