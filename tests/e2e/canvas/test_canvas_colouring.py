"""What the points of the latent canvas are coloured by, and how many it can carry."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import expect

from dr_transformer.palette import PETROFF10, SEQUENTIAL, TAB10
from tests.e2e.canvas.canvas_app import CLUSTERS, make_entropy, make_frames
from tests.e2e.canvas.canvas_page import ISOLATED, Canvas, N, rgb


def assert_colour(pixel: list[int], colour: str) -> None:
    assert pixel[3] > 250
    assert np.abs(np.array(pixel[:3]) - rgb(colour)).max() <= 2, (pixel, colour)


def sequential(value: float, low: float, high: float) -> str:
    level = round((value - low) / (high - low) * 254)
    return SEQUENTIAL[round(level / 254 * 127)]


def test_colourings_are_drawn_without_asking_python(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas()
    page = canvas.page
    frames = make_frames(N, 9)
    tokens = [ISOLATED, int(np.argmin(frames[4, :, 0])), int(np.argmin(frames[4, :, 1]))]  # with nothing on top
    canvas.get("c.setDepth(4)")
    canvas.python_has_depth(4.0)
    runs = page.get_by_text("run ", exact=False).first.inner_text()
    colour_by = page.get_by_label("Colour by")
    assert colour_by.locator("option").all_inner_texts() == ["class", "cluster", "entropy", "share kept"]

    def pixel(index: int) -> list[int]:
        return canvas.pixel(1, *canvas.screen(1, index))

    colour_by.select_option("cluster")
    legend = page.locator(".legend button")
    expect(legend).to_have_text(list(CLUSTERS))
    for index in tokens:
        assert_colour(pixel(index), PETROFF10[int(index >= N // 2)])
    legend.nth(0).click()
    assert [pixel(index)[3] > 250 for index in tokens] == [index >= N // 2 for index in tokens]
    page.get_by_text("Look", exact=True).click()
    page.get_by_label("Palette").select_option("paper (tab10)")
    legend.nth(0).click()
    for index in tokens:
        assert_colour(pixel(index), TAB10[int(index >= N // 2)])
    canvas.page.wait_for_timeout(400)  # longer than it takes to report what has been set
    assert page.get_by_text("run ", exact=False).first.inner_text() == runs
    # Continuous: interpolated between the blocks, as the places are; with a bar instead of the legend.
    colour_by.select_option("entropy")
    expect(page.get_by_role("img", name="entropy from 0.0 to 9.0 nats")).to_be_visible()
    expect(legend).to_have_count(0)
    entropy = make_entropy(N, 9)
    low, high = np.nanmin(entropy), np.nanmax(entropy)
    for depth in (4, 4.5):
        canvas.get(f"c.setDepth({depth})")
        for index in tokens:
            value = (entropy[4, index] + entropy[4 if depth == 4 else 5, index]) / 2
            near = [sequential(value + error, low, high) for error in (-0.03, 0, 0.03)]
            found = pixel(index)
            assert any(np.abs(np.array(found[:3]) - rgb(colour)).max() <= 2 for colour in near), (found, near)
    colour_by.select_option("class")
    expect(legend).to_have_count(10)
    assert_colour(pixel(ISOLATED), TAB10[0])
    page.get_by_text("Look", exact=True).click()  # leaving it has closed it
    page.get_by_label("Palette").select_option("colour-blind safe")
    assert_colour(pixel(ISOLATED), PETROFF10[0])
    # Size and opacity.
    x, y = canvas.screen(1, ISOLATED)
    assert canvas.pixel(1, x + 6, y)[3] == 0
    page.get_by_label("Point size").fill("16")
    page.get_by_label("Opacity").fill("0.5")
    assert canvas.pixel(1, x + 6, y)[3] == pytest.approx(128, abs=3)
    canvas.click("Rerun")
    assert canvas.pixel(1, x + 6, y)[3] == pytest.approx(128, abs=3), "a rerun keeps what the user has set"


def test_each_panel_has_its_own_values(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas()
    canvas.get("c.setDepth(0)")
    canvas.get('c.colourBy("share kept")')
    for panel, value in enumerate((0.25, 0.75)):
        assert_colour(canvas.pixel(panel, *canvas.screen(panel, ISOLATED)), sequential(value, 0, 1))
        x, y = canvas.on_page(panel, ISOLATED)
        canvas.page.mouse.move(x, y)
        expect(canvas.page.locator(".tooltip")).to_contain_text(f"share kept {value:.2f}")


def test_seventy_thousand_points_are_selected_at_once(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas(n=70_000, frames=2, blocks=1, style="real")
    circle = "Array.from({ length: 300 }, (_, i) => [150 + 90 * Math.cos(i / 48), 200 + 90 * Math.sin(i / 48)])"
    times = canvas.get(
        f"Array.from({{ length: 5 }}, () => {{ const begin = performance.now(); c.draw(1, 'lasso', {circle});"
        " c.recolour(); return performance.now() - begin; })"
    )
    assert canvas.get("c.selection.length") > 1000
    assert np.median(times) < 50, times
