"""The phase diagram in a real browser: what is drawn, a click on a cell, cancelling, and the cache."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from dr_transformer import Config, load, unroll
from dr_transformer.quality import metrics
from dr_transformer.quality.sweep_grid import Grid
from tests.e2e.canvas.canvas_page import Canvas
from tests.e2e.explorer.explorer_page import APP, assert_drawn, frames

PATIENCE_MS = 90_000  # other sections of the page compute, too
SMALL = {"n_samples": 300, "n_components": 8, "n_blocks": 2}
GRID = Grid.of("eta", 7)
CHART = "document.querySelector('.js-plotly-plot:not([data-copy])')"
PLACE = f"""(cell) => {{
  const chart = {CHART}, {{ _size: size, xaxis, yaxis }} = chart._fullLayout, box = chart.getBoundingClientRect();
  const {{ x, y }} = chart.data[1];
  return [box.x + size.l + xaxis.d2p(x[cell]), box.y + size.t + yaxis.d2p(y[cell])];
}}"""
# Counts the frames in which no drawn chart is in sight, and the charts that came and went.
WATCH = """() => {
  const seen = (window.watched = { blank: 0, frames: 0, charts: new Set() });
  const look = () => {
    const visible = (chart) => chart.offsetHeight && getComputedStyle(chart).visibility === "visible";
    const charts = [...document.querySelectorAll(".js-plotly-plot")].filter(visible);
    const drawn = charts.filter((chart) => chart.querySelector(".heatmaplayer image"));
    for (const chart of drawn) if (chart.dataset.copy === undefined) seen.charts.add(chart);
    seen.blank += drawn.length ? 0 : 1;
    seen.frames += 1;
    requestAnimationFrame(look);
  };
  look();
}"""


@pytest.fixture
def open_phase(page: Page, streamlit_server: Callable[[Path], str]) -> Callable[..., Page]:
    def open_it(on: Page = page, cells: str = "7 × 7", **query: object) -> Page:
        on.set_default_timeout(PATIENCE_MS)
        on.goto(f"{streamlit_server(APP)}/Inside_a_block?{urlencode(SMALL | query)}")
        on.get_by_text("Phase diagram", exact=True).first.click()
        expect(on.get_by_role("button", name="Compute")).to_be_visible(timeout=PATIENCE_MS)
        at_rest(on)
        choose(on, "Cells", cells)
        expect(on.get_by_text("from the cache. ")).to_be_visible()
        at_rest(on)
        return on

    return open_it


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=re.compile(label)).click()
    page.get_by_role("option", name=option, exact=True).click()
    at_rest(page)


def at_rest(page: Page) -> None:
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def drawn(page: Page) -> np.ndarray:
    """The heat map's z."""
    z = page.evaluate(f"() => {CHART}.data[0].z.map((row) => [...row])")
    return np.array(z, float)


def compute(page: Page) -> None:
    page.get_by_role("button", name="Compute").click()
    expect(page.get_by_text("All 49 cells; ")).to_be_visible(timeout=120_000)
    page.wait_for_function(f"() => {CHART}?.data?.[0].z.flat().every((value) => value !== null)")
    at_rest(page)


@pytest.mark.slow
def test_the_map_is_what_the_metrics_give_and_the_second_visit_finds_it(
    open_phase: Callable[..., Page], context: BrowserContext, tmp_path: Path
) -> None:
    page = open_phase()
    expect(page.get_by_text("Nothing is computed yet; 0 of 49 from the cache.")).to_be_visible()
    choose(page, "Figure", "effective rank")
    compute(page)
    found = drawn(page)
    data = load("mnist", 300)
    for cell in ((0, 0), (0, 6), (3, 3), (6, 2)):
        config = GRID.config(Config(n_components=8, n_blocks=2), cell)
        *_, last = unroll(data.Y, config)
        assert found[cell] == pytest.approx(metrics.effective_rank(last.X.numpy()), rel=1e-4)
    assert np.ptp(found) > 1
    low = int((found < 2).sum())
    expect(page.get_by_text(f"the effective rank is below 2 in {low} of 49 cells (dots)")).to_be_visible()
    page.get_by_text("Table: effective rank").click()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV").click()
    saved = tmp_path / "phase.csv"
    download.value.save_as(saved)
    table = pd.read_csv(saved)
    np.testing.assert_array_equal(table["effective_rank"].to_numpy().reshape(7, 7), found)
    np.testing.assert_array_equal(table["eta"].unique(), GRID.values)
    other = context.new_page()
    open_phase(on=other)
    expect(other.get_by_text("All 49 cells; 49 of 49 from the cache.")).to_be_visible()
    choose(other, "Figure", "effective rank")
    other.wait_for_function(f"() => {CHART}?.data?.[0].z[0][0] === {float(found[0, 0])!r}")
    np.testing.assert_array_equal(drawn(other), found)
    other.close()


@pytest.mark.slow
def test_a_click_on_a_cell_loads_it_and_everything_follows(open_phase: Callable[..., Page]) -> None:
    page = open_phase(depth=1, random_state=1)
    compute(page)
    cell = 1 * 7 + 5
    x, y = page.evaluate(PLACE, cell)
    page.mouse.move(x + 20, y - 8)
    page.mouse.move(x + 9, y + 6)  # within the cell, not at its middle
    hover = page.locator(".js-plotly-plot:not([data-copy]) .hoverlayer")
    expect(hover).to_contain_text("α = 7, η = 0.64")
    expect(hover).to_contain_text(re.compile(r"NMI of k-means clusters: 0\.\d{3}"))
    page.mouse.click(x + 9, y + 6)
    expect(page.get_by_text("Loaded α = 7, η = 0.64; sidebar, link and pictures follow.")).to_be_visible()
    expect(page.get_by_role("slider", name="Logit diagonal α")).to_have_value("7")
    expect(page.get_by_role("slider", name="Learning rate η")).to_have_value("0.64")
    page.wait_for_function("() => /alpha=7(&|$)/.test(location.search) && /eta=0.64/.test(location.search)")
    assert "depth" not in page.url
    shapes = page.evaluate(f"() => {CHART}.layout.shapes.map((s) => [s.x0, s.x1, s.y0, s.y1])")
    assert len(shapes) == 2
    assert all(x0 < 0.64 < x1 and y0 < 7 < y1 for x0, x1, y0, y1 in shapes)
    page.get_by_role("link", name="Explorer").click()
    canvas = Canvas.__new__(Canvas)
    canvas.page, canvas.errors = page, []
    canvas.wait("c.computed === 2")
    assert canvas.get("c.depth") == 2
    _, blocks = frames(Config(alpha=7, eta=0.64, n_components=8, n_blocks=2, random_state=1), 300)
    assert_drawn(canvas, 1, blocks[2], [blocks[2]])


@pytest.mark.slow
def test_it_fills_in_without_blinking_and_is_cancelled(open_phase: Callable[..., Page]) -> None:
    page = open_phase(cells="25 × 25", n_samples=2000, n_components=64)
    page.get_by_role("button", name="Compute").click()
    expect(page.get_by_text(re.compile(r"\d+ of 625 cells, coarse ones first"))).to_be_visible(timeout=60_000)
    page.wait_for_function(f"() => {CHART}?.querySelector('.heatmaplayer image')", timeout=60_000)
    page.wait_for_timeout(300)
    page.evaluate(WATCH)
    page.wait_for_function("() => window.watched.charts.size >= 4", timeout=60_000)
    watched = page.evaluate("() => ({ ...window.watched, charts: window.watched.charts.size })")
    assert watched["frames"] > 10
    assert watched["blank"] == 0
    page.get_by_role("button", name="Cancel").click()
    stopped = page.get_by_text(re.compile(r"^\d+ of 625 cells; 0 of 625 from the cache\."))
    expect(stopped).to_be_visible()
    count = int(stopped.inner_text().split()[0])
    assert 0 < count < 625
    page.wait_for_timeout(1500)  # in which more cells would come
    for figure in ("effective rank", "mean cosine"):
        choose(page, "Figure", figure)
        shown = int(stopped.inner_text().split()[0])
        assert count <= shown <= count + 1, "the cell that was under way may be done, and no other"
        page.wait_for_function(f"() => {CHART}?.data?.[0].z.flat().filter((v) => v !== null).length === {shown}")
