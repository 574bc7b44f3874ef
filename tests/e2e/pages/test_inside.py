"""The page "Inside a block" in a real browser: the diagram's buttons, panels on one clock, β and the curves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
import torch
from playwright.sync_api import BrowserContext, Page, expect

from dr_transformer import Config, load, unroll
from dr_transformer.engine.inside import Place
from dr_transformer.theory.variants import Variant, unroll_variant
from dr_transformer.ui.inside.objective import BETAS
from tests.e2e.canvas.canvas_page import Canvas
from tests.e2e.conftest import PATIENCE_MS
from tests.e2e.explorer.explorer_page import APP, SMALL, assert_drawn
from tests.helpers.plain_theory import objective

CONFIG = Config(n_components=16, n_blocks=4)
# The canvas of the variants is the page's second.
VARIANTS = """(() => [...document.querySelectorAll('[data-testid="stBidiComponentIsolated"]')]
  .map((host) => host.shadowRoot?.querySelector('.latent-canvas')?.latentCanvas).filter(Boolean)[1])()"""


@cache
def steps() -> dict[Place, torch.Tensor]:
    return {(s.block, s.name): s.X for s in unroll(load("mnist", 600).Y, CONFIG) if s.name != "projection"}


def plane(block: int, name: str) -> np.ndarray:
    return steps()[block, name][:, :2].numpy()


@pytest.fixture(scope="module")
def inside(context: BrowserContext, streamlit_server: Callable[[Path], str]) -> Iterator[Canvas]:
    """The page at 600 tokens, all its jobs done and drawn. Every test begins with what it needs of it."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    canvas = Canvas(page, f"{streamlit_server(APP)}/Inside_a_block?{urlencode(SMALL)}")
    said = ("So the blocks do not descend the KL", "The latents lose directions under", "Largest difference over")
    for text in said:
        expect(page.get_by_text(text)).to_be_visible(timeout=120_000)
    canvas.wait("c.computed === 4")
    rests(page)
    yield canvas
    page.close()
    assert canvas.errors == []


def rests(page: Page) -> None:
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def titles(page: Page) -> list[str]:
    return page.locator(".st-key-substep_picture .panel .title").all_text_contents()


def axis_ends(page: Page) -> list[list[str]]:
    plots = page.locator(".st-key-substep_picture .panel")
    return [plots.nth(i).locator(".end").all_text_contents() for i in range(2)]


def step_button(page: Page, number: int) -> Any:
    return page.locator(".block-diagram .step").nth(number)


def curve(page: Page, key: str) -> np.ndarray:
    """The values of the thin curve, one a sub-step, as Plotly has them."""
    read = f"() => Array.from(document.querySelector('.st-key-{key} .js-plotly-plot:not([data-copy])').data[0].y)"
    return np.array(page.evaluate(read))


def test_the_diagram_chooses_what_the_panels_show_before_and_after(inside: Canvas) -> None:
    canvas, page = inside, inside.page
    assert titles(page) == ["Before attention, block 4", "After attention, block 4"]
    frames = [plane(block, name) for block, name in steps()]
    assert_drawn(canvas, 0, plane(3, "layer_norm_2"), frames)
    assert_drawn(canvas, 1, plane(4, "attention"), frames)
    assert axis_ends(page)[0] == axis_ends(page)[1]  # the same axes
    box = page.locator(".st-key-substep_picture .plot").nth(1).bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 900  # on one screen

    expect(step_button(page, 0)).to_have_attribute("aria-pressed", "true")
    step_button(page, 2).click()
    expect(page.get_by_text("Block 4, feed-forward")).to_be_visible()
    expect(step_button(page, 2)).to_have_attribute("aria-pressed", "true")
    expect(step_button(page, 0)).to_have_attribute("aria-pressed", "false")
    expect(page.locator(".st-key-substep_picture .panel .title").first).to_have_text("Before feed-forward, block 4")
    assert_drawn(canvas, 0, plane(4, "layer_norm_1"), frames)
    assert_drawn(canvas, 1, plane(4, "feed_forward"), frames)
    assert axis_ends(page)[0] == axis_ends(page)[1]
    np.testing.assert_allclose(canvas.array("c.positions(1)"), 0.2 * canvas.array("c.positions(0)"), atol=1e-4)

    step_button(page, 2).press("Tab")  # to the last one, by the keyboard
    page.keyboard.press("Enter")
    expect(page.get_by_text("Block 4, second LayerNorm")).to_be_visible()
    assert_drawn(canvas, 1, plane(4, "layer_norm_2"), frames)


def test_the_figures_follow_the_depth_of_the_canvas(inside: Canvas) -> None:
    canvas, page = inside, inside.page
    step_button(page, 0).click()
    canvas.get("c.setDepth(2)")
    expect(page.get_by_text("Block 2, attention")).to_be_visible()
    expect(page.locator(".block-diagram .end").first).to_have_text("Xafter block 1")
    least, largest = (
        page.locator(".st-key-substep_words tr", has_text=f"row norm, {which}") for which in ("least", "largest")
    )
    for row, read in ((least, torch.min), (largest, torch.max)):
        expected = [
            float(read(steps()[place].double().norm(dim=1))) for place in ((1, "layer_norm_2"), (2, "attention"))
        ]
        assert [float(text) for text in row.locator("td").all_text_contents()[1:]] == pytest.approx(expected, abs=6e-5)
    kl = objective(steps()[2, "layer_norm_2"], alpha=30, beta=0.01).kl
    expect(page.locator(".st-key-objective_curves .depth-mark text").nth(2)).to_have_text(f"{kl:.1f}")
    # The other way: a press on a curve moves the panels.
    area = page.locator(".st-key-objective_kl .nsewdrag").first
    box = area.bounding_box()
    assert box is not None
    area.click(position={"x": box["width"] * 1.02 / 1.04, "y": 40}, force=True)
    expect(page.locator(".st-key-substep_picture .panel .title").first).to_have_text(re.compile("block 4$"))
    expect(page.get_by_text("Block 4, attention")).to_be_visible()


def test_beta_changes_the_curves_to_the_objective_s(inside: Canvas) -> None:
    page = inside.page

    def check(beta: float) -> None:
        expected = [objective(X, alpha=30, beta=beta) for X in steps().values()]
        for term in ("data", "regulariser", "kl"):
            values = [getattr(o, term) for o in expected]
            np.testing.assert_allclose(curve(page, f"objective_{term}"), values, rtol=1e-5)

    check(0.01)
    slider = page.get_by_role("slider", name="Jitter β")
    slider.press("ArrowRight")
    larger = BETAS[BETAS.index(0.01) + 1]
    expect(page.locator(".st-key-inside_beta").get_by_text(f"{larger:g}", exact=True)).to_be_visible()
    rests(page)
    old = objective(steps()[4, "layer_norm_2"], alpha=30, beta=0.01).kl
    read = "document.querySelector('.st-key-objective_kl .js-plotly-plot:not([data-copy])')?.data?.[0].y.at(-1)"
    page.wait_for_function(f"() => Math.abs({read} - {old}) > 0.01")
    check(larger)


def test_variants_stand_side_by_side_on_one_clock(inside: Canvas) -> None:
    page = inside.page
    panels = page.locator(".st-key-variants_panels .panel .title")
    expect(panels).to_have_text(
        [
            "● standard A + feed-forward, block 4",
            "▲ graph diffusion A − I + feed-forward, block 4",
            "■ exact gradient + feed-forward, block 4",
            "◆ standard A + exact regulariser, block 4",
        ]
    )
    page.evaluate(f"() => {VARIANTS}.setDepth(3)")
    expect(panels.nth(3)).to_have_text("◆ standard A + exact regulariser, block 3")
    drawn = np.array(page.evaluate(f"() => [...{VARIANTS}.positions(3)]")).reshape(-1, 2)
    run = unroll_variant(load("mnist", 600).Y, CONFIG, Variant(regulariser="exact"))
    ends = [s.X[:, :2].numpy() for s in run if s.ends_block]
    assert np.abs(drawn - ends[3]).max() < np.ptp(ends[3]) / 60_000
    remove = page.get_by_role("button", name=re.compile("Remove graph diffusion"))
    expect(remove).to_be_visible(timeout=60_000)  # fails with what the page shows instead
    remove.click()
    expect(panels).to_have_count(3, timeout=60_000)
    expect(panels.nth(1)).to_have_text(re.compile("^▲ exact gradient"))


def test_bad_settings_are_said_and_the_picture_stays(open_app: Callable[..., Canvas]) -> None:
    canvas = open_app(path="Inside_a_block", wait_for_all=False, **(SMALL | {"eta": 0.49}))
    expect(canvas.page.get_by_text("After attention, block 4")).to_be_visible()  # the page's first canvas is there
    canvas.wait("c.computed === 4")
    before = canvas.array("c.positions(1)")
    canvas.page.get_by_role("slider", name="Learning rate η").press("ArrowRight")
    said = canvas.page.get_by_text("Learning rate η must not be exactly 0.5")
    expect(said).to_be_visible()
    assert np.array_equal(canvas.array("c.positions(1)"), before)
    canvas.page.get_by_role("slider", name="Learning rate η").press("ArrowLeft")
    expect(said).to_have_count(0)
