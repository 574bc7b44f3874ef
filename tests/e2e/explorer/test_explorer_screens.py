"""The explorer on small screens, and what its canvas says of each control."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from dr_transformer.ui.live import ON_CANVAS
from tests.e2e.canvas.canvas_page import Canvas
from tests.e2e.explorer.explorer_page import SMALL

OVERFLOW = """() => ['html', '.stMain'].map((name) => {
  const node = document.querySelector(name);
  return node.scrollWidth - node.clientWidth;
})"""


def boxes(page: Page, selector: str) -> list[Any]:
    return [found.bounding_box() for found in page.locator(selector).all()]


@pytest.mark.parametrize(("width", "height"), [(1024, 768), (390, 844)])
def test_the_explorer_fits_a_small_screen(page: Page, open_app: Callable[..., Canvas], width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    canvas = open_app(**SMALL)
    assert max(page.evaluate(OVERFLOW)) <= 0
    plots = boxes(page, ".plot")
    assert len(plots) == 2
    for box in plots:
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["width"] > 200
        assert 180 < box["height"] < 0.6 * height
    below, moving = plots
    stacked = moving["y"] + moving["height"] <= below["y"]
    assert stacked == (width == 390), "on a phone the panel that moves comes first"
    slider = page.get_by_role("slider", name="Depth")
    slider.scroll_into_view_if_needed()
    (rail,) = boxes(page, ".scrubber .rail")
    assert rail["width"] > 100
    page.mouse.click(rail["x"] + rail["width"] / 2, rail["y"] + rail["height"] / 2)
    canvas.wait("c.depth === 2")
    for control in (
        ".scrubber .play",
        ".scrubber .speed",
        ".controls .reset",
        *(f"[data-name={name}]" for name in ON_CANVAS),
    ):
        (box,) = boxes(page, control)
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width, control
    for chart in boxes(page, ".st-key-depth_curves .js-plotly-plot:visible"):
        assert chart["x"] + chart["width"] <= width

    components = page.get_by_role("slider", name="Latent dimension q")  # itself is clipped to nothing
    shown = page.get_by_test_id("stSlider").filter(has=components)
    if width == 390:  # the sidebar lies over the page, and is folded away at first
        expect(shown).not_to_be_in_viewport()
        page.get_by_test_id("stExpandSidebarButton").click()
    shown.scroll_into_view_if_needed()
    expect(shown).to_be_in_viewport(ratio=0.9)
    uploads = canvas.get("c.stats.uploads")
    components.press("ArrowRight")
    canvas.wait(f"c.stats.uploads > {uploads}")
    assert max(page.evaluate(OVERFLOW)) <= 0


def test_every_control_says_what_it_does(open_app: Callable[..., Canvas]) -> None:
    canvas = open_app(**SMALL)
    page = canvas.page
    controls = page.locator(".latent-canvas :is(button, select, input, summary, [role=slider])")
    silent = [each.evaluate("node => node.outerHTML") for each in controls.all() if not each.get_attribute("title")]
    assert [html for html in silent if 'class="thumbnail' not in html] == []
    play = page.get_by_role("button", name="Play", exact=True)
    expect(play).to_have_attribute("title", "Play the depth forward from here (space)")
    canvas.get("c.setDepth(0)")
    play.click()
    expect(page.get_by_role("button", name="Pause", exact=True)).to_have_attribute("title", "Pause here (space)")

    # Whoever looks for the row entropy finds what its exp is called here.
    entropy = page.locator("select option").filter(has_text="effective neighbours")
    expect(entropy).to_have_count(1, timeout=60_000)
    assert "Row entropy" in (entropy.get_attribute("title") or "")
    colour_by = page.get_by_label("Colour by")
    expect(colour_by).to_have_attribute("title", "What the colours of the points say")
    colour_by.select_option("effective neighbours")
    for shown in (colour_by, page.locator(".colour-bar")):
        expect(shown).to_have_attribute("title", re.compile("^Row entropy of the attention matrix"))
