"""Tokens as images on the map: which ones, where, in which colour; zoomed in, without being asked."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from dr_transformer.palette import PETROFF10
from tests.e2e.canvas.canvas_app import make_images, make_labels
from tests.e2e.canvas.canvas_page import ISOLATED, Canvas, N, rgb

SIZE = 24
Open = Callable[..., Canvas]


def images(canvas: Canvas, panel: int) -> dict[int, np.ndarray]:
    canvas.next_frame()
    return {each["index"]: np.array([each["x"], each["y"]]) for each in canvas.get(f"c.images[{panel}]")}


def covers(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.asarray((np.abs(others - one) < SIZE).all(axis=1))


@pytest.mark.parametrize("depth", [0, 2.5, 8])
def test_as_many_as_stand_side_by_side_and_each_where_its_token_is(open_canvas: Open, depth: float) -> None:
    canvas = open_canvas(depth=depth)
    assert canvas.get("c.images") == [[], []]
    canvas.get("c.setLook({images: true})")
    for panel in (0, 1):
        shown, places = images(canvas, panel), canvas.array(f"c.screen({panel})")
        assert shown
        for index, place in shown.items():
            np.testing.assert_allclose(place, places[index], atol=1e-3)
        chosen = np.array(list(shown.values()))
        assert [covers(place, chosen).sum() for place in chosen] == [1] * len(chosen)
        earlier = np.array(sorted(shown))
        for index in set(range(N)) - set(shown):  # a point is one because an image of a lower number is in its way
            assert covers(places[index], places[earlier[earlier < index]]).any()


def test_an_image_is_drawn_in_the_colour_of_its_class_and_can_be_clicked(open_canvas: Open) -> None:
    canvas = open_canvas(depth=4)
    page = canvas.page
    page.locator(".look summary").click()
    page.get_by_role("checkbox", name="Images").check()
    shown = images(canvas, 1)
    drawn = page.locator(".plot .images").nth(1)
    ratio = page.evaluate("() => devicePixelRatio")
    width, height = canvas.get("[c.view(1).width, c.view(1).height]")
    inside = [i for i, (x, y) in shown.items() if SIZE < x < width - SIZE and SIZE < y < height - SIZE][:20]
    assert len(inside) == 20
    for index in inside:
        x, y = shown[index]
        # The square of a made-up image: columns 8 to 20 of 28, rows from 4 + 2 class on.
        row = 4 + 2 * int(make_labels(N)[index]) + 2
        at = [x - SIZE / 2 + 1 + 14 / 28 * (SIZE - 2), y - SIZE / 2 + 1 + row / 28 * (SIZE - 2)]
        read = "(c, [x, y]) => [...c.getContext('2d').getImageData(Math.floor(x), Math.floor(y), 1, 1).data]"
        pixel = drawn.evaluate(read, [value * ratio for value in at])
        assert pixel[3] == 255
        np.testing.assert_allclose(pixel[:3], rgb(PETROFF10[make_labels(N)[index]]), atol=3)
        ground = drawn.evaluate(read, [(at[0]) * ratio, (shown[index][1] + SIZE / 2 - 1) * ratio])
        assert ground[:3] == [255] * 3
        assert make_images(N)[index][row, 14] == 255
    plot = page.locator(".plot").nth(1)
    bounds = plot.bounding_box()
    assert bounds is not None
    index = max(shown, key=lambda i: shown[i][0])
    x, y = shown[index]
    page.mouse.click(bounds["x"] + x - 9, bounds["y"] + y)  # beside the point, on the image
    canvas.wait(f"c.pinned === {index}")
    page.keyboard.press("i")
    assert images(canvas, 1) == {}


def test_a_hidden_class_has_none_and_of_a_selection_only_the_selected(open_canvas: Open) -> None:
    canvas = open_canvas(depth=4)
    canvas.get("c.setLook({images: true})")
    canvas.page.get_by_role("button", name="3", exact=True).click()
    shown = images(canvas, 1)
    assert shown
    assert 3 not in {int(make_labels(N)[index]) for index in shown}
    canvas.get("c.select([10, 11, 12])")
    assert set(images(canvas, 1)) <= {10, 11, 12}


def test_zoomed_in_they_are_images_without_being_asked(open_canvas: Open) -> None:
    canvas = open_canvas(depth=4)
    x, y = canvas.screen(1, ISOLATED)
    canvas.get(f"c.zoomAt(1, {x}, {y}, 1.9)")
    assert images(canvas, 1) == {}
    canvas.get(f"c.zoomAt(1, {x}, {y}, 4)")
    shown = images(canvas, 1)
    assert ISOLATED in shown
    assert images(canvas, 0) == {}
    canvas.page.get_by_role("button", name="Reset view").click()
    assert images(canvas, 1) == {}
