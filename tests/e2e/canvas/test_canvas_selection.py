"""Selecting, pinning and searching on the latent canvas, and what Python hears of it."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.e2e.canvas.canvas_app import K, make_attended, make_frames, make_images, make_labels
from tests.e2e.canvas.canvas_page import ISOLATED, Canvas, N, has_class_colour

LABELS = make_labels(N)


def inside(path: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Indices of the places in the polygon: those around which it turns, by the sum of the angles of its corners."""
    corners = path[None] - places[:, None]
    angles = np.arctan2(corners[..., 1], corners[..., 0])
    turns = np.diff(np.concatenate([angles, angles[:, :1]], axis=1), axis=1)
    turned = ((turns + np.pi) % (2 * np.pi) - np.pi).sum(axis=1)
    return np.flatnonzero(np.abs(turned) > np.pi)


def is_dimmed(pixel: list[int]) -> bool:
    return 60 < pixel[3] < 140


def faintest(canvas: Canvas, depth: float) -> int:
    """A token with nothing around it, other than the isolated one."""
    frames = make_frames(N, 9)
    k = int(depth)
    return int(np.argmin(frames[k, :, 0] + (frames[k + 1, :, 0] if depth > k else 0)))


def test_the_lasso_takes_exactly_the_points_inside(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas(depth=3.5)
    page = canvas.page
    plot = page.locator(".plot").nth(1)
    plot.focus()
    page.keyboard.press("l")
    expect(page.get_by_role("button", name="Lasso")).to_have_attribute("aria-pressed", "true")
    centre = canvas.screen(1, 4)
    star = np.array(
        [(np.cos(a) * r, np.sin(a) * r) for a, r in zip(np.arange(10) * np.pi / 5, [90, 35] * 5, strict=True)]
    )
    for zoom in (1, 2):
        if zoom > 1:
            canvas.get(f"c.zoomAt(1, {centre[0]}, {centre[1]}, {zoom})")
        path = np.round(star + centre) + 0.25
        canvas.drag(1, path.tolist())
        expected = inside(path, canvas.array("c.screen(1)"))
        assert 5 < len(expected) < N / 2
        assert canvas.get("c.selection") == expected.tolist()
        assert canvas.get("c.view(1).zoom") == zoom, "drawing must not pan"
        assert page.locator(".region").nth(1).get_attribute("points") == "", "the drawing is gone"
        canvas.python_has_selection(expected)
    # What is not selected is faint in both panels, and drawn below what is.
    outside = faintest(canvas, 3.5)
    canvas.page.get_by_role("button", name="Reset view").click()
    assert all(is_dimmed(canvas.pixel(panel, *canvas.screen(panel, ISOLATED))) for panel in (0, 1))
    assert is_dimmed(canvas.pixel(1, *canvas.screen(1, outside)))
    for panel in (0, 1):
        last = max(expected)
        assert has_class_colour(canvas.pixel(panel, *canvas.screen(panel, last)), LABELS[last])
    expect(page.locator("[aria-live]")).to_contain_text(f"{len(expected)} selected")
    page.keyboard.press("Escape")
    assert canvas.get("c.selection") == []
    canvas.python_has_selection([])
    assert has_class_colour(canvas.pixel(0, *canvas.screen(0, ISOLATED)), 0)


def test_boxes_are_added_and_subtracted(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas(depth=4)
    page = canvas.page
    page.get_by_role("button", name="Box").click()
    places = canvas.array("c.screen(1)")
    low, high = places[1:].min(axis=0), places[1:].max(axis=0)
    middle = (low + high) / 2

    def box(x0: float, y0: float, x1: float, y1: float) -> tuple[list[list[float]], set[int]]:
        within = ((places >= [x0, y0]) & (places <= [x1, y1])).all(axis=1)
        return [[x0, y0], [(x0 + x1) / 2, y0], [x1, y1]], set(np.flatnonzero(within).tolist())

    left, in_left = box(*np.round(low - 8), *np.round([middle[0], high[1] + 8]))
    top, in_top = box(*np.round(low - 8), *np.round([high[0] + 8, middle[1]]))
    assert in_left - in_top
    assert in_top - in_left
    assert in_left & in_top
    canvas.drag(1, left)
    assert set(canvas.get("c.selection")) == in_left
    canvas.drag(1, top, "Shift")
    assert set(canvas.get("c.selection")) == in_left | in_top
    canvas.drag(1, left, "Alt")
    assert set(canvas.get("c.selection")) == in_top - in_left
    page.get_by_role("button", name="Add to selection").click()
    canvas.drag(1, left)
    assert set(canvas.get("c.selection")) == in_left | in_top
    page.get_by_role("button", name="Subtract from selection").click()
    canvas.drag(1, top)
    assert set(canvas.get("c.selection")) == in_left - in_top
    # A class that is hidden is not selected; Alt+click and the key s on the legend select a class.
    legend = page.get_by_role("group", name="Classes").get_by_role("button")
    legend.nth(4).click()
    page.get_by_role("button", name="New selection").click()
    canvas.drag(1, left)
    assert set(canvas.get("c.selection")) == {i for i in in_left if LABELS[i] != 4}
    legend.nth(3).click(modifiers=["Alt"])
    assert canvas.get("c.selection") == np.flatnonzero(LABELS == 3).tolist()
    legend.nth(5).click(modifiers=["Alt", "Shift"])
    legend.nth(4).focus()
    page.keyboard.press("s")
    assert canvas.get("c.selection") == [], "it is hidden, and so there is nothing to select"
    expect(legend.nth(4)).to_have_attribute("aria-pressed", "false")
    legend.nth(6).focus()
    page.keyboard.press("s")
    canvas.python_has_selection(np.flatnonzero(LABELS == 6))


def test_reruns_keep_the_selection_and_python_sets_it_by_a_new_value(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas()
    canvas.get("c.select([7, 1, 399])")
    canvas.python_has_selection([1, 7, 399])
    canvas.click("Rerun")
    canvas.python_has_selection([1, 7, 399])
    canvas.click("Python selects 3, 5, 8")
    canvas.wait("c.selection.join() === '3,5,8'")
    canvas.python_has_selection([3, 5, 8])
    canvas.get("c.select([5], 'subtract')")
    canvas.python_has_selection([3, 8])
    canvas.click("Python selects 3, 5, 8")  # the value that it has passed before: the user's stays
    canvas.python_has_selection([3, 8])
    assert canvas.get("c.selection") == [3, 8]
    canvas.click("Python selects nothing")
    canvas.wait("c.selection.length === 0")
    canvas.python_has_selection([])
    canvas.get("c.select([2])")
    canvas.python_has_selection([2])
    canvas.page.mouse.click(*canvas.on_page(1, ISOLATED))
    canvas.python_has_pinned(ISOLATED)
    canvas.click("Other data")
    canvas.wait("c.selection.length === 0 && c.pinned === -1")
    canvas.python_has_selection([])
    canvas.python_has_pinned(None)


def test_a_pinned_token_shows_what_it_attends_to(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas(depth=2.5)
    page = canvas.page
    pinned = page.get_by_role("region", name="Pinned token")
    expect(page.get_by_text("Drag with the lasso or the box")).to_be_visible()
    width = canvas.get("c.view(1).width")
    page.mouse.click(*canvas.on_page(1, ISOLATED))
    expect(pinned.locator(".head")).to_have_text(f"0index {ISOLATED}")
    canvas.python_has_pinned(ISOLATED)
    indices, weights = make_attended(N, 8, ISOLATED)
    texts = {
        2: [".13", ".10", ".067", ".0013"],
        0: [".40", ".31", ".20", ".0040"],
        7: [".050", ".039", ".025", ".00050"],
    }
    for depth, row in ((2.5, 2), (0.9, 0), (0, 0), (7, 7), (8, 7)):
        canvas.get(f"c.setDepth({depth})")
        neighbours = pinned.get_by_role("group").get_by_role("button")
        expect(pinned).to_contain_text(f"attends to, in block {row + 1}")
        expect(neighbours).to_have_text(texts[row])
        assert [int(each.get_attribute("data-index")) for each in neighbours.all()] == indices[row].tolist()  # type: ignore[arg-type]
        assert [each["weight"] for each in canvas.get("c.attended")] == pytest.approx(weights[row], rel=1e-6)
    # Rings and lines in the last panel only.
    circles = page.locator(".panel").nth(1).locator(".links circle")
    expect(circles).to_have_count(K)
    expect(page.locator(".panel").nth(0).locator(".links circle")).to_have_count(0)
    for circle, index in zip(circles.all(), indices[7], strict=True):
        place = [float(circle.get_attribute(name) or "nan") for name in ("cx", "cy")]
        assert place == pytest.approx(canvas.screen(1, index), abs=1e-3)
    # Hover of a neighbour rings it in all panels; a click pins it instead.
    neighbours.nth(1).hover()
    canvas.wait(f"c.hovered === {indices[7][1]}")
    expect(page.locator(".ring:not(.pinned)")).to_have_count(2)
    neighbours.nth(1).click()
    canvas.python_has_pinned(int(indices[7][1]))
    expect(neighbours.first).to_have_attribute("data-index", str(make_attended(N, 8, int(indices[7][1]))[0][7][0]))
    # By keyboard: through the selection, both ways and around its ends; Enter pins what is in the middle.
    canvas.get("c.select([5, 20, 300])")
    page.locator(".plot").nth(1).focus()
    for key, index in (("n", 20), ("n", 300), ("n", 5), ("Shift+N", 300), ("[", 20), ("]", 300)):
        page.keyboard.press(key)
        assert canvas.get("c.pinned") == index
    expect(page.locator("[aria-live]")).to_contain_text("3 selected; pinned: token 300, label 0")
    page.keyboard.press("Enter")
    places = canvas.array("c.screen(1)")
    view = canvas.get("c.view(1)")
    assert canvas.get("c.pinned") == int(np.hypot(*(places - [view["width"] / 2, view["height"] / 2]).T).argmin())
    assert canvas.get("c.view(1).width") == width, "the panels keep their size"
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    canvas.python_has_pinned(None)
    expect(page.locator(".links circle")).to_have_count(0)


def test_the_side_panel_shows_the_selected_digits(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas()
    page = canvas.page
    chosen = [1, 11, 21, *range(2, 400, 5)]
    canvas.get(f"c.select({chosen})")
    side = page.get_by_role("complementary", name="Selected and pinned tokens")
    expect(side).to_contain_text(f"Selection: {len(set(chosen))} of 400")
    counts = np.bincount(LABELS[sorted(set(chosen))], minlength=10)
    expect(side).to_contain_text("  ".join(f"{label}:{count}" for label, count in enumerate(counts) if count))
    grid = side.get_by_role("img")
    drawn = int((grid.get_attribute("aria-label") or "").split()[2])
    expect(side).to_contain_text(f"and {len(set(chosen)) - drawn} more")
    # Each thumbnail has its digit's ink where its image has.
    rows = """(canvas) => { const ratio = devicePixelRatio, cell = 26 * ratio, context = canvas.getContext('2d');
      return [0, 1, 2, 3].map((i) => { const data = context.getImageData(i * cell, 0, cell, 22 * ratio).data;
        const inked = (y) => data[4 * (y * cell + cell / 2) + 3] > 128, ink = [];
        for (let y = 0; y < 22 * ratio; y++) if (inked(y)) ink.push(y / ratio);
        return [Math.min(...ink), Math.max(...ink)]; }); }"""
    indices = sorted(set(chosen))
    for index, (first, last) in zip(indices, grid.evaluate(rows), strict=False):
        inked = np.flatnonzero(make_images(N)[index].any(axis=1)) * 22 / 28
        assert (first, last) == pytest.approx((inked[0], inked[-1]), abs=1.5)
    box = grid.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 2.5 * 26, box["y"] + 10)
    canvas.wait(f"c.hovered === {indices[2]}")
    page.mouse.click(box["x"] + 3.5 * 26, box["y"] + 10)
    canvas.python_has_pinned(indices[3])


def test_search_selects_classes_and_pins_a_token(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas()
    field = canvas.page.get_by_role("searchbox", name="Search label or #index")
    message = canvas.page.locator(".message")

    def search(text: str) -> None:
        field.fill(text)
        field.press("Enter")

    search("7")
    assert canvas.get("c.selection") == np.flatnonzero(LABELS == 7).tolist()
    search("3, 8")
    assert canvas.get("c.selection") == np.flatnonzero((LABELS == 3) | (LABELS == 8)).tolist()
    search("#123")
    assert canvas.get("c.pinned") == 123
    canvas.python_has_pinned(123)
    expect(message).to_be_hidden()
    for text, sentence in (
        ("seven", "No label is called “seven”."),
        ("#400", "There is no token #400: the last one is #399."),
    ):
        search(text)
        expect(message).to_contain_text(sentence)
        expect(canvas.page.locator("[aria-live]")).to_contain_text(sentence)
    assert canvas.get("c.pinned") == 123
    field.press("l")
    assert canvas.get("c.tool") == "pan", "what is typed is no shortcut"


def test_the_table_holds_the_coordinates_on_screen(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas(depth=2)
    page = canvas.page
    details = page.locator("details.table")
    assert details.locator("tr").count() == 0, "a closed table is not built"
    details.locator("summary").click()
    rows = details.locator("tbody tr")
    expect(rows).to_have_count(100)
    expect(details.locator("caption")).to_have_text("first 100 of 400 tokens at depth 2")
    expect(details.locator("thead th")).to_have_text(["index", "label", "Random projection, Y W", "Block 2", *"xyxy"])
    canvas.get("(c.select([3, 17, 250]), c.setDepth(5.5))")
    expect(details.locator("caption")).to_have_text("3 selected tokens at depth 5.5")
    frames = make_frames(N, 9)
    for text, index in zip(rows.all_inner_texts(), (3, 17, 250), strict=True):
        shown = [float(part.replace("−", "-")) for part in re.split(r"\s+", text.strip())]
        assert shown[:2] == [index, LABELS[index]]
        expected = [*frames[0, index], *(frames[5, index] + frames[6, index]) / 2]
        assert shown[2:] == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_leaving_and_coming_back_keeps_all_that_was_set(open_canvas: Callable[..., Canvas]) -> None:
    canvas = open_canvas()
    page = canvas.page
    page.locator(".plot").nth(1).focus()
    for key in ("+", "+", "b"):
        page.keyboard.press(key)
    page.get_by_role("button", name="6", exact=True).click()
    canvas.get("(c.setDepth(4.5), c.select([9, 31]), c.setLook({ diameter: 3 }), c.zoomAt(0, 50, 60, 2))")
    page.keyboard.press("n")
    before = canvas.get("[c.depth, c.selection, c.pinned, c.tool, c.view(0), c.view(1)]")
    canvas.python_has_selection([9, 31])
    canvas.python_has_pinned(before[2])
    canvas.click("Hide or show")
    canvas.click("Hide or show")
    canvas.wait("c.stats.firstDrawMs !== null")
    assert canvas.get("[c.depth, c.selection, c.pinned, c.tool, c.view(0), c.view(1)]") == before
    expect(page.get_by_role("button", name="6", exact=True)).to_have_attribute("aria-pressed", "false")
    canvas.python_has_depth(4.5)
    canvas.python_has_selection([9, 31])
    canvas.python_has_pinned(before[2])
    canvas.click("Hide or show")
    canvas.click("Other data")
    canvas.click("Hide or show")
    canvas.wait("c.stats.firstDrawMs !== null")
    assert canvas.get("[c.selection, c.pinned, c.view(1).zoom]") == [[], -1, 1], "these are other tokens"
    assert canvas.get("c.tool") == "box"
