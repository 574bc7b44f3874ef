"""The page "Log-normaliser" by AppTest: what it says is what the numerics give, and follows the controls."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dr_transformer.charts.particles import arrow_scale
from dr_transformer.engine.jobs import Background
from dr_transformer.engine.theorem import CorollaryRun, GrowthRun, TheoremRun
from dr_transformer.theory.exponential_family import check_gradient
from dr_transformer.theory.hermite_modes import growth_factor
from dr_transformer.theory.particle_trajectory import trajectory
from dr_transformer.theory.particles import Update, evolve, field, grid, start, trace
from dr_transformer.ui.log_normaliser.corollary import sentences as corollary_sentences
from dr_transformer.ui.log_normaliser.corollary import slope_range
from dr_transformer.ui.log_normaliser.limits import asymmetries
from dr_transformer.ui.log_normaliser.particle_text import at_rest

PAGE = Path(__file__).parents[3] / "pages" / "5_Log_normaliser.py"
QUICK = {"corollary_draws": 5, "corollary_d": 1, "theorem_n": 300, "growth_n": 1000, "growth_seeds": 5}


@pytest.fixture
def open_page() -> Callable[..., AppTest]:
    """`open_page(particles_steps=3)` runs the page with these values of its widgets."""

    def open_it(**values: object) -> AppTest:
        app = AppTest.from_file(str(PAGE), default_timeout=60)
        app.query_params.update({"n_samples": "300"})
        for key, value in (QUICK | values).items():
            app.session_state[key] = value
        app.run()
        assert not app.exception
        return app

    return open_it


def text(app: AppTest) -> str:
    return "\n".join(element.value for kind in (app.markdown, app.caption) for element in kind)


def finished(app: AppTest, kind: str, before: Background | None = None) -> Background:
    """Rerun until the section shows another job than `before`, as the page does by itself."""
    for _ in range(300):
        job = app.session_state.get(f"{kind}_shown", None)
        if job is not None and job is not before:
            return job
        time.sleep(0.1)
        app.run()
        assert not app.exception
    raise AssertionError(f"{kind} did not end")


@pytest.mark.parametrize("kind", ["gaussian", "mixture", "ring"])
@pytest.mark.parametrize("residual", [True, False])
def test_particles_are_those_of_evolve(open_page: Callable[..., AppTest], kind: str, residual: bool) -> None:
    values = {"particles_start": kind, "particles_residual": residual, "particles_n": 100, "particles_seed": 3}
    app = open_page(**values, particles_spread=0.4, particles_steps=3, particles_step_size=0.5)
    _, found = app.session_state["last_particles"]
    X = start(kind, 100, spread=0.4, random_state=3)
    np.testing.assert_array_equal(found.steps, [X, *evolve(X, 3, Update(residual, 0.5))])
    said = text(app)
    points = grid(X)
    scale = arrow_scale(points, field(points, X, Update(residual, 0.5)))
    assert f"at {scale:.2g} times their length" in said
    assert ("cross at right angles" in said, "Dotted: the convex hull" in said) == (residual, not residual)
    if residual:
        assert f"is {found.stretch:.6f}." in said
        assert "No two particles came nearer" in said
        assert f"from {trace(X):.3g} to {trace(found.steps[-1]):.3g}" in said
    else:
        assert "No particle left the convex hull of the step before" in said
        assert "The hull's area fell in 3 of 3 steps" in said


def test_the_step_at_rest_is_said_in_figures(open_page: Callable[..., AppTest]) -> None:
    app = open_page(particles_start="mixture", particles_n=100, particles_steps=3)
    _, found = app.session_state["last_particles"]
    first, last = found.measures[0], found.measures[3]
    assert at_rest(found, 0) in text(app)
    assert at_rest(found, 3) == (
        f"**After step 3**, 100 particles: mean $\\log Z$ {last.mean_log_z:.3g}, trace of the covariance "
        f"{last.trace:.3g} ({last.trace / first.trace:.3g} times that at the start), area of the convex hull "
        f"{last.hull:.3g}, entropy {last.entropy:.3g} nats.".replace("-", "−")
    )
    np.testing.assert_allclose([first.trace, last.trace], [trace(found.steps[0]), trace(found.steps[3])])
    app.session_state["particles"] = {"depth": {"at": 2.0, "given": [0.0, 0]}}
    assert at_rest(found, 2) in text(app.run())


def test_what_is_rounding_has_no_figure() -> None:
    lost = trajectory(np.array([[5.0, 0.0], [5.1, 0.0], [5.0, 0.1]] * 3), Update(residual=False), 4)
    assert lost.lost_at is not None
    said = at_rest(lost, 4)
    assert said.startswith("**After step 4**, 9 particles: mean $\\log Z$ ")
    assert "trace" not in said
    assert "hull" not in said


def test_the_trace_without_residual_is_counted_not_claimed(open_page: Callable[..., AppTest]) -> None:
    app = open_page(particles_start="mixture", particles_residual=False)
    _, found = app.session_state["last_particles"]
    falls = sum(b.trace < a.trace for a, b in zip(found.measures, found.measures[1:], strict=False))
    assert 0 < falls < 4
    assert f"the trace in {falls} of 4." in text(app)


@pytest.mark.parametrize(
    ("contraction", "sentence"),
    [
        ("layer_norm", r"all lie at \(1, −1\) or \(−1, 1\), to within (\S+)\."),
        ("rms_norm", r"circle of radius \$\\sqrt 2\$, to within (\S+)\."),
        ("whitening", r"the covariance \$I\$, to within (\S+)\."),
        ("ball", r"within the radius 1\.5, to within (\S+); after the last step \d+% of them lie on the circle"),
    ],
)
def test_every_contraction_is_named_with_its_error(
    open_page: Callable[..., AppTest], contraction: str, sentence: str
) -> None:
    found = re.search(sentence, text(open_page(particles_contraction=contraction, particles_ball=1.5)))
    assert found
    assert float(found[1]) < 1e-3


def test_a_crowd_lost_to_rounding_is_said(open_page: Callable[..., AppTest]) -> None:
    assert "From step 4 on all particles are at one point" in text(
        open_page(particles_residual=False, particles_steps=6)
    )


def test_controls_change_what_they_say(open_page: Callable[..., AppTest]) -> None:
    app = open_page()
    _, before = app.session_state["last_particles"]
    app.slider(key="particles_n").set_value(50)
    app.slider(key="particles_steps").set_value(2)
    app.selectbox(key="particles_contraction").set_value("ball")
    app.run()
    chosen, after = app.session_state["last_particles"]
    assert before.steps.shape == (5, 300, 2)
    assert after.steps.shape == (3, 50, 2)
    assert chosen.update == Update(contraction="ball")
    disabled = {widget.key: widget.disabled for widget in app.slider}
    assert not disabled["particles_ball"]
    assert disabled["particles_radius"], "a Gaussian has none"


def test_the_gradient_is_checked_live(open_page: Callable[..., AppTest]) -> None:
    app = open_page(gradient_keys="ring", gradient_n=50, gradient_seed=5)
    app.slider(key="gradient_eta_1").set_value(-1.5)
    app.slider(key="gradient_eta_2").set_value(2.0)
    app.run()
    keys = start("ring", 50, spread=1.0, random_state=5)
    check = check_gradient(np.array([-1.5, 2.0]), keys)
    said = text(app)
    for vector in (check.numeric, check.exact):
        assert " | ".join(f"{value:.12f}" for value in vector) in said
    assert f"Largest difference: **{check.error:.1e}**" in said
    assert check.error <= 1e-6
    assert "at most 1e-6: the two sides agree" in said


@pytest.mark.parametrize(("h", "why"), [("1e-1", "too large a step is no derivative"), ("1e-13", "only rounding")])
def test_a_bad_step_is_seen(open_page: Callable[..., AppTest], h: str, why: str) -> None:
    app = open_page(gradient_keys="gaussian")
    app.select_slider(key="gradient_h").set_value(h).run()
    check = check_gradient(np.array([1.0, 0.5]), start("gaussian", 200, spread=1.0), float(h))
    assert check.error > 1e-6
    assert f"**{check.error:.1e}**, with h = {float(h):.1e}. That is more than 1e-6: " in text(app)
    assert why in text(app)


def test_the_slope_of_the_corollary_is_that_measured(open_page: Callable[..., AppTest]) -> None:
    app = open_page(corollary_draws=20, corollary_d=4)
    job = finished(app, "corollary")
    assert isinstance(job, CorollaryRun)
    found = job.over_samples
    assert found is not None
    low, high = slope_range(found)
    assert low < found.slope < high
    assert found.slope == pytest.approx(-0.5, abs=0.06)
    said = text(app)
    assert f"**−{-found.slope:.2f}**, range −{-low:.2f} to −{-high:.2f}" in said
    assert "= 11\u202f036 count" in said  # 30 000 / e
    assert "Beyond s² = 1" not in said
    app.slider(key="corollary_tilt").set_value(9.0).run()
    steeper = finished(app, "corollary", before=job)
    assert isinstance(steeper, CorollaryRun)
    steep = steeper.over_samples
    assert steep is not None
    assert steep.tilt == pytest.approx(9)
    assert steep.slope > -0.35
    assert "Beyond s² = 1 the error falls more slowly, until N is far above $e^{s^2}$ = 8\u202f103" in text(app)
    assert all(sentence in text(app) for sentence in corollary_sentences(steep))


def test_for_how_many_steps_the_theorem_holds(open_page: Callable[..., AppTest]) -> None:
    app = open_page(theorem_n=1000, theorem_steps=5)
    job = finished(app, "theorem")
    assert isinstance(job, TheoremRun)
    plain, fitted = job.found[False], job.found[True]
    assert fitted.holds <= plain.holds < 5, "the equilibrium is unstable"
    said = text(app)
    assert f"holds for **{plain.holds} of 5** steps compared with plain draws" in said
    assert f"for **{fitted.holds} of 5** steps compared with draws given exactly" in said
    assert f"moves by {np.median(plain.displacement[0]):.2g} standard deviations" in said
    app = open_page(theorem_how="population")
    other = finished(app, "theorem")
    assert isinstance(other, TheoremRun)
    assert list(other.found) == [False]
    assert "given exactly" not in text(app)


def test_growth_rates_are_derived_and_measured(open_page: Callable[..., AppTest]) -> None:
    app = open_page(growth_variance=0.5)
    job = finished(app, "growth")
    assert isinstance(job, GrowthRun)
    said = text(app)
    for each in job.found:
        derived = growth_factor(each.k, 0.5)
        near = f"{each.bulk.mean():.3f} ± {2 * each.standard_error(each.bulk):.3f}"
        assert f"| {each.k} | {derived:.3f} | {derived:.3f} | {near} |".replace("-", "−") in said
    worst = max(abs(each.deviation) for each in job.found)
    assert f"deviate from the derived ones by up to {worst:.1%}" in said
    assert f"at most {max(each.surprise for each in job.found):.1f} standard errors" in said


@pytest.mark.parametrize("kind", ["corollary", "theorem", "growth"])
def test_no_variance_is_one_sentence_and_what_was_shown_stays(open_page: Callable[..., AppTest], kind: str) -> None:
    app = open_page()
    before = finished(app, kind)
    shown = len(app.get("plotly_chart"))
    app.number_input(key=f"{kind}_variance").set_value(0.0).run()
    for _ in range(50):
        if app.error:
            break
        time.sleep(0.1)
        app.run()
    sentence = "The covariance must be positive definite: every direction needs a variance above 0."
    assert [error.value for error in app.error] == [sentence]
    assert app.session_state[f"{kind}_shown"] is before
    assert len(app.get("plotly_chart")) >= shown
    assert not app.exception


def test_work_is_cancelled_and_taken_up_again(open_page: Callable[..., AppTest]) -> None:
    app = open_page(growth_n=4000, growth_seeds=100)
    assert re.search(r"Measuring: \d+%", text(app))
    app.button(key="growth_stop").click().run()
    assert "Stopped. What is shown was measured before." in text(app)
    assert "growth_shown" not in app.session_state
    app.button(key="growth_stop").click().run()
    assert "Stopped." not in text(app)
    assert not app.button(key="growth_stop").disabled
    app.button(key="growth_stop").click().run()  # nothing goes on after the test


def test_where_the_theory_stops_is_measured(open_page: Callable[..., AppTest]) -> None:
    found = list(asymmetries().values())
    assert max(found[:2]) < 1e-12, "values that are multiples of the keys: a gradient"
    assert min(found[2:]) > 0.3, "weights: none"
    said = text(open_page())
    assert all(f"| {value:.3f} |" in said for value in found)
    for word in ("Weights", "Several heads", "Feed-forward layer", "Masks"):
        assert f"**{word}.**" in said


def test_every_control_says_what_it_does(open_page: Callable[..., AppTest]) -> None:
    app = open_page()
    names = ("slider", "selectbox", "number_input", "select_slider", "button_group")
    widgets = [widget for name in names for widget in app.main.get(name)]
    assert len(widgets) > 25
    assert all(widget.proto.help for widget in widgets)
