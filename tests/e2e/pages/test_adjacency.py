"""Attention as a graph in a real browser: tokens chosen three ways, edges on the map, α taken over with one click."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, WebSocketRoute, expect

from dr_transformer import Config, load, unroll
from dr_transformer.methods.graph import knn_graph
from dr_transformer.theory.alpha_tuning import tune_alpha
from dr_transformer.ui.inside.neighbours import N_SHOWN, percent
from tests.e2e.canvas.canvas_page import Canvas
from tests.e2e.explorer.explorer_page import SMALL

N = SMALL["n_samples"]
CONFIG = Config(n_components=16, n_blocks=4)
Open = Callable[..., Canvas]


@pytest.fixture
def open_section(open_app: Open) -> Open:
    """Opens the section at 600 tokens and waits until a token is pinned and its neighbours are drawn."""

    def open_it(**query: object) -> Canvas:
        canvas = open_app(path="Inside_a_block", wait_for_all=False, **(SMALL | query))
        choose(canvas.page, "Attention is a graph")
        canvas.wait(f"c.frames.length === 1 && c.computed === 4 && c.attended.length === {N_SHOWN}")
        at_rest(canvas.page)
        return canvas

    return open_it


def choose(page: Page, section: str) -> None:
    page.get_by_test_id("stButtonGroup").get_by_text(section, exact=True).first.click()


def at_rest(page: Page) -> None:
    expect(page.get_by_text("5 of 5 blocks.")).to_be_visible()
    expect(page.get_by_text("Computing …")).to_have_count(0)
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


@cache
def dense(block: int) -> np.ndarray:
    """A in float64, (n, n), by its definition."""
    steps = unroll(load("mnist", N).Y, CONFIG)
    X = next(step.X for step in steps if step.ends_block and step.block == block).double()
    logits = CONFIG.alpha * N / 16 * X @ X.T
    logits.fill_diagonal_(-torch.inf)
    return logits.softmax(dim=1).numpy()


def token_number(page: Page) -> str:
    return page.get_by_role("spinbutton", name="Token", exact=True).input_value()


def assert_shown(canvas: Canvas, token: int, block: int) -> None:
    """Edges on the map and images under it are the token's most attended, by dense float64 attention."""
    page, row, labels = canvas.page, dense(block)[token], load("mnist", N).labels
    assert labels is not None
    most = np.argsort(-row)[:N_SHOWN]
    expect(page.get_by_text(re.compile(rf"^Token {token} at block {block}: "))).to_be_visible()
    # What the canvas pins itself is pinned before its edges have come.
    canvas.wait(f"c.pinned === {token} && '{most.tolist()}' === `[${{c.attended.map((e) => e.index).join(', ')}}]`")
    captions, lines = page.get_by_test_id("stImageCaption"), page.locator(".links line")
    expected = [f"{labels[i]} · {percent(row[i])}" for i in most]
    expect(captions).to_have_count(2 * N_SHOWN)
    for number, text in enumerate(expected):
        expect(captions.nth(number)).to_have_text(text)
    expect(lines).to_have_count(N_SHOWN)
    edges = canvas.get("c.attended")
    assert [edge["index"] for edge in edges] == most.tolist()
    np.testing.assert_allclose([edge["weight"] for edge in edges], row[most], rtol=1e-3)
    widths = lines.evaluate_all("lines => lines.map((l) => Number(l.getAttribute('stroke-width')))")
    np.testing.assert_allclose(widths, 0.75 + 2.25 * row[most] / row[most[0]], rtol=1e-3)


@pytest.mark.slow
def test_a_token_is_chosen_by_click_by_number_and_by_class(open_section: Open) -> None:
    canvas = open_section()
    page, labels = canvas.page, load("mnist", N).labels
    assert labels is not None
    assert_shown(canvas, 0, 4)
    field = page.get_by_role("spinbutton", name="Token", exact=True)
    field.fill("123")
    field.press("Enter")
    assert_shown(canvas, 123, 4)
    canvas.get("c.setDepth(1)")
    assert_shown(canvas, 123, 1)
    # The click that comes after a number counts, and a number after that.
    target = int(canvas.array("c.positions(0)")[:, 0].argmax())
    page.mouse.click(*canvas.on_page(0, target))
    canvas.wait("c.pinned !== 123 && c.pinned >= 0")
    clicked = canvas.get("c.pinned")
    assert_shown(canvas, clicked, 1)
    assert token_number(page) == str(clicked)
    page.get_by_role("button", name="Next of its class").click()
    later = np.flatnonzero(labels == labels[clicked])
    following = int(next((token for token in later if token > clicked), later[0]))
    assert_shown(canvas, following, 1)
    # It is kept on the way to another page and back.
    page.get_by_role("link", name="The model").click()
    expect(page.get_by_role("heading", name="The model", exact=True)).to_be_visible()
    page.get_by_role("link", name="Inside a block").click()
    assert_shown(canvas, following, 1)
    assert token_number(page) == str(following)
    assert canvas.errors == []


@pytest.mark.slow
def test_a_token_clicked_stays_although_what_is_asked_next_names_the_one_before(page: Page, open_section: Open) -> None:
    """The browser moves the depth before it has heard that the field is to show the clicked token."""
    held: list[tuple[WebSocketRoute, str | bytes]] = []
    late = False

    def between(browser: WebSocketRoute) -> None:
        def pass_on(message: str | bytes) -> None:
            held.append((browser, message))
            if not late:
                deliver()

        browser.connect_to_server().on_message(pass_on)

    def deliver() -> None:
        while held:
            to, message = held.pop(0)
            to.send(message)

    page.route_web_socket(re.compile("_stcore/stream"), between)
    canvas = open_section()
    field = page.get_by_role("spinbutton", name="Token", exact=True)
    field.fill("123")
    field.press("Enter")
    assert_shown(canvas, 123, 4)
    at_rest(page)
    late = True
    target = int(canvas.array("c.positions(0)")[:, 0].argmax())
    page.mouse.click(*canvas.on_page(0, target))
    canvas.wait("c.pinned !== 123 && c.pinned >= 0")
    clicked = canvas.get("c.pinned")
    page.wait_for_timeout(1500)  # the server has drawn the click
    canvas.get("c.setDepth(1)")
    page.wait_for_timeout(1500)
    assert held
    late = False
    deliver()
    assert_shown(canvas, clicked, 1)
    assert token_number(page) == str(clicked)
    assert canvas.errors == []


@pytest.mark.slow
def test_one_click_takes_the_best_alpha(open_section: Open) -> None:
    canvas = open_section(alpha=5)
    page = canvas.page
    page.get_by_role("button", name="Tune α").click()
    use = page.get_by_role("button", name=re.compile("^Use α = "))
    expect(use).to_be_enabled(timeout=60_000)
    X = next(step.X for step in unroll(load("mnist", N).Y, CONFIG) if step.ends_block)
    best = round(tune_alpha(X, knn_graph(load("mnist", N).Y, 15)).best, 1)
    expect(use).to_have_text(f"Use α = {best:g}")
    use.click()
    expect(page).to_have_url(re.compile(rf"alpha={best:g}(&|$)"))
    slider = page.get_by_role("slider", name="Logit diagonal α")
    expect(slider).to_have_attribute("aria-valuetext", f"{best:g}")
    expect(use).to_be_disabled()
    at_rest(page)
    expect(page.get_by_text(f"α is {best:g} now.")).to_be_visible()
    assert canvas.errors == []


@pytest.mark.slow
def test_the_spectrum_is_computed_over_a_depth_of_its_own_and_can_be_stopped(open_section: Open) -> None:
    canvas = open_section()
    page = canvas.page
    choose(page, "Spectrum and convergence")
    expect(page.get_by_text(re.compile(r"\d+%: block \d+ of 64"))).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_text(re.compile(r"Stopped after \d+ of 65 blocks"))).to_be_visible()
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("600 tokens, 64 blocks.")).to_be_visible(timeout=120_000)
    canvas.wait("c.frames.length === 3 && c.frames[0] === 65 && c.computed === 64")
    assert canvas.get("c.depth") == 4
    assert page.locator(".panel .title").all_text_contents()[:2] == [
        "Latents after block 4",
        "Eigenvectors of I − A, block 4",
    ]
    canvas.get("c.setDepth(64)")
    expect(page.locator(".panel .title").first).to_have_text("Latents after block 64")
    marks = page.locator(".depth-mark text")
    expect(marks).to_have_count(5)
    assert re.search(r"\d\.\d\d at block 64|block 64", page.locator("strong").last.inner_text())
    expect(page).to_have_url(re.compile("section=spectrum"))
    assert "depth=" not in page.url  # the depth of the link is that of the other pages
    assert canvas.errors == []
