"""Drawing a digit in a real browser: with the mouse, a finger and the keyboard, and where the canvas draws it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from dr_transformer import Config, load, unroll
from dr_transformer.data.drawing import ink_from_strokes, token_from_ink
from dr_transformer.model.landmarks import Landmarks
from dr_transformer.model.new_token import NewToken, majority, new_token
from dr_transformer.ui.draw.page import _COLOUR
from tests.e2e.canvas.canvas_page import Canvas, quantisation, rgb
from tests.e2e.conftest import PATIENCE_MS
from tests.e2e.explorer.explorer_page import APP, SMALL

CONFIG = Config(n_components=16, n_blocks=4)
N = 600
SEVEN = [[(80, 60), (200, 60), (120, 230)]]
HOW_TO = "Draw a digit with the mouse"


class Board:
    """The drawing board on a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.field = page.locator(".board > canvas")

    def place(self, x: float, y: float) -> tuple[float, float]:
        box = self.field.bounding_box()
        assert box is not None
        return box["x"] + x * box["width"] / 280, box["y"] + y * box["height"] / 280

    def draw(self, strokes: list[list[tuple[float, float]]]) -> None:
        for first, *others in strokes:
            self.page.mouse.move(*self.place(*first))
            self.page.mouse.down()
            for each in others:
                self.page.mouse.move(*self.place(*each), steps=4)
            self.page.mouse.up()

    @property
    def strokes(self) -> list[np.ndarray]:
        """What Python is sent, in the board's units."""
        report = json.loads(self.field.evaluate("(field) => field.parentElement.drawingBoard.text"))
        assert (report["size"], report["pen"]) == (2800, 240)
        return [np.reshape(stroke, (-1, 2)) / 10 for stroke in report["strokes"]]


@pytest.fixture
def open_draw(page: Page, streamlit_server: Callable[..., str]) -> Callable[..., tuple[Board, Canvas]]:
    def open_it(on: Page = page) -> tuple[Board, Canvas]:
        query = "&".join(f"{name}={value}" for name, value in SMALL.items())
        canvas = Canvas(on, f"{streamlit_server(APP)}/Draw_a_digit?{query}")
        canvas.wait("c.computed === 4")
        expect(on.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        return Board(on), canvas

    return open_it


def expected(strokes: list[np.ndarray]) -> tuple[NewToken, list[np.ndarray], np.ndarray]:
    """What should become of strokes, the latents of the run, and its labels."""
    ink = ink_from_strokes(strokes, 280, 24)
    assert ink is not None
    data = load("mnist", N)
    latents = [step.X.numpy() for step in unroll(data.Y, CONFIG) if step.ends_block]
    landmarks = Landmarks.of(data.Y, np.arange(N), CONFIG)
    return new_token(token_from_ink(ink).reshape(-1), latents, landmarks), latents, data.labels


def assert_told(page: Page, found: NewToken, labels: np.ndarray) -> None:
    label, votes = majority(labels[found.neighbours[-1]])
    told = re.compile(rf"After block 4 .* class {label}: {votes} of its 5 ")
    expect(page.get_by_text(told)).to_be_visible()


def test_a_drawing_is_drawn_where_its_latents_are(open_draw: Callable[..., tuple[Board, Canvas]]) -> None:
    board, canvas = open_draw()
    expect(canvas.page.get_by_text(HOW_TO)).to_be_visible()
    assert canvas.get("c.visible") == N
    board.draw(SEVEN)
    canvas.wait(f"c.visible === {N + 1}")
    found, latents, labels = expected(board.strokes)
    assert_told(canvas.page, found, labels)
    canvas.wait(f"c.pinned === {N}")
    for depth in (4, 1, 2.5):
        canvas.get(f"c.setDepth({depth})")
        before, after = int(depth), min(4, int(depth) + 1)
        share = depth - before
        at = (1 - share) * found.latents[before] + share * found.latents[after]
        places = canvas.array("c.positions(1)")
        step = max(quantisation(np.vstack([latents[b], found.latents[b]])[:, :2]).max() for b in (before, after))
        assert np.abs(places[N] - at[:2]).max() <= step
        mixed = (1 - share) * latents[before] + share * latents[after]
        assert np.abs(places[:N] - mixed[:, :2]).max() <= step
        attended = canvas.get("c.attended")
        assert [each["index"] for each in attended] == found.attended[before].tolist()
        np.testing.assert_allclose([each["weight"] for each in attended], found.weights[before], rtol=1e-3)
        pixel = canvas.pixel(1, *canvas.screen(1, N))
        assert np.abs(np.array(pixel[:3]) - rgb(_COLOUR)).max() <= 40  # the last token, on top of all, not opaque
    canvas.next_frame()
    way = canvas.page.locator(".way").nth(1).get_attribute("points") or ""
    path = np.array([point.split(",") for point in way.split()], dtype=float)
    assert path.shape == (5, 2)
    assert np.abs((path[2] + path[3]) / 2 - canvas.screen(1, N)).max() < 1  # at depth 2.5 it is half-way
    expect(canvas.page.locator(".head").get_by_text("your drawing")).to_be_visible()
    ink = canvas.page.locator(".head canvas").evaluate(
        "(image) => [...image.getContext('2d').getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 === 3)"
    )
    strokes = ink_from_strokes(board.strokes, 280, 24)
    assert strokes is not None
    np.testing.assert_array_equal(np.reshape(ink, (28, 28)), token_from_ink(strokes))
    assert canvas.errors == []


def test_the_keyboard_draws_undoes_and_clears(open_draw: Callable[..., tuple[Board, Canvas]]) -> None:
    board, canvas = open_draw()
    keyboard = canvas.page.keyboard
    board.field.focus()
    keyboard.press("ArrowUp")
    assert board.strokes == []
    keyboard.press("Space")
    for key in ("ArrowRight", "Shift+ArrowDown", "ArrowDown"):
        keyboard.press(key)
    keyboard.press("Space")
    expect(canvas.page.locator(".board [aria-live]")).to_have_text("Pen up, 1 strokes")
    keyboard.press("ArrowLeft")
    (stroke,) = board.strokes
    np.testing.assert_array_equal(stroke, [[140, 130], [150, 130], [150, 132], [150, 142]])
    canvas.wait(f"c.visible === {N + 1}")
    assert not canvas.get("c.playing"), "space on the board is the board's"
    found, _, labels = expected(board.strokes)
    assert_told(canvas.page, found, labels)
    keyboard.press("Space")
    keyboard.press("ArrowDown")
    keyboard.press("Space")
    assert len(board.strokes) == 2
    keyboard.press("Control+z")
    np.testing.assert_array_equal(board.strokes[0], stroke)
    keyboard.press("Delete")
    expect(canvas.page.get_by_text(HOW_TO)).to_be_visible()
    canvas.wait(f"c.visible === {N}")
    expect(canvas.page.get_by_role("button", name="Undo")).to_be_disabled()


def test_a_finger_draws_and_does_not_scroll(browser: Browser, open_draw: Callable[..., tuple[Board, Canvas]]) -> None:
    with browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True) as phone:
        page = phone.new_page()
        page.set_default_timeout(PATIENCE_MS)
        board, canvas = open_draw(page)
        board.field.scroll_into_view_if_needed()
        finger = phone.new_cdp_session(page)
        places = [board.place(140, y) for y in (40, 100, 160, 240)]
        for kind, at in zip(("touchStart", *["touchMove"] * 3), places, strict=True):
            finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": at[0], "y": at[1]}]})
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        (stroke,) = board.strokes
        assert np.abs(stroke[[0, -1]] - [[140, 40], [140, 240]]).max() < 1.5
        assert board.place(140, 40) == pytest.approx(places[0], abs=1), "the page must not scroll"
        canvas.wait(f"c.visible === {N + 1}")
        found, _, labels = expected(board.strokes)
        assert_told(page, found, labels)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_drawing_is_there_after_a_visit_elsewhere(open_draw: Callable[..., tuple[Board, Canvas]]) -> None:
    board, canvas = open_draw()
    page = canvas.page
    board.draw(SEVEN)
    canvas.wait(f"c.visible === {N + 1}")
    before = board.strokes
    told = page.get_by_text(re.compile("After block 4 it lies nearest to the class")).inner_text()
    page.get_by_role("link", name="Explorer").click()
    expect(page.get_by_text("sorting digits")).to_be_visible()
    page.get_by_role("link", name="Draw a digit").click()
    expect(page.get_by_text(told)).to_be_visible()
    assert [stroke.tolist() for stroke in board.strokes] == [stroke.tolist() for stroke in before]
