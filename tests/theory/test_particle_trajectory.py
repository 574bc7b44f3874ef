"""Particles step by step: the frames are the steps', and what is said of them is true of them."""

import numpy as np
import pytest
from scipy.special import softmax

from dr_transformer import InputError
from dr_transformer.theory.particle_trajectory import CURVES, contraction_error, hull_corners, trajectory
from dr_transformer.theory.particles import (
    CONTRACTIONS,
    STARTS,
    Update,
    evolve,
    least_stretch,
    measure,
    outside_hull,
    start,
)

WITHOUT = Update(residual=False)


@pytest.mark.parametrize("contraction", CONTRACTIONS)
def test_frames_are_the_steps_and_what_attention_made_half_way(contraction: str) -> None:
    X, update = start("mixture", 60), Update(contraction=contraction, step_size=0.5)
    found = trajectory(X, update, 3)
    expected = [X, *evolve(X, 3, update)]
    np.testing.assert_array_equal(found.steps, expected)
    whole = [i for i, depth in enumerate(found.depths) if depth == int(depth)]
    np.testing.assert_array_equal(found.frames[whole], expected)
    assert [found.depths[i] for i in whole] == [0, 1, 2, 3]
    if contraction == "none":
        assert found.names == ("the start", "step 1", "step 2", "step 3")
        return
    np.testing.assert_array_equal(found.frames[1], update.attend(X, X))
    assert found.depths == (0, 0.5, 1, 1.5, 2, 2.5, 3)
    assert found.names[3:5] == ("step 2, attention", f"step 2, {CONTRACTIONS[contraction]}")


def test_curves_are_the_measures() -> None:
    X = start("ring", 80)
    found = trajectory(X, Update(), 3)
    measures = [measure(step) for step in (X, *evolve(X, 3, Update()))]
    curves = found.curves()
    assert list(curves) == list(CURVES.values())
    np.testing.assert_allclose(curves[CURVES["trace"]], np.log10([m.trace for m in measures]))
    np.testing.assert_allclose(curves[CURVES["entropy"]], [m.entropy for m in measures])
    np.testing.assert_allclose(curves[CURVES["mean_log_z"]], [m.mean_log_z for m in measures])
    np.testing.assert_allclose(curves[CURVES["hull"]], np.log10([m.hull for m in measures]))


def test_what_has_no_value_is_none() -> None:
    curves = trajectory(start("gaussian", 60), Update(contraction="layer_norm"), 3).curves()
    assert curves[CURVES["hull"]][2:] == curves[CURVES["entropy"]][2:] == [None, None]  # two places, not one more
    assert None not in curves[CURVES["trace"]]


def test_particles_at_one_point_to_rounding_are_said_to_be() -> None:
    """σ goes to σ³ in each step: from 0.5 to 7e-9 in three, and then below what float64 resolves."""
    found = trajectory(start("gaussian", 300), WITHOUT, 8)
    assert found.lost_at == 4
    assert np.ptp(found.steps[3], axis=0).max() > 1e-9
    assert np.ptp(found.steps[4], axis=0).max() < 1e-14
    curves = found.curves()
    for name in ("trace", "entropy", "hull"):
        assert curves[CURVES[name]][4:] == [None] * 5
        assert None not in curves[CURVES[name]][:4]
    assert trajectory(start("ring", 300), Update(), 8).lost_at is None


@pytest.mark.parametrize("kind", STARTS)
def test_what_steps_may_not_do_is_checked_over_all_of_them(kind: str) -> None:
    X = start(kind, 60)
    found = trajectory(X, Update(), 4)
    pairs = list(zip(found.steps, found.steps[1:], strict=False))
    assert found.stretch == min(least_stretch(a, b) for a, b in pairs)
    assert found.stretch > 1 - 1e-9
    averaged = trajectory(X, WITHOUT, 3)
    inside = averaged.outside
    assert inside is not None
    assert inside == max(outside_hull(b, a) for a, b in zip(averaged.steps, averaged.steps[1:], strict=False))
    assert inside <= 1e-9
    assert found.outside is not None
    assert found.outside > 1, "ascent leaves the hull"
    assert trajectory(X, Update(contraction="ball"), 3).stretch < 0.9, "a contraction brings particles nearer"


def test_coinciding_particles_have_no_stretch() -> None:
    assert np.isnan(trajectory(np.ones((10, 2)), Update(), 2).stretch)
    assert trajectory(np.ones((10, 2)), WITHOUT, 2).outside is None


def test_what_contractions_promise() -> None:
    X = start("gaussian", 80)
    for name in CONTRACTIONS:
        update = Update(contraction=name, radius=0.8)
        (after,) = evolve(X, 1, update)
        assert contraction_error(after, update) < 1e-3
        if name != "none":
            assert contraction_error(X, update) > 0.1, "it would see particles that no contraction has met"
    lengths = np.linalg.norm(X, axis=1)
    assert contraction_error(X, Update(contraction="ball", radius=0.8)) == pytest.approx(lengths.max() - 0.8)


def test_attended_particles_are_those_of_most_weight() -> None:
    X = start("mixture", 40)
    found = trajectory(X, Update(), 2)
    indices, weights = found.attended(7, 5)
    assert indices.shape == weights.shape == (3, 5)
    for t, step in enumerate(found.steps):
        expected = softmax(step @ step[7])
        np.testing.assert_allclose(weights[t], np.sort(expected)[::-1][:5])
        np.testing.assert_allclose(expected[indices[t]], weights[t])


def test_hull_corners() -> None:
    corners = hull_corners(np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.4]]))
    assert corners is not None
    assert sorted(map(tuple, corners)) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert hull_corners(np.array([[0.0, 0], [1, 1], [2, 2], [3, 3]])) is None


def test_too_far_out_is_a_sentence() -> None:
    with pytest.raises(InputError, match="too far out"):
        trajectory(start("gaussian", 10), Update(), 600)
