"""Lessons in the browser: a file of one's own, keys while presenting, and a picture that follows."""

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.canvas.canvas_page import Canvas
from tests.e2e.explorer.explorer_page import APP
from tests.ui.lessons.test_page import LESSON


def test_a_lesson_of_ones_own_drives_the_picture(
    page: Page, streamlit_server: Callable[[Path], str], tmp_path: Path
) -> None:
    file = tmp_path / "tiny.md"
    file.write_text(LESSON, encoding="utf-8")
    page.goto(f"{streamlit_server(APP)}/Lessons")
    page.get_by_text("A lesson of your own").click()
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(file)
    page.get_by_role("button", name="Open “Tiny”").click()
    expect(page.get_by_text("The first text.")).to_be_visible()
    expect(page).not_to_have_url(re.compile("lesson="))  # it would open nothing for anybody else
    expect(page.get_by_role("spinbutton", name="Logit diagonal α")).to_have_value("7")
    expect(page.get_by_role("spinbutton", name="Learning rate η")).to_have_count(0)  # the step locks it

    # Presenting: no sidebar, larger type, and the keys of a remote control step.
    size = page.get_by_text("The first text.").evaluate("node => parseFloat(getComputedStyle(node).fontSize)")
    page.get_by_text("Present", exact=True).click()
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    larger = "p => p.textContent === 'The first text.' && parseFloat(getComputedStyle(p).fontSize) > 1.2 * size"
    page.wait_for_function(f"size => [...document.querySelectorAll('p')].some({larger})", arg=size)
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    _press(page, "PageDown", "The second text.")
    _press(page, "ArrowLeft", "The first text.")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stSidebar")).to_be_visible()

    # The reveal reaches the canvas.
    for text in ("The second text.", "What happens?"):
        page.get_by_role("button", name="Next").click()
        expect(page.get_by_text(text)).to_be_visible()
    expect(page.locator(".latent-canvas")).to_have_count(0)
    page.get_by_role("button", name="Reveal").click()
    expect(page.get_by_text("It is so.")).to_be_visible()
    canvas = _on(page)
    canvas.wait("c.computed === 2 && c.visible === 500")
    expect(page.get_by_role("spinbutton", name="Logit diagonal α")).to_have_value("9")
    # In presenter mode's absence, arrow keys are the page's own again.
    page.keyboard.press("PageDown")
    expect(page.get_by_text("The asked text.")).to_be_visible()


def _press(page: Page, key: str, shows: str) -> None:
    """Press a key until it shows this text: on a busy machine the keys are heard some time after the page is drawn."""
    for patience in (5_000, 10_000, 30_000):
        page.keyboard.press(key)
        with contextlib.suppress(AssertionError):
            expect(page.get_by_text(shows)).to_be_visible(timeout=patience)
            return
    raise AssertionError(f"{key} did not show {shows!r}")


def _on(page: Page) -> Canvas:
    """The canvas of a page that is open already."""
    canvas = Canvas.__new__(Canvas)
    canvas.page, canvas.errors = page, []
    canvas.wait("c.stats.firstDrawMs !== null")
    return canvas
