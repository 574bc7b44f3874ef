"""The page "Log-normaliser" in a browser: what is drawn is what the numerics give, and follows the controls."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from scipy.special import softmax

from dr_transformer.theory.exponential_family import check_gradient
from dr_transformer.theory.particles import Update, entropy, evolve, start
from tests.e2e.canvas.canvas_page import Canvas, quantisation

LONG_MS = 120_000


@pytest.fixture
def open_page(open_app: Callable[..., Canvas]) -> Callable[..., Canvas]:
    """Opens the page and, if asked to, waits until everything is measured."""

    def open_it(*, measured: bool = False) -> Canvas:
        canvas = open_app(path="Log_normaliser", wait_for_all=False, n_samples=300)
        if measured:
            expect(canvas.page.get_by_text("Measured.", exact=True)).to_have_count(3, timeout=LONG_MS)
            at_rest(canvas.page)
        return canvas

    return open_it


def at_rest(page: Page) -> None:
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()


def drawn(page: Page, key: str, trace: str) -> np.ndarray:
    """(x, y) of a trace by name, as Plotly has it, once it has drawn it."""
    found = page.wait_for_function(
        """([key, name]) => {
          const plot = document.querySelector(`.st-key-${key} .js-plotly-plot:not([data-copy])`);
          const trace = plot?._fullData?.find((each) => each.name === name);
          return trace && [Array.from(trace.x), Array.from(trace.y)];
        }""",
        arg=[key, trace],
    )
    return np.array(found.json_value(), dtype=float)


def assert_drawn(page: Page, key: str, trace: str, expected: np.ndarray, points: slice = slice(None)) -> None:
    """The points of a trace are these, once Plotly, which draws later than words come, has drawn them."""
    expected = np.atleast_2d(expected)
    for _ in range(100):
        found = drawn(page, key, trace).T[points]
        if found.shape == expected.shape and np.allclose(found, expected):
            return
        page.wait_for_timeout(100)
    np.testing.assert_allclose(found, expected)


def assert_positions(canvas: Canvas, expected: np.ndarray, neighbours: list[np.ndarray]) -> None:
    error = np.abs(canvas.array("c.positions(0)") - expected).max(axis=0)
    assert (error <= np.max([quantisation(frame) for frame in neighbours], axis=0)).all(), error


@pytest.mark.slow
def test_particles_field_and_curves_are_those_of_the_step(open_page: Callable[..., Canvas]) -> None:
    canvas = open_page()
    page = canvas.page
    X = start("gaussian", 300)
    steps = [X, *evolve(X, 4, Update())]
    for t in (0, 3):
        canvas.get(f"c.setDepth({t})")
        canvas.next_frame()
        assert_positions(canvas, steps[t], [steps[t]])
    expect(page.locator(".panel .title")).to_have_text("Particles at step 3")
    expect(page.get_by_text("What step 4 does, at every place")).to_be_visible()
    assert_drawn(page, "particle_field", "particles", steps[3])
    expect(page.locator(".depth-mark text")).to_have_count(4)
    expect(page.locator(".depth-mark text").nth(1)).to_have_text(f"{entropy(steps[3]):.1f}")
    page.get_by_placeholder("label or #index").fill("#7")
    page.keyboard.press("Enter")
    canvas.wait("c.attended && c.attended.length === 8")
    weights = softmax(steps[3] @ steps[3][7])
    attended = canvas.get("c.attended.map(({ index, weight }) => [index, weight])")
    np.testing.assert_allclose([weight for _, weight in attended], np.sort(weights)[::-1][:8], rtol=1e-5)
    np.testing.assert_allclose([weight for _, weight in attended], weights[[index for index, _ in attended]], rtol=1e-5)
    canvas.get("c.setDepth(2.5)")
    canvas.next_frame()
    assert_positions(canvas, (steps[2] + steps[3]) / 2, steps[2:4])
    page.get_by_role("button", name="Play", exact=True).click()
    canvas.wait("c.depth === 4 && !c.playing")
    assert_positions(canvas, steps[4], [steps[4]])
    expect(page.get_by_text("What step 5 does, at every place")).to_be_visible()


def test_a_contraction_is_a_step_of_its_own_and_the_gradient_follows_the_query(
    open_page: Callable[..., Canvas],
) -> None:
    canvas = open_page()
    page = canvas.page
    choose(page, "Start", "a ring")
    choose(page, "Contractive map after it", "RMSNorm")
    canvas.wait("c.frames[0] === 9")
    update = Update(contraction="rms_norm")
    X = start("ring", 300)
    canvas.get("c.setDepth(0.5)")
    canvas.next_frame()
    expanded = update.attend(X, X)
    assert_positions(canvas, expanded, [expanded])
    expect(page.locator(".panel .title")).to_have_text("Particles at step 1, attention")
    canvas.get("c.setDepth(1)")
    canvas.next_frame()
    assert_positions(canvas, update(X), [update(X)])
    expect(page.locator(".panel .title")).to_have_text("Particles at step 1, RMSNorm")
    expect(page.get_by_text("RMSNorm puts every particle on the circle of radius")).to_be_visible()

    slider = page.get_by_role("slider", name="η₁")
    slider.press("End")
    check = check_gradient(np.array([3.0, 0.5]), start("mixture", 200, spread=1.0))
    expect(page.get_by_role("cell", name=f"{check.exact[0]:.12f}").first).to_be_visible()
    shown = page.get_by_text(re.compile(r"^Largest difference: \S+, with h = "))
    found = re.match(r"Largest difference: (\S+),", shown.inner_text())
    assert found
    assert float(found[1]) == pytest.approx(check.error, rel=0.06)
    assert float(found[1]) <= 1e-6
    assert_drawn(page, "gradient_chart", "attention average", check.exact, points=slice(1))


def test_slope_and_number_of_steps_said_are_those_of_the_points_drawn(open_page: Callable[..., Canvas]) -> None:
    page = open_page(measured=True).page
    sentence = page.get_by_text(re.compile("^Fitted slope of log error over log N: "))

    def slope() -> float:
        found = re.search(r"log N: (\S+), range", sentence.inner_text().replace("−", "-"))
        assert found
        return float(found[1])

    first = slope()
    rms = np.log(drawn(page, "samples_chart", "root mean square"))
    assert first == pytest.approx(np.polyfit(*rms, 1)[0], abs=0.006)
    assert first == pytest.approx(-0.5, abs=0.06)
    expected = np.log(drawn(page, "samples_chart", "slope −½, expected"))
    assert np.polyfit(*expected, 1)[0] == pytest.approx(-0.5)
    page.get_by_role("slider", name="Tilt s²").press("End")
    expect(page.get_by_text(re.compile("Beyond s² = 1 the error falls more slowly"))).to_be_visible(timeout=LONG_MS)
    assert slope() > first + 0.15

    energy = drawn(page, "energy_chart", "particles")[1]
    names = ("95% of plain draws are below", "95% of draws with these moments are below")
    held = []
    for name in names:
        band = drawn(page, "energy_chart", name)[1][0]
        above = np.flatnonzero(energy[1:] > band)
        held.append(int(above[0]) if len(above) else len(energy) - 1)
    said = page.get_by_text(re.compile("^The equilibrium holds for ")).inner_text()
    assert [int(found) for found in re.findall(r"(\d+) of 6 steps", said)] == held
    assert held[1] <= held[0] < 6
    page.get_by_role("radio", name="population").or_(page.get_by_role("button", name="population")).first.click()
    expect(page.get_by_text("population renormalisation, seed 42")).to_be_visible(timeout=LONG_MS)


def test_bad_input_is_a_sentence_loses_nothing_and_is_kept(open_page: Callable[..., Canvas]) -> None:
    page = open_page(measured=True).page
    before = drawn(page, "growth_chart", "near η = 0")
    number = page.get_by_role("spinbutton", name="Variance of keys σ²", exact=True)
    number.fill("0")
    number.press("Enter")
    sentence = "The covariance must be positive definite: every direction needs a variance above 0."
    expect(page.get_by_text(sentence)).to_have_count(1)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    np.testing.assert_array_equal(drawn(page, "growth_chart", "near η = 0"), before)
    at_rest(page)
    page.get_by_role("link", name="The model", exact=True).click()
    expect(page.get_by_role("heading", name="The model", exact=True)).to_be_visible()
    page.get_by_role("link", name="Log-normaliser", exact=True).click()
    expect(number).to_have_value("0.00")

    for width in (1024, 390):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_function(
            "() => { const m = document.querySelector('.stMain'); return m.scrollWidth <= m.clientWidth; }"
        )


def test_work_can_be_cancelled(open_page: Callable[..., Canvas]) -> None:
    page = open_page().page
    page.get_by_role("slider", name="Samples").press("End")
    choose(page, "Particles a sample", "4\u202f000")
    line = page.locator(".st-key-growth_line")
    expect(line.get_by_text(re.compile(r"Measuring: \d+%"))).to_be_visible()
    line.get_by_role("button", name="Cancel", exact=True).click()
    expect(line.get_by_text("Stopped. What is shown was measured before.")).to_be_visible()
    expect(line.get_by_role("button", name="Run", exact=True)).to_be_visible()
