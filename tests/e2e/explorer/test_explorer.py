"""The explorer in a real browser: what is drawn is what the model computes, and the address bar holds the settings."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from dr_transformer import Config, load, unroll
from tests.e2e.canvas.canvas_page import Canvas
from tests.e2e.explorer.explorer_page import SMALL, assert_drawn, frames, sub_step


def query_of(page: Page) -> dict[str, str]:
    return dict(re.findall(r"[?&]([^=]+)=([^&]*)", page.url))


@pytest.mark.slow
def test_the_papers_figure_to_the_quantisation_of_the_screen(open_app: Callable[..., Canvas]) -> None:
    """Without a link's settings: n = 10 000, the paper's values, both panels, first and last block."""
    canvas = open_app(wait_for_all=False)
    expect(canvas.page.get_by_text("10\u202f000 tokens · 8 blocks in")).to_be_visible(timeout=120_000)
    canvas.wait("c.visible === 10000")
    start, blocks = frames(Config(), 10_000)
    assert len(blocks) == 9
    assert_drawn(canvas, 0, start, [start])
    for depth in (8, 0):
        canvas.get(f"c.setDepth({depth})")
        assert_drawn(canvas, 1, blocks[depth], [blocks[depth]])
    expect(canvas.page.get_by_text("from float64 on a subsample of 500")).to_be_visible()


def test_fractional_depth_mixes_the_neighbouring_sub_steps(open_app: Callable[..., Canvas]) -> None:
    canvas = open_app(**SMALL)
    config = Config(n_components=16, n_blocks=4)
    _, blocks = frames(config, 600)
    names = ("attention", "layer_norm_1", "feed_forward")
    attention, normed, fed = (sub_step(config, 600, 3, name) for name in names)
    title = canvas.page.locator(".title").nth(1)
    for depth, expected, between, said in (
        (2.25, (blocks[2] + attention) / 2, [blocks[2], attention], "block 2 → attention of block 3"),
        (2.5, attention, [attention], "attention of block 3"),
        (2.6875, 0.25 * attention + 0.75 * normed, [attention, normed], "attention of block 3 → LayerNorm of block 3"),
        (2.875, fed, [fed], "feed-forward of block 3"),
        (2.9375, (fed + blocks[3]) / 2, [fed, blocks[3]], "feed-forward of block 3 → block 3"),
    ):
        canvas.get(f"c.setDepth({depth})")
        assert_drawn(canvas, 1, expected, between)
        expect(title).to_have_text(f"Latents after {said}")


def test_moving_a_slider_draws_the_new_model_and_keeps_the_depth(open_app: Callable[..., Canvas]) -> None:
    canvas = open_app(**SMALL)
    canvas.get("c.setDepth(3)")
    expect(canvas.page).to_have_url(re.compile("depth=3"))
    uploads = canvas.get("c.stats.uploads")
    canvas.page.get_by_role("slider", name="Logit diagonal α").press("ArrowRight")
    expect(canvas.page).to_have_url(re.compile("alpha=31"))
    canvas.wait(f"c.stats.uploads >= {uploads} + 4 && c.computed === 4")
    start, blocks = frames(Config(n_components=16, n_blocks=4, alpha=31), 600)
    assert canvas.get("c.depth") == 3
    assert_drawn(canvas, 1, blocks[3], [blocks[3]])
    assert_drawn(canvas, 0, start, [start])


NEVER_GREY = """() => {
  const seen = (window.seen = { opacity: 1, places: new Set(), samples: 0 });
  const look = () => {
    const canvas = document.querySelector(".latent-canvas") ??
      [...document.querySelectorAll("*")].map((node) => node.shadowRoot?.querySelector(".latent-canvas")).find(Boolean);
    const place = (node) => {
      const box = node.getBoundingClientRect();
      return [box.x, box.y, box.width, box.height].map(Math.round).join();
    };
    const plots = [...document.querySelectorAll(".st-key-depth_curves .js-plotly-plot")];
    const charts = plots.filter((plot) => plot.offsetHeight && getComputedStyle(plot).visibility === "visible");
    seen.places.add(`canvas ${place(canvas)}`);
    seen.places.add(`charts ${[...new Set(charts.map(place))].sort().join(" ")}`);
    for (const start of [canvas, ...charts]) {
      let opacity = 1;
      for (let node = start; node; node = node.parentElement ?? node.getRootNode().host) {
        opacity *= Number(getComputedStyle(node).opacity);
      }
      seen.opacity = Math.min(seen.opacity, opacity);
    }
    seen.samples++;
    requestAnimationFrame(look);
  };
  look();
}"""


@pytest.mark.slow
def test_the_page_never_greys_out_or_jumps_while_it_computes(open_app: Callable[..., Canvas]) -> None:
    """In every frame of a change of q: picture and curves seen, opaque, in place, as large; zoom and selection kept."""
    canvas = open_app(n_samples=4000, n_blocks=4, n_components=64)
    page = canvas.page
    canvas.get("c.zoomAt(1, 50, 60, 2)")
    canvas.get("c.select([3, 5, 8])")
    canvas.get("c.setDepth(3)")
    expect(page).to_have_url(re.compile("depth=3"))
    view = canvas.get("c.view(1)")
    uploads = canvas.get("c.stats.uploads")
    page.evaluate(NEVER_GREY)
    page.get_by_role("slider", name="Latent dimension q").press("ArrowLeft")
    expect(page.get_by_text("Preview:")).to_be_visible()
    expect(page.get_by_text(re.compile(r"tokens · 4 blocks in"))).to_be_visible()
    expect(page.get_by_text("measuring …")).to_have_count(0)
    seen = page.evaluate("({...window.seen, places: [...window.seen.places]})")
    assert canvas.get("c.stats.uploads") > uploads
    assert seen["samples"] >= 5  # as many frames as the machine had time for
    assert seen["opacity"] == 1
    assert len(seen["places"]) == 2, seen["places"]
    assert (canvas.get("c.selection"), canvas.get("c.depth")) == ([3, 5, 8], 3)
    assert {k: canvas.get("c.view(1)")[k] for k in ("zoom", "panX", "panY")} == {
        k: view[k] for k in ("zoom", "panX", "panY")
    }


def test_changing_depth_computes_nothing(open_app: Callable[..., Canvas]) -> None:
    canvas = open_app(**SMALL)
    line = canvas.page.get_by_text("600 tokens · 4 blocks in").inner_text()
    uploads = canvas.get("c.stats.uploads")
    for depth in (0, 1.5, 3):
        canvas.get(f"c.setDepth({depth})")
        expect(canvas.page).to_have_url(re.compile(f"depth={depth}"))
    assert canvas.get("c.stats.uploads") == uploads
    assert canvas.page.get_by_text("600 tokens · 4 blocks in").inner_text() == line


def test_opening_the_link_gives_the_same_view(open_app: Callable[..., Canvas]) -> None:
    canvas = open_app(**SMALL)
    page = canvas.page
    canvas.get("c.setDepth(1.5)")
    expect(page).to_have_url(re.compile("depth=1.5"))
    page.get_by_role("slider", name="Learning rate η").press("ArrowLeft")
    page.get_by_text("Mask self-attention", exact=True).click()
    expect(page).to_have_url(re.compile("eta=0.39.*mask_self=false|mask_self=false.*eta=0.39"))
    link = page.url
    page.goto("about:blank")
    again = Canvas(page, link)
    again.wait("c.computed === 4")
    assert query_of(page) == {k: str(v) for k, v in SMALL.items()} | {
        "eta": "0.39",
        "mask_self": "false",
        "depth": "1.5",
    }
    assert again.get("c.depth") == 1.5
    attention = sub_step(Config(n_components=16, n_blocks=4, eta=0.39, mask_self=False), 600, 2, "attention")
    assert_drawn(again, 1, attention, [attention])


def test_reset_restores_the_papers_values(open_app: Callable[..., Canvas]) -> None:
    canvas = open_app(alpha=12, eta=0.3, depth=2, n_samples=600, n_blocks=4, n_components=16)
    canvas.page.get_by_role("button", name="Paper", exact=True).click()
    canvas.wait("c.computed === 8 && c.depth === 8 && c.visible === 10000")
    expect(canvas.page).to_have_url(re.compile(r"/$|/\?$"))
    _, blocks = frames(Config(), 10_000)
    assert_drawn(canvas, 1, blocks[8], [blocks[8]])


def test_eta_one_half_is_said_and_the_picture_stays(open_app: Callable[..., Canvas]) -> None:
    canvas = open_app(eta=0.49, **SMALL)
    before = canvas.array("c.positions(1)")
    canvas.page.get_by_role("slider", name="Learning rate η").press("ArrowRight")
    expect(canvas.page.get_by_text("Learning rate η must not be exactly 0.5")).to_be_visible()
    np.testing.assert_array_equal(canvas.array("c.positions(1)"), before)
    canvas.page.get_by_role("slider", name="Learning rate η").press("ArrowRight")
    expect(canvas.page.get_by_text("turns every latent into its mirror image")).to_be_visible()
    expect(canvas.page.get_by_text("Learning rate η must not")).to_have_count(0)


def test_settings_survive_a_visit_to_the_other_page(open_app: Callable[..., Canvas]) -> None:
    canvas = open_app(alpha=17, depth=3, **SMALL)
    page = canvas.page
    page.get_by_role("link", name="The model").click()
    expect(page.get_by_role("heading", name="Why it clusters")).to_be_visible()
    expect(page).to_have_url(re.compile("The_model.*alpha=17"))
    expect(page.get_by_role("slider")).to_have_count(0)  # it would change nothing there
    page.get_by_role("link", name="Draw a digit").click()
    expect(page.get_by_role("slider", name="Logit diagonal α")).to_have_value("17")
    page.get_by_role("link", name="Explorer").click()
    canvas.wait("c.computed === 4")
    _, blocks = frames(Config(n_components=16, n_blocks=4, alpha=17), 600)
    assert canvas.get("c.depth") == 3
    assert_drawn(canvas, 1, blocks[3], [blocks[3]])
    expect(page).to_have_url(re.compile("alpha=17.*depth=3"))


@pytest.mark.slow
def test_back_and_forward_restore_the_settings(open_app: Callable[..., Canvas]) -> None:
    """One step of the browser's history for each change, whatever the number of parameters it has."""
    canvas = open_app(**SMALL, depth=2)
    page = canvas.page
    settled = 2500  # ms: sooner than people look at what they changed, the app does not take it for going back

    def shows(alpha: int, depth: float, eta: str = "0.4") -> None:
        expect(page.get_by_role("spinbutton", name="Logit diagonal α")).to_have_value(str(alpha))
        expect(page.get_by_role("spinbutton", name="Learning rate η")).to_have_value(eta)
        canvas.wait(f"c.computed === 4 && c.depth === {depth}")
        _, blocks = frames(Config(n_components=16, n_blocks=4, alpha=alpha, eta=float(eta)), 600)
        assert_drawn(canvas, 1, blocks[int(depth)], [blocks[int(depth)]])

    page.get_by_role("slider", name="Logit diagonal α").press("ArrowRight")
    expect(page).to_have_url(re.compile("alpha=31.*depth=2|depth=2.*alpha=31"))
    page.wait_for_timeout(settled)
    canvas.get("c.setDepth(1)")
    expect(page).to_have_url(re.compile("depth=1"))
    page.wait_for_timeout(settled)
    page.get_by_role("button", name="η near ½", exact=True).click()
    expect(page.get_by_role("spinbutton", name="Learning rate η")).not_to_have_value("0.4")
    expect(page).not_to_have_url(re.compile("depth"))
    page.wait_for_timeout(settled)
    page.go_back()
    shows(31, 1)
    page.go_back()
    shows(31, 2)
    page.go_back()
    shows(30, 2)
    page.go_forward()
    shows(31, 2)
    page.wait_for_timeout(settled)
    page.get_by_role("link", name="The model").click()
    expect(page).to_have_url(re.compile("The_model.*alpha=31"))
    expect(page.get_by_role("heading", name="Why it clusters")).to_be_visible()
    page.wait_for_timeout(settled)
    page.go_back()
    shows(31, 2)


def test_hover_names_the_digit(open_app: Callable[..., Canvas]) -> None:
    canvas = open_app(**SMALL)
    labels = load("mnist", 600).labels
    assert labels is not None
    x, y = canvas.on_page(1, 5)
    canvas.page.mouse.move(x, y)
    canvas.wait("c.hovered !== null && c.hovered >= 0")
    index = canvas.get("c.hovered")
    near = canvas.array("c.screen(1)")
    assert np.hypot(*(near[index] - near[5])) < 8
    expect(canvas.page.locator(".tooltip")).to_contain_text(f"{labels[index]}")


def test_a_file_of_ones_own(open_app: Callable[..., Canvas], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = np.abs(rng.normal(size=(40, 6)))
    path = tmp_path / "mine.csv"
    rows = [",".join(f"{value:.6f}" for value in row) + f",{'ab'[i % 2]}" for i, row in enumerate(table)]
    path.write_text("u,v,w,x,y,z,label\n" + "\n".join(rows))
    canvas = open_app(**SMALL)
    page = canvas.page
    page.get_by_role("combobox", name="Data set").click()
    page.get_by_role("option", name="your own file").click()
    expect(page.get_by_text("Choose a file in the sidebar")).to_be_visible()
    page.get_by_test_id("stSidebar").locator("input[type=file]").set_input_files(path)
    canvas.wait("c.positions(1).length === 80 && c.computed === 4")
    data = load(path)
    blocks = [s.X[:, :2].numpy() for s in unroll(data.Y, Config(n_components=16, n_blocks=4)) if s.ends_block]
    assert_drawn(canvas, 1, blocks[4], [blocks[4]])
    expect(page.locator(".legend button")).to_have_text(["a", "b"])


def test_a_broken_file_is_a_sentence(open_app: Callable[..., Canvas], tmp_path: Path) -> None:
    path = tmp_path / "broken.npz"
    path.write_bytes(b"PK\x03\x04 not really")
    canvas = open_app(**SMALL)
    page = canvas.page
    page.get_by_role("combobox", name="Data set").click()
    page.get_by_role("option", name="your own file").click()
    page.get_by_test_id("stSidebar").locator("input[type=file]").set_input_files(path)
    expect(page.get_by_text(re.compile("roken.npz"))).to_have_count(2)  # the uploader's own line, and the sentence
    expect(page.locator('[data-testid="stException"]')).to_have_count(0)
    assert canvas.get("c.computed") == 4  # the last picture is still there
