"""In a real browser: what is described and tabulated is there once it is opened."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from dr_transformer import Config, load, unroll
from dr_transformer.quality.words import describe
from tests.e2e.canvas.canvas_page import Canvas
from tests.e2e.explorer.explorer_page import SMALL
from tests.e2e.pages.test_adjacency import at_rest, choose

Open = Callable[..., Canvas]
BLOCKS = 4


@pytest.fixture
def inside(open_app: Open) -> Canvas:
    """Attention as a graph, of 600 tokens, at rest."""
    canvas = open_app(path="Inside_a_block", wait_for_all=False, **SMALL)
    choose(canvas.page, "Attention is a graph")
    canvas.wait(f"c.frames.length === 1 && c.computed === {BLOCKS}")
    at_rest(canvas.page)
    return canvas


def opened(page: Page, label: str) -> None:
    page.get_by_text(label, exact=True).click()


def test_the_words_and_the_table_open(inside: Canvas) -> None:
    page, data = inside.page, load("mnist", SMALL["n_samples"])
    config = Config(n_components=16, n_blocks=BLOCKS)
    latents = [step.X.numpy() for step in unroll(data.Y, config) if step.ends_block]
    first = re.escape(describe(latents, data.labels, data.class_names, BLOCKS).split(". ")[0])
    opened(page, "The picture in words")
    expect(page.get_by_text(re.compile(first))).to_be_visible()
    opened(page, "Attention between classes as a table")
    expect(page.get_by_text("Block 4, over all of A, not its image")).to_be_visible()
    section = page.get_by_test_id("stExpander").filter(has_text="Attention between classes as a table")
    table = section.get_by_test_id("stDataFrame")
    expect(table).to_be_visible()
    box = table.bounding_box()
    assert box is not None
    assert box["height"] == pytest.approx(35 * 12 + 3, abs=8)  # ten classes, chance and the head
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
