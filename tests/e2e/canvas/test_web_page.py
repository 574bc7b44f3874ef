"""A saved page in a browser without any network: everything in it is alive, and what it draws are the latents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from dr_transformer import Config, load
from dr_transformer.canvas.attended import attended_table
from dr_transformer.canvas.picture import KEPT
from dr_transformer.config import ViewConfig
from dr_transformer.engine.run import Run
from dr_transformer.export.pages.run_page import run_page
from dr_transformer.quality.words import describe
from tests.e2e.canvas import canvas_page
from tests.e2e.canvas.canvas_page import Canvas, has_class_colour, quantisation
from tests.e2e.canvas.test_canvas_selection import inside
from tests.e2e.conftest import PATIENCE_MS

N = 500


@pytest.fixture(scope="module")
def run() -> Run:
    made = Run(load("mnist", N), Config(n_components=16, n_blocks=3))
    made.owners.add("test")
    made.work()
    assert made.error is None
    return made


@pytest.fixture(scope="module")
def file(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_bytes(run_page(run, ViewConfig(), depth=0.0))
    return path


class SavedPage(Canvas):
    """The canvas of a saved page, which stands in the page itself."""

    def __init__(self, page: Page, file: Path) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        super().__init__(page, file.as_uri())


@pytest.fixture
def opened(browser: Browser, file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SavedPage]:
    monkeypatch.setattr(canvas_page, "FIND", "document.querySelector('.latent-canvas')?.latentCanvas")
    with browser.new_context(viewport={"width": 1440, "height": 900}, offline=True) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        saved = SavedPage(page, file)
        yield saved
        assert saved.errors == []
        assert saved.complaints == []
        assert saved.requests == [file.as_uri()], "nothing but the file itself is asked for"


def test_it_draws_the_latents(opened: SavedPage, run: Run) -> None:
    assert run.full.start is not None
    assert opened.get("c.renderers") == ["webgl2", "webgl2"]
    assert opened.get("c.frames") == [1, 4]
    assert opened.get("c.depth") == 0
    start = run.full.start[:, :2]
    assert (np.abs(opened.array("c.positions(0)") - start).max(axis=0) <= quantisation(start)).all()
    for depth in (0, 3, 1.25):
        opened.get(f"c.setDepth({depth})")
        before, share = int(depth), depth % 1
        frames = [run.full.latents[b][:, :2] for b in (before, min(3, before + 1))]
        mixed = (1 - share) * frames[0] + share * frames[1]
        error = np.abs(opened.array("c.positions(1)") - mixed).max(axis=0)
        assert (error <= np.max([quantisation(frame) for frame in frames], axis=0)).all()
    last = N - 1  # the token on top
    pixel = opened.pixel(1, *opened.screen(1, last))
    assert pixel[3] > 100
    opened.get("c.setLook({ opacity: 1 })")
    assert has_class_colour(opened.pixel(1, *opened.screen(1, last)), int(run.dataset.labels[last]))


def test_play_moves_and_the_words_follow(opened: SavedPage, run: Run) -> None:
    told = [describe(run.full.latents, run.dataset.labels, run.dataset.class_names, block) for block in range(4)]
    words = opened.page.locator("#description")
    expect(words).to_have_text(told[0])
    opened.page.get_by_role("button", name="Play").click()
    opened.wait("c.depth > 0.3")
    opened.wait("!c.playing && c.depth === 3")
    expect(words).to_have_text(told[3])
    opened.page.get_by_role("slider", name="Depth").focus()
    opened.page.keyboard.press("ArrowLeft")
    expect(words).to_have_text(told[2])


def test_the_lasso_selects_and_thumbnails_show(opened: SavedPage, run: Run) -> None:
    page = opened.page
    opened.get("c.setDepth(3)")
    places = opened.array("c.screen(1)")
    middle = places.mean(axis=0)
    path = np.array([[-80, -70], [90, -60], [60, 80], [-70, 60]]) + np.round(middle) + 0.25
    page.get_by_role("button", name="Lasso").click()
    opened.drag(1, path.tolist())
    chosen = inside(path, places)
    assert 5 < len(chosen) < N
    assert opened.get("c.selection") == chosen.tolist()
    expect(page.get_by_text(f"Selection: {len(chosen)} of {N}")).to_be_visible()
    thumbnails = page.locator("canvas.thumbnails")
    expect(thumbnails).to_be_visible()
    ink = thumbnails.evaluate(
        "(each) => [...each.getContext('2d').getImageData(1, 0, 22, 22).data].filter((_, i) => i % 4 === 3)"
    )
    first = run.dataset.images[chosen[0]].astype(float)
    assert np.mean(ink) == pytest.approx(first.mean(), rel=0.15)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Box").click()
    box = [middle - 40, middle + 40]
    opened.drag(1, [each.tolist() for each in box])
    within = np.flatnonzero((places > box[0]).all(axis=1) & (places < box[1]).all(axis=1))
    assert opened.get("c.selection") == within.tolist()


def test_legend_search_and_colourings_are_alive(opened: SavedPage, run: Run) -> None:
    page = opened.page
    field = page.get_by_label("Search label or #index")
    field.fill("7")
    field.press("Enter")
    assert opened.get("c.selection") == np.flatnonzero(run.dataset.labels == 7).tolist()
    legend = page.get_by_role("group", name="Classes").get_by_role("button")
    expect(legend).to_have_count(10)
    legend.nth(7).click()
    expect(legend.nth(7)).to_have_attribute("aria-pressed", "false")
    opened.page.mouse.move(*opened.on_page(1, int(np.flatnonzero(run.dataset.labels == 7)[0])))
    choice = page.get_by_label("Colour by")
    names = choice.locator("option").all_text_contents()
    assert names == ["class", "k-means cluster at the last block", "effective neighbours", KEPT]
    for name in names:
        choice.select_option(name)
        opened.wait(f"c.colouring === {name!r}")
    expect(page.get_by_role("img", name=f"{KEPT} from 0.0 to 1.0")).to_be_visible()


def test_a_pinned_token_shows_whom_it_attends_to(opened: SavedPage, run: Run) -> None:
    table = attended_table(run.full.latents, run.config, 5)
    opened.get("c.setDepth(2)")
    field = opened.page.get_by_label("Search label or #index")
    for token in (17, 3):
        field.fill(f"#{token}")
        field.press("Enter")
        opened.wait(f"c.pinned === {token} && c.attended.length === 5")
        for depth, row in ((2, 2), (0.5, 0), (3, 3)):
            opened.get(f"c.setDepth({depth})")
            attended = opened.get("c.attended")
            assert [each["index"] for each in attended] == table.indices[row, token].tolist()
            weights = [each["weight"] for each in attended]
            np.testing.assert_allclose(weights, table.weights[row, token], atol=0.0025 * weights[0] + 1e-4)
    expect(opened.page.get_by_role("group", name="Most attended tokens").get_by_role("button")).to_have_count(5)


def test_it_follows_the_theme_of_the_reader(opened: SavedPage) -> None:
    page, ground = opened.page, "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(ground) == "rgb(17, 20, 24)"
    opened.get("c.select([1, 2, 3])")
    opened.next_frame()
    page.emulate_media(color_scheme="light")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    opened.next_frame()
    page.set_viewport_size({"width": 390, "height": 844})
    opened.next_frame()
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_without_javascript_the_words_remain(browser: Browser, file: Path, run: Run) -> None:
    with browser.new_context(java_script_enabled=False, offline=True) as context:
        page = context.new_page()
        page.goto(file.as_uri())
        told = describe(run.full.latents, run.dataset.labels, run.dataset.class_names, 0)
        expect(page.locator("#description")).to_have_text(told)
        page.get_by_text("How this page was made").click()
        expect(page.get_by_text("config: n_components", exact=True)).to_be_visible()
