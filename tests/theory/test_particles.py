"""Particles under attention: expansion with residual, contraction into the hull without, and the contractions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dr_transformer import InputError
from dr_transformer.theory.exponential_family import attention
from dr_transformer.theory.gaussian import moments, standardise
from dr_transformer.theory.particles import (
    CONTRACTIONS,
    STARTS,
    Update,
    evolve,
    field,
    grid,
    hull_volume,
    least_stretch,
    outside_hull,
    start,
    trace,
)

WITHOUT = Update(residual=False)


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from(STARTS),
    spread=st.floats(0.05, 3),
    d=st.integers(2, 3),
    step_size=st.floats(0.01, 3),
    seed=st.integers(0, 100),
)
def test_with_residual_no_two_particles_come_nearer(
    kind: str, spread: float, d: int, step_size: float, seed: int
) -> None:
    """The gradient of a convex function is monotone; so the trace grows, at every step, from every start."""
    X = start(kind, 60, n_dimensions=d, spread=spread, random_state=seed)
    for after in evolve(X, 4, Update(step_size=step_size)):
        assert least_stretch(X, after) > 1 - 1e-9
        assert trace(after) > trace(X)
        X = after


@settings(max_examples=30, deadline=None)
@given(kind=st.sampled_from(STARTS), spread=st.floats(0.1, 2), d=st.integers(1, 3), seed=st.integers(0, 100))
def test_without_residual_the_hull_shrinks(kind: str, spread: float, d: int, seed: int) -> None:
    X = start(kind, 60, n_dimensions=d, spread=spread, random_state=seed)
    for after in evolve(X, 3, WITHOUT):
        if hull_volume(X) < 1e-6:  # rounding decides then
            break
        assert outside_hull(after, X) <= 1e-9
        assert hull_volume(after) < hull_volume(X)
        X = after


def test_without_residual_the_trace_may_rise() -> None:
    """A crowd in the middle of two far particles goes to these, whose hull stays."""
    X = np.concatenate([start("gaussian", 100, spread=0.1), [[30.0, 1.0], [-30.0, 1.0], [0.0, -2.0]]])
    (after,) = evolve(X, 1, WITHOUT)
    assert trace(after) > 4 * trace(X)
    assert outside_hull(after, X) <= 1e-9


def test_without_residual_a_gaussian_goes_to_the_sixth_power() -> None:
    """Attention is Σx, of covariance Σ³: below 1 the trace falls, above it rises, until the hull is felt."""
    for spread in (0.3, 0.5, 0.7):
        X = start("gaussian", 3000, spread=spread)
        assert trace(WITHOUT(X)) / trace(X) == pytest.approx(spread**4, rel=0.08)
    wide = start("gaussian", 1000, spread=1.5)
    assert 1.5 < trace(WITHOUT(wide)) / trace(wide) < 1.5**4


def test_an_update_is_attention_then_the_contraction() -> None:
    X = start("mixture", 50)
    np.testing.assert_array_equal(Update(step_size=0.3)(X), X + 0.3 * attention(X, X))
    np.testing.assert_array_equal(WITHOUT(X), attention(X, X))
    for name in CONTRACTIONS:
        update = Update(contraction=name)
        np.testing.assert_array_equal(update(X), update.contract(update.attend(X, X), update.attend(X, X)))


def test_contractions_are_what_they_are_called() -> None:
    X = start("gaussian", 80, n_dimensions=5, spread=0.8)
    tokens = torch.from_numpy(X)

    def contracted(name: str) -> np.ndarray:
        return Update(contraction=name, radius=1.5).contract(X, X)

    layer_norm = torch.nn.functional.layer_norm(tokens, (5,), eps=1e-10).numpy()
    rms_norm = torch.nn.functional.rms_norm(tokens, (5,), eps=1e-10).numpy()
    np.testing.assert_allclose(contracted("layer_norm"), layer_norm, rtol=1e-12)
    np.testing.assert_allclose(contracted("rms_norm"), rms_norm, rtol=1e-12)
    np.testing.assert_allclose(contracted("whitening"), standardise(X))
    np.testing.assert_allclose(moments(contracted("whitening"))[1], np.eye(5), atol=1e-12)
    lengths = np.linalg.norm(X, axis=1)
    inside = lengths <= 1.5
    assert 0 < inside.sum() < 80
    np.testing.assert_array_equal(contracted("ball")[inside], X[inside])
    np.testing.assert_allclose(contracted("ball")[~inside], 1.5 * (X / lengths[:, None])[~inside])
    np.testing.assert_array_equal(contracted("none"), X)


def test_in_two_dimensions_layer_norm_leaves_signs() -> None:
    for X in evolve(start("gaussian", 100), 3, Update(contraction="layer_norm")):
        np.testing.assert_allclose(np.abs(X), 1, rtol=1e-4)
        np.testing.assert_allclose(X[:, 0], -X[:, 1])
    before = start("gaussian", 100)
    after = Update(contraction="layer_norm").contract(before, before)
    np.testing.assert_array_equal(np.sign(after[:, 0]), np.sign(before[:, 0] - before[:, 1]))


def test_the_field_moves_particles_and_what_is_none() -> None:
    X = start("ring", 100)
    for name in CONTRACTIONS:
        update = Update(contraction=name, step_size=0.5)
        np.testing.assert_allclose(field(X, X, update), update(X) - X, atol=1e-12)
        alone = field(X[:7] + 0.1, X, update)
        np.testing.assert_allclose(alone[3:4], field(X[3:4] + 0.1, X, update), atol=1e-12)  # each by itself
    points = grid(X, 12)
    assert points.shape == (144, 2)
    assert (points.min(axis=0) < X.min(axis=0)).all()
    assert (points.max(axis=0) > X.max(axis=0)).all()
    np.testing.assert_allclose(np.diff(points[:12], axis=0)[:, 1], 0)
    assert np.isfinite(field(grid(X[:1]), X, Update())).all()


def test_starts() -> None:
    gaussian = start("gaussian", 5000, spread=0.7)
    np.testing.assert_allclose(moments(gaussian)[1], 0.49 * np.eye(2), atol=0.03)
    ring = start("ring", 5000, spread=0.1, radius=3)
    lengths = np.linalg.norm(ring, axis=1)
    assert lengths.mean() == pytest.approx(3, abs=0.01)
    assert lengths.std() == pytest.approx(0.1, rel=0.05)
    np.testing.assert_allclose(ring.mean(axis=0), 0, atol=0.1)
    for d in (1, 2, 4):
        mixture = start("mixture", 400, n_dimensions=d, spread=0.01, radius=3, n_clusters=4)
        assert mixture.shape == (400, d)
        centres = 3 * np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])[:, : min(d, 2)]
        np.testing.assert_allclose(mixture[:4, :2], centres, atol=0.05)
    for kind in STARTS:
        np.testing.assert_array_equal(start(kind, random_state=5), start(kind, random_state=5))
        assert (start(kind, random_state=5) != start(kind, random_state=6)).any()
        assert start(kind).shape == (300, 2)


def test_particles_that_leave_the_numbers_are_reported() -> None:
    steps = evolve(start("gaussian", 5), 2000, Update())
    with pytest.raises(InputError, match="too far out; use fewer steps or a contraction"):
        *_, _ = steps


def test_bad_input() -> None:
    with pytest.raises(InputError, match="start must be gaussian, mixture, ring, but is 'square'"):
        start("square")
    with pytest.raises(InputError, match="at least 1"):
        start("ring", 0)
    with pytest.raises(InputError, match="at least 0, but are nan"):
        start("ring", spread=float("nan"))
    with pytest.raises(InputError, match="but is 'softmax'"):
        Update(contraction="softmax")
    for bad in ({"step_size": 0.0}, {"radius": -1.0}, {"step_size": float("inf")}):
        with pytest.raises(InputError, match="above 0"):
            Update(**bad)
    with pytest.raises(InputError, match="at least two dimensions"):
        Update(contraction="layer_norm")(start("gaussian", 5, n_dimensions=1))
