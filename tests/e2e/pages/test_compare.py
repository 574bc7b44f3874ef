"""The compare page in a real browser: four panels on one clock, each what its method computes."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from dr_transformer import Config, load, unroll
from dr_transformer.methods.graph import knn_graph
from dr_transformer.methods.pca import pca
from dr_transformer.methods.power_iterations import ITERATIONS
from dr_transformer.methods.spectrum import laplacian_eigenmaps
from dr_transformer.model.planes import laid_on
from dr_transformer.quality.scores import Reference, quality
from tests.e2e.canvas.canvas_page import Canvas, quantisation
from tests.e2e.explorer.explorer_page import SMALL, assert_drawn, curve_values, frames

PANELS = ("transformer", "laplacian", "umap", "pca")
CONFIG = Config(n_components=16, n_blocks=4)
CANCELLED_SECONDS = 10  # for a click, an epoch and a redraw; under one where the machine has nothing else to do


@pytest.fixture
def open_compare(open_app: Callable[..., Canvas]) -> Callable[..., Canvas]:
    """Opens the page at 600 tokens and waits until all four methods are drawn and measured."""

    def open_it(**query: object) -> Canvas:
        canvas = open_app(path="Compare", wait_for_all=False, **(SMALL | query))
        expect(canvas.page.get_by_text("From block 0 to block 4")).to_be_visible(timeout=120_000)
        canvas.wait("c.frames.length === 4 && c.frames[2] === 33")
        expect(canvas.page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        return canvas

    return open_it


def places(page: Page) -> list[tuple[int, ...]]:
    """Where the plots are on the page, and how large."""
    read = "(plot) => { let y = 0; for (let n = plot; n; n = n.offsetParent) y += n.offsetTop; return y; }"
    plots = [page.locator(".plot").nth(i) for i in range(4)]
    boxes = [plot.bounding_box() for plot in plots]
    return [
        (plot.evaluate(read), *(int(box[k]) for k in ("x", "width", "height")))
        for plot, box in zip(plots, boxes, strict=True)
        if box
    ]


def titles(page: Page) -> list[str]:
    return page.locator(".panel .title").all_text_contents()


def test_four_panels_draw_what_the_methods_compute(open_compare: Callable[..., Canvas]) -> None:
    canvas = open_compare()
    Y = load("mnist", 600).Y
    _, blocks = frames(CONFIG, 600)
    assert_drawn(canvas, 0, blocks[4], [blocks[4]])
    maps = laplacian_eigenmaps(knn_graph(Y, 15), 2).embedding
    assert_drawn(canvas, 1, maps, [maps])
    scores, _ = pca(Y, 2, "cpu")
    assert_drawn(canvas, 3, scores, [scores])
    expected = ["Transformer, after block 4", "Laplacian Eigenmaps, eigenvectors", "UMAP, epoch 500 of 500", "PCA"]
    assert titles(canvas.page) == expected
    notes = canvas.page.locator(".panel .note").all_text_contents()
    assert "k = 15, least distance 0.1, seed 42" in notes[2]
    assert all(re.match(r"\d+\.\d s · (CPU|GPU) · ", note) for note in notes), notes
    boxes = [canvas.page.locator(".plot").nth(i).bounding_box() for i in range(4)]
    assert all(box is not None and box["y"] + box["height"] < 900 for box in boxes)  # on one screen
    assert len({round(box["x"]) for box in boxes if box}) == len({round(box["y"]) for box in boxes if box}) == 2


def test_one_clock_moves_all_panels(open_compare: Callable[..., Canvas]) -> None:
    canvas = open_compare()
    canvas.get("c.setDepth(2)")
    canvas.next_frame()
    transformer, laplacian, umap, _ = titles(canvas.page)
    assert transformer == "Transformer, after block 2"
    found = re.fullmatch(r"Laplacian Eigenmaps, (\d+) power iterations, [\d.]+° from the eigenvectors", laplacian)
    assert found
    assert int(found[1]) in ITERATIONS[4:-2]  # in the middle of the way
    assert umap.startswith("UMAP, epoch ")
    middle = canvas.array("c.positions(2)")
    canvas.get("c.setDepth(0)")
    start = canvas.array("c.positions(2)")
    canvas.next_frame()
    assert titles(canvas.page)[2] == "UMAP, epoch 0 of 500"
    assert np.abs(start - middle).max() > 0.1
    assert np.ptp(canvas.array("c.positions(3)"), axis=0).min() > 1  # PCA has no steps, and stays


def test_a_selection_is_one_in_all_panels_and_lists_its_images(open_compare: Callable[..., Canvas]) -> None:
    canvas = open_compare()
    x, y = canvas.screen(2, 7)
    canvas.get(f"c.draw(2, 'box', [[{x - 3}, {y - 3}], [{x + 3}, {y + 3}]])")
    chosen = canvas.get("c.selection")
    assert 7 in chosen
    for panel in range(4):
        others = [i for i in range(600) if i not in chosen]
        far = others[int(np.argmax([np.hypot(*canvas.screen(panel, i)) for i in others]))]
        dimmed = canvas.pixel(panel, *canvas.screen(panel, far))
        assert 0 < dimmed[3] < 200, f"panel {panel}: what is not selected is faint"
    expect(canvas.page.get_by_text(f"Selection: {len(chosen)} of 600")).to_be_visible()
    labels = load("mnist", 600).labels
    assert labels is not None
    canvas.page.get_by_placeholder("label or #index").fill("3")
    canvas.page.keyboard.press("Enter")
    canvas.wait(f"c.selection.length === {int((labels == 3).sum())}")


def test_panels_are_aligned_when_asked_and_say_so(open_compare: Callable[..., Canvas]) -> None:
    canvas = open_compare(align="pca")
    scores, _ = pca(load("mnist", 600).Y, 2, "cpu")
    _, blocks = frames(CONFIG, 600)
    laid = laid_on(blocks[4][None], scores)[0]
    error = np.abs(canvas.array("c.positions(0)") - laid).max(axis=0)
    assert (error <= quantisation(laid) + 1e-5).all()
    notes = canvas.page.locator(".panel .note").all_text_contents()
    assert [note.startswith("aligned to PCA · ") for note in notes] == [True, True, True, False]


def test_attention_is_drawn_in_the_transformers_panel(open_compare: Callable[..., Canvas]) -> None:
    canvas = open_compare()
    canvas.page.get_by_placeholder("label or #index").fill("#123")
    canvas.page.keyboard.press("Enter")
    canvas.wait("c.attended && c.attended.length === 8")
    lines = [canvas.page.locator(".panel").nth(i).locator("svg line, svg path") for i in range(4)]
    expect(lines[0]).not_to_have_count(0)
    for other in lines[1:]:
        expect(other).to_have_count(0)


def test_table_and_curves_hold_the_figures(open_compare: Callable[..., Canvas]) -> None:
    canvas = open_compare(depth=1)
    page = canvas.page
    data = load("mnist", 600)
    reference = Reference.of(data.Y, data.labels)
    latents = [step.X.numpy() for step in unroll(data.Y, CONFIG) if step.ends_block]
    expected = [quality(X, reference).figures for X in latents]
    names = ("accuracy", "nmi", "trustworthiness", "recall")
    expect(page.locator(".depth-mark")).to_have_count(4)
    assert curve_values(page) == [f"{expected[1][name]:.3f}" for name in names]
    first, last = expected[0]["nmi"], expected[4]["nmi"]
    assert first is not None
    assert last is not None
    said = "clusters tighten: NMI rises" if last > first else "clusters loosen: NMI falls"
    sentence = page.get_by_text(f"From block 0 to block 4 {said} {first:.2f} → {last:.2f}; neighbours ")
    expect(sentence).to_be_visible()
    table, line = page.get_by_test_id("stDataFrame").first.bounding_box(), sentence.bounding_box()
    assert table is not None
    assert line is not None
    assert line["y"] >= table["y"] + table["height"], "the sentence stands under the table"
    expect(page.get_by_text("No effective rank, mean cosine of Laplacian Eigenmaps, UMAP: where")).to_be_visible()
    rows = page.get_by_test_id("stDataFrame").first.locator("tbody tr, [role=row]")
    expect(rows).to_have_count(1 + 5 + 1 + 3)  # heading, blocks, the last block like for like, baselines
    expect(page.get_by_text("Measured on all 600 tokens")).to_be_visible()


def test_a_setting_that_cannot_be_is_a_sentence_and_loses_nothing(open_compare: Callable[..., Canvas]) -> None:
    canvas = open_compare(scaling="probdr", beta=0.99, n_neighbors=50)
    page = canvas.page
    before = canvas.array("c.positions(0)")
    number = page.get_by_role("spinbutton", name="Tokens n")
    number.fill("20")
    number.press("Enter")
    expect(page.get_by_text("Laplacian Eigenmaps is missing: Neighbours k = 50 is not possible")).to_be_visible()
    expect(page.get_by_text("UMAP is missing: Neighbours k = 50 is not possible with 20 tokens")).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)
    number.fill("600")
    number.press("Enter")
    canvas.wait("c.positions(0).length === 1200")
    np.testing.assert_array_equal(canvas.array("c.positions(0)"), before)


@pytest.mark.slow
def test_umap_is_cancelled_and_run_again(open_app: Callable[..., Canvas]) -> None:
    """At n = 5 000 a layout takes seconds, here after a reload: Cancel stops it, the rest of the page goes on."""
    canvas = open_app(path="Compare", wait_for_all=False, **(SMALL | {"n_samples": 5000, "random_state": 5}))
    page = canvas.page
    canvas.wait("c.frames.length === 4")
    before = places(page)
    expect(page.get_by_text(re.compile(r"UMAP: epoch \d+ of 500"))).to_be_visible(timeout=120_000)
    page.reload()  # another session, which is not alone in its wait if the one before still counts
    canvas.wait("c.frames.length === 4 && c.frames[2] >= 1")
    expect(page.get_by_text(re.compile(r"UMAP: epoch \d+ of 500"))).to_be_visible(timeout=120_000)
    began = time.perf_counter()
    page.get_by_role("button", name="Cancel UMAP").dispatch_event("click")  # before the layout is done
    # before its first epoch or later
    stopped = page.get_by_text(re.compile(r"^UMAP: it was stopped( at epoch \d+ of 500)?\.$")).first
    expect(stopped).to_be_visible(timeout=1000 * CANCELLED_SECONDS)
    logging.getLogger(__name__).info("stopped %.2f s after Cancel", time.perf_counter() - began)
    assert canvas.get("c.frames[2]") >= 1
    page.get_by_role("button", name="Run UMAP again").click()
    canvas.wait("c.frames[2] === 33")
    assert places(page) == before, "nothing moves when it comes"
    expect(page.get_by_text(re.compile(r"UMAP: 500 epochs in \d+\.\d s"))).to_be_visible()


@pytest.mark.slow
def test_two_people_compare_at_once(open_compare: Callable[..., Canvas], context: BrowserContext) -> None:
    """Each sees the layout of the settings of their own."""
    canvas = open_compare()
    first = canvas.array("c.positions(2)")
    page = context.new_page()
    link = canvas.page.url + "&min_dist=0.5"
    other = Canvas(page, link)
    canvas.page.goto(link.replace("0.5", "0.6"))
    for each in (other, canvas):
        each.wait("c.frames.length === 4 && c.frames[2] === 33", timeout=120_000)
    layouts = [first, other.array("c.positions(2)"), canvas.array("c.positions(2)")]
    assert len({layout.tobytes() for layout in layouts}) == 3
    notes = [each.page.locator(".panel .note").nth(2).inner_text() for each in (other, canvas)]
    assert [re.findall(r"least distance [\d.]+", note) for note in notes] == [
        ["least distance 0.5"],
        ["least distance 0.6"],
    ]
    page.close()


def test_is_it_real_runs_and_stops(open_compare: Callable[..., Canvas]) -> None:
    canvas = open_compare()
    page = canvas.page
    page.get_by_role("spinbutton", name="Seeds k").fill("20")
    page.get_by_role("spinbutton", name="Seeds k").press("Enter")
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text(re.compile(r"\d+%: seed \d+ of 20"))).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_text(re.compile(r"Stopped at \d+%"))).to_be_visible()
    page.get_by_role("spinbutton", name="Seeds k").fill("2")
    page.get_by_role("spinbutton", name="Seeds k").press("Enter")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("ean ± s.d. over 2 seeds")).to_be_visible(timeout=120_000)
