"""What a closed or reloaded tab waited for stops; a connection that is lost for a moment interrupts nothing."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, WebSocketRoute, expect

from dr_transformer.engine.jobs import PATIENCE

SCRIPT = Path(__file__).with_name("ended_app.py")
SOON_MS = 1000 * (PATIENCE + 15)  # what it may take, and patience with the machine


@pytest.fixture
def watcher(context: BrowserContext, streamlit_server: Callable[[Path], str]) -> Iterator[Page]:
    """A tab that shows the state of all work."""
    page = context.new_page()
    page.goto(streamlit_server(SCRIPT))
    yield page
    page.close()


@pytest.mark.slow
def test_a_closed_tab_stops_its_work(
    watcher: Page, context: BrowserContext, streamlit_server: Callable[[Path], str]
) -> None:
    tab = context.new_page()
    tab.goto(f"{streamlit_server(SCRIPT)}?work=closed")
    expect(watcher.get_by_text("closed: works, begun 1, owners 1")).to_be_visible()
    began = time.perf_counter()
    tab.close()
    expect(watcher.get_by_text("closed: rests, begun 1, owners 0")).to_be_visible(timeout=SOON_MS)
    logging.getLogger(__name__).info("stopped %.1f s after the tab was closed", time.perf_counter() - began)


@pytest.mark.slow
def test_a_reloaded_tab_is_one_owner_and_not_two(
    watcher: Page, page: Page, streamlit_server: Callable[[Path], str]
) -> None:
    page.goto(f"{streamlit_server(SCRIPT)}?work=before")
    expect(watcher.get_by_text("before: works, begun 1, owners 1")).to_be_visible()
    page.reload()
    expect(page.get_by_text("This is before")).to_be_visible()
    expect(watcher.get_by_text(re.compile(r"before: works, begun \d, owners 1"))).to_be_visible(timeout=SOON_MS)
    page.goto(f"{streamlit_server(SCRIPT)}?work=after")  # other settings, in another session
    expect(watcher.get_by_text("after: works, begun 1, owners 1")).to_be_visible()
    expect(watcher.get_by_text(re.compile("before: rests, .* owners 0"))).to_be_visible(timeout=SOON_MS)
    expect(watcher.get_by_text("after: works, begun 1, owners 1")).to_be_visible()


@pytest.mark.slow
def test_a_connection_lost_for_a_moment_interrupts_nothing(
    watcher: Page, page: Page, streamlit_server: Callable[[Path], str]
) -> None:
    routes: list[WebSocketRoute] = []
    servers: list[WebSocketRoute] = []

    def note(route: WebSocketRoute) -> None:
        routes.append(route)
        servers.append(route.connect_to_server())

    page.route_web_socket("**/_stcore/stream", note)
    page.goto(f"{streamlit_server(SCRIPT)}?work=kept")
    expect(watcher.get_by_text("kept: works, begun 1, owners 1")).to_be_visible()
    servers[0].close(code=3000)
    routes[0].close(code=3000)
    deadline = time.monotonic() + 30
    while len(routes) < 2:  # the browser renews it
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)
    watcher.wait_for_timeout(1000 * (PATIENCE + 2))
    expect(watcher.get_by_text("kept: works, begun 1, owners 1")).to_be_visible()
