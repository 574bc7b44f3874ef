"""A fragment that waits asks again where its question was lost: Streamlit folds those that are asked together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, WebSocketRoute, expect

SCRIPT = Path(__file__).with_name("poll_app.py")


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
