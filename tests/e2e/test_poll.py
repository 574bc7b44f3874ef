"""Fragments that wait at the same time: Streamlit folds what they ask together into one, and none may be forgotten."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

RUNS = 6

SCRIPT = Path(__file__).with_name("poll_app.py")


def test_no_fragment_is_forgotten_and_none_asks_for_ever(page: Page, streamlit_server: Callable[[Path], str]) -> None:
    sent: list[object] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    page.goto(streamlit_server(SCRIPT))
    for number in range(6):
        expect(page.get_by_text(f"fragment {number}: done")).to_be_visible(timeout=60_000)
    page.wait_for_timeout(4000)  # longer than a late answer is waited for
    asked = len(sent)
    assert asked >= RUNS - 1
    page.wait_for_timeout(4000)
    assert len(sent) == asked
