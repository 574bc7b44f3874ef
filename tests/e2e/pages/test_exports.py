"""Saving and restoring in a real browser: the file that Chromium saves, dropped back, brings all of it back."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from dr_transformer import Config
from dr_transformer.config import ViewConfig
from dr_transformer.data.dataset import load_bytes
from dr_transformer.export.figure_config import FigureConfig
from dr_transformer.export.metadata import read_settings
from dr_transformer.export.session_file import load as load_session
from tests.e2e.canvas.canvas_page import Canvas
from tests.e2e.explorer.explorer_page import SMALL, assert_drawn, frames


def panel(page: Page, tab: str) -> Locator:
    """The open panel at one of its tabs."""
    found = page.get_by_test_id("stExpander").filter(has_text="Save and restore")
    if not found.get_by_role("tab", name="Figure", exact=True).is_visible():
        found.get_by_text("Save and restore").click()
    found.get_by_role("tab", name=tab, exact=True).click()
    return found.get_by_role("tabpanel", name=tab)


def choose(inside: Locator, label: str, option: str) -> None:
    """By keyboard, for the list moves as the panel opens; what is typed before the list is there chooses nothing.

    A page that is drawn again meanwhile may close the list, and then it is opened once more.
    """
    box, page = inside.get_by_role("combobox", name=label), inside.page
    for _ in range(5):
        box.click()
        box.fill(option)
        with suppress(PlaywrightTimeout):
            page.get_by_role("option", name=option).wait_for(timeout=5000)
            box.press("Enter")
        box.blur()  # what was typed and not chosen goes
        page.wait_for_timeout(300)
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        if box.input_value() == option:
            return
    raise AssertionError(f"{option} cannot be chosen")


def saved(inside: Locator, label: str, folder: Path) -> Path:
    """Press the button that saves; the file that the browser got."""
    with inside.page.expect_download() as download:
        inside.get_by_role("button", name=re.compile(f"^Save {label}")).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def drop(page: Page, path: Path) -> None:
    panel(page, "Session").locator("input[type=file]").set_input_files(path)


def test_a_figure_saved_and_dropped_back(open_app: Callable[..., Canvas], tmp_path: Path) -> None:
    canvas = open_app(**SMALL, alpha=17, view="pca")
    page = canvas.page
    inside = panel(page, "Figure")
    choose(inside, "Template", "a strip over depth: every block")
    inside.get_by_role("button", name="More options").click()
    options = page.get_by_test_id("stPopoverBody")
    expect(options.get_by_role("spinbutton", name="Vector points up to")).to_have_value("20000")
    expect(options.get_by_role("spinbutton", name="Point size")).to_have_value("1.00")
    page.keyboard.press("Escape")
    inside.get_by_role("button", name="Make the file").click()
    path = saved(inside, "mnist-strip.png", tmp_path)
    with Image.open(path) as image:
        assert image.size[0] > 2000
    found = read_settings(path)
    expected = Config(n_components=16, n_blocks=4, alpha=17)
    assert (found.config, found.view) == (expected, ViewConfig(view="pca"))
    assert found.figure == FigureConfig("strip")

    page.get_by_role("button", name="Paper", exact=True).click()
    canvas.wait("c.computed === 8 && c.visible === 10000")
    drop(page, path)
    expect(page.get_by_text("The settings of mnist-strip.png are back.")).to_be_visible()
    canvas.wait("c.computed === 4 && c.visible === 600")
    expect(page).to_have_url(re.compile("alpha=17"))
    expect(page).to_have_url(re.compile("view=pca"))
    expect(page.get_by_role("spinbutton", name="Logit diagonal α")).to_have_value("17")
    expect(page.get_by_text(re.compile("hashes differ"))).to_have_count(0)
    expect(page.locator('[data-testid="stException"]')).to_have_count(0)


@pytest.mark.slow
def test_a_session_saved_and_dropped_back(open_app: Callable[..., Canvas], tmp_path: Path) -> None:
    canvas = open_app(**SMALL, alpha=12)
    page = canvas.page
    canvas.get("c.setDepth(2)")
    canvas.get("c.select([3, 5, 8])")
    expect(page).to_have_url(re.compile("depth=2"))
    inside = panel(page, "Session")
    notes = inside.get_by_role("textbox", name="Notes")
    notes.fill("Ask about the sevens.")
    notes.press("Control+Enter")
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    inside.get_by_role("button", name="Make the session file").click()
    expect(inside.get_by_text("It holds the settings, 3 selected tokens, depth 2, 21 characters")).to_be_visible()
    path = saved(inside, "mnist.session.json", tmp_path)
    session = load_session(path.read_bytes())
    assert (session.selection, session.depth, session.notes) == ((3, 5, 8), 2.0, "Ask about the sevens.")

    fresh = open_app(n_samples=600, n_components=16, n_blocks=2)
    drop(fresh.page, path)
    expect(fresh.page.get_by_text("The settings, selection and notes of mnist.session.json are back.")).to_be_visible()
    fresh.wait("c.computed === 4 && c.selection.length === 3 && c.depth === 2")
    assert fresh.get("c.selection") == [3, 5, 8]
    _, blocks = frames(Config(n_components=16, n_blocks=4, alpha=12), 600)
    assert_drawn(fresh, 1, blocks[2], [blocks[2]])
    expect(panel(fresh.page, "Session").get_by_role("textbox", name="Notes")).to_have_value("Ask about the sevens.")
    fresh.get("c.select([1, 2])")  # the selection is the user's again
    fresh.page.get_by_role("slider", name="Logit diagonal α").press("ArrowRight")
    expect(fresh.page).to_have_url(re.compile("alpha=13"))
    fresh.wait("c.computed === 4")
    assert fresh.get("c.selection") == [1, 2]
    again = path.rename(tmp_path / "again.session.json")  # for Chromium does not tell of the same file twice
    drop(fresh.page, again)
    fresh.wait("c.computed === 4 && c.selection.length === 3")
    assert fresh.get("c.selection") == [3, 5, 8]


def test_a_damaged_file_changes_nothing(open_app: Callable[..., Canvas], tmp_path: Path) -> None:
    canvas = open_app(**SMALL, alpha=17)
    page = canvas.page
    before = canvas.array("c.positions(1)")
    path = tmp_path / "broken.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    drop(page, path)
    expect(page.get_by_text("cannot be read; the file is damaged or cut short")).to_be_visible()
    expect(page).to_have_url(re.compile("alpha=17"))
    assert (canvas.array("c.positions(1)") == before).all()
    expect(page.locator('[data-testid="stException"]')).to_have_count(0)


def test_data_and_film_reach_the_disk(open_app: Callable[..., Canvas], tmp_path: Path) -> None:
    canvas = open_app(**SMALL)
    page = canvas.page
    inside = panel(page, "Data")
    choose(inside, "Format", "CSV")
    inside.get_by_role("button", name="Make the file").click()
    table = saved(inside, "mnist-block4.csv", tmp_path)
    assert load_bytes(table.name, table.read_bytes()).Y.shape == (600, 16)
    assert saved(inside, "script.py", tmp_path).read_text(encoding="utf-8").count("unroll") >= 2
    inside = panel(page, "Animation")
    inside.get_by_role("spinbutton", name="Frames a second").fill("4")
    inside.get_by_role("spinbutton", name="Frames a second").press("Enter")
    inside.get_by_role("button", name="Make the file").click()
    film = saved(inside, "mnist-collapse.gif", tmp_path)
    with Image.open(film) as image:
        assert (image.size, image.n_frames) == ((640, 640), 17)
