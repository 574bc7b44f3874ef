"""The first ten seconds: what moves by itself, what stops it, and the names on the classes that have gathered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from dr_transformer import load
from dr_transformer.export.templates import middles
from tests.e2e.canvas.canvas_page import Canvas
from tests.e2e.explorer.explorer_page import APP, SMALL


@pytest.fixture
def visitor(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of a visitor, who may have asked for reduced motion."""
    with browser.new_context(reduced_motion=getattr(request, "param", "no-preference")) as context:
        yield context.new_page()


def test_the_front_page_plays_once(visitor: Page, streamlit_server: Callable[[Path], str]) -> None:
    canvas = Canvas(visitor, streamlit_server(APP))
    canvas.wait("c.playing && c.depth > 0 && c.depth < 8")
    story = visitor.locator(".story")
    before = story.text_content()
    assert any(name["opacity"] > 0.5 for name in canvas.get("c.names[1]"))
    canvas.wait("!c.playing && c.depth === 8")
    expect(story).not_to_have_text(before or "")
    visitor.reload()
    canvas.wait("c.stats.firstDrawMs !== null")
    assert canvas.get("[c.playing, c.depth]") == [False, 8]


def test_a_key_ends_what_plays_by_itself(visitor: Page, streamlit_server: Callable[[Path], str]) -> None:
    canvas = Canvas(visitor, streamlit_server(APP))
    canvas.wait("c.playing")
    visitor.keyboard.press("Escape")
    assert canvas.get("[c.playing, c.depth]") == [False, 8]


@pytest.mark.parametrize("visitor", ["reduce"], indirect=True)
def test_nothing_moves_for_who_asked_for_reduced_motion(visitor: Page, streamlit_server: Callable[[Path], str]) -> None:
    canvas = Canvas(visitor, streamlit_server(APP))
    assert canvas.get("[c.playing, c.depth]") == [False, 8]


@pytest.mark.parametrize("depth", [0, 4])
def test_names_stand_in_the_middle_of_classes_that_have_gathered(
    page: Page, streamlit_server: Callable[[Path], str], depth: int
) -> None:
    canvas = Canvas(page, f"{streamlit_server(APP)}/?{urlencode(SMALL | {'alpha': 60, 'depth': depth})}")
    canvas.wait(f"c.computed === 4 && c.depth === {depth}")
    canvas.next_frame()
    expected = middles(canvas.array("c.screen(1)"), load("mnist", SMALL["n_samples"]).labels)  # the figures' own
    seen = 0
    for shown in canvas.get("c.names[1]"):
        at, opacity = expected[int(shown["name"])]
        if shown["opacity"] == 0:
            continue  # or covered by another
        assert shown["opacity"] == pytest.approx(opacity, abs=0.01)
        assert (shown["x"], shown["y"]) == pytest.approx(tuple(at), abs=0.6)
        seen += 1
    assert seen > 0
    most = max(opacity for _, opacity in expected.values())
    assert max(shown["opacity"] for shown in canvas.get("c.names[1]")) == pytest.approx(most, abs=0.01)
    canvas.get("c.setLook({ names: false })")
    canvas.next_frame()
    assert canvas.get("c.names[1]") == []
    canvas.get("c.setLook({ names: true })")
    assert canvas.errors == []
