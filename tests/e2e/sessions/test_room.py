"""A public server has room for so many visitors; the next one waits, and comes in when one has left."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import BrowserContext, expect

SCRIPT = Path(__file__).with_name("full_app.py")


def test_who_comes_too_late_waits_until_one_has_left(
    context: BrowserContext, streamlit_server: Callable[[Path], str]
) -> None:
    url = streamlit_server(SCRIPT)
    first, second = context.new_page(), context.new_page()
    first.goto(url)
    expect(first.get_by_text("There is room.")).to_be_visible()
    second.goto(url)
    expect(second.get_by_text("all places are taken")).to_be_visible()
    expect(second.get_by_text("There is room.")).to_have_count(0)
    first.get_by_role("button", name="Again").click()  # who is in stays in
    expect(first.get_by_text("Still there.")).to_be_visible()
    first.close()
    expect(second.get_by_text("There is room.")).to_be_visible()
    second.close()
