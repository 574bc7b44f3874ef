"""Fixtures of the browser tests: one browser, one server per script, a fresh page per test."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect, sync_playwright

from dr_transformer.quality.sweep_cache import CACHE_VARIABLE
from tests.e2e.canvas.canvas_page import SCRIPT, Canvas, N
from tests.e2e.explorer.explorer_page import APP
from tests.helpers.servers import free_port, serve

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_MS = 30_000  # two cores are shared by server, model and a browser that draws in software
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NO_BROWSER = (
    "There is no Chromium for the browser tests: install one with `apt install chromium` (Debian, Ubuntu) or "
    "`playwright install chromium`."
)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The system's Chromium, otherwise Playwright's own; none at all is a failure, not a skip."""
    installed = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=installed, args=FLAGS)
        except Error as error:
            pytest.fail(f"{NO_BROWSER} ({error.message.splitlines()[0]})")
        yield started
        started.close()


@pytest.fixture(scope="package")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Shared by the pages of all tests, so that Streamlit's own scripts are fetched once."""
    with browser.new_context(viewport={"width": 1440, "height": 900}) as shared:
        yield shared


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    fresh = context.new_page()
    fresh.set_default_timeout(PATIENCE_MS)
    yield fresh
    fresh.close()


@pytest.fixture(scope="package")
def logged_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], tuple[str, Path]]]:
    """`logged_server(script)`: the URL of the one Streamlit server for the script, and the file with all that it says.

    The first who asks for it waits for its start. What it keeps on disk goes to a folder of its own.
    """
    started: dict[Path, tuple[str, Path]] = {}
    with ExitStack() as stack:

        def start(script: Path) -> tuple[str, Path]:
            if script not in started:
                folder = tmp_path_factory.mktemp(script.stem)
                port, log = free_port(), folder / "log"
                options = ["--server.headless=true", f"--server.port={port}", "--server.address=127.0.0.1"]
                options += ["--browser.gatherUsageStats=false", "--server.fileWatcherType=none"]
                command = [sys.executable, "-m", "streamlit", "run", str(script), *options]
                env = {**os.environ, CACHE_VARIABLE: str(folder / "cache")}
                started[script] = stack.enter_context(serve(command, port, ROOT, env, log)), log
            return started[script]

        yield start


@pytest.fixture(scope="package")
def streamlit_server(logged_server: Callable[[Path], tuple[str, Path]]) -> Callable[[Path], str]:
    """`streamlit_server(script)`: the URL of the one Streamlit server for the script."""
    return lambda script: logged_server(script)[0]


@pytest.fixture
def open_app(page: Page, streamlit_server: Callable[[Path], str]) -> Callable[..., Canvas]:
    """`open_app(alpha=12)` opens the explorer with that link, and waits until all is drawn, measured and at rest."""

    def open_it(wait_for_all: bool = True, path: str = "", **query: object) -> Canvas:
        canvas = Canvas(page, f"{streamlit_server(APP)}/{path}?{urlencode(query)}")
        if wait_for_all:
            canvas.wait(f"c.computed === {query.get('n_blocks', 8)}")
            expect(page.get_by_text(re.compile(r"tokens · \d+ blocks in"))).to_be_visible()
            expect(page.get_by_text("measuring …")).to_have_count(0)
            expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        return canvas

    return open_it


@pytest.fixture
def open_canvas(page: Page, streamlit_server: Callable[[Path], str]) -> Iterator[Callable[..., Canvas]]:
    """`open_canvas(depth=3)` opens the harness with that query; no script error may occur until the test ends."""
    opened: list[Canvas] = []

    def open_it(on: Page = page, **query: object) -> Canvas:
        text = "&".join(f"{name}={value}" for name, value in ({"n": N} | query).items())
        opened.append(Canvas(on, f"{streamlit_server(SCRIPT)}/?{text}"))
        return opened[-1]

    yield open_it
    for canvas in opened:
        assert canvas.errors == []
