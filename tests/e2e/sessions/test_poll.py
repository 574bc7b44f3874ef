"""A fragment that waits asks again where its question was lost, and takes nothing along that was pressed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

SCRIPT = Path(__file__).with_name("poll_app.py")
PRESSED = Path(__file__).with_name("pressed_app.py")


@pytest.mark.slow
def test_a_lost_question_is_asked_again_and_an_answered_one_is_not(
    page: Page, streamlit_server: Callable[[Path], str]
) -> None:
    asked: list[bool] = []  # whether each question got through

    def lose_the_second(browser: WebSocketRoute) -> None:
        server = browser.connect_to_server()

        def forward(message: str | bytes) -> None:
            content = message if isinstance(message, bytes) else message.encode()
            if b"tick" not in content:
                server.send(message)
                return
            asked.append(len(asked) != 1)
            if asked[-1]:
                server.send(message)

        browser.on_message(forward)

    page.route_web_socket("**/_stcore/stream", lose_the_second)
    page.goto(streamlit_server(SCRIPT))
    expect(page.get_by_text("All runs are done")).to_be_visible()
    assert asked.count(False) == 1
    page.wait_for_timeout(4000)  # longer than an answer is waited for
    questions = len(asked)
    assert questions >= 5
    page.wait_for_timeout(4000)
    assert len(asked) == questions


LATE_TIMERS = """(() => {
  const early = window.setTimeout;
  window.setTimeout = (callback, delay, ...rest) => early(callback, delay || 80, ...rest);
})()"""


@pytest.mark.slow
def test_what_is_pressed_while_a_question_waits_to_be_sent_is_not_lost(
    page: Page, streamlit_server: Callable[[Path], str]
) -> None:
    """Streamlit sends changes that come together as one message for one fragment; here nearly all come together."""
    warnings: list[str] = []
    page.on("console", lambda message: warnings.append(message.text))
    page.add_init_script(LATE_TIMERS)
    page.goto(streamlit_server(PRESSED))
    for number in range(1, 9):
        letter = "bca"[number % 3]
        page.get_by_text(letter, exact=True).click()
        expect(page.get_by_text(f"The page shows {letter}.")).to_be_visible(timeout=5000)
        page.wait_for_timeout(430 + 37 * number)  # questions are asked again, and the next press meets another moment
        page.get_by_role("button", name="Press").click()
        expect(page.get_by_text(f"Pressed: {number}.")).to_be_visible(timeout=5000)
        page.wait_for_timeout(430 + 23 * number)
    assert not any("Multiple different fragmentIds" in warning for warning in warnings)
