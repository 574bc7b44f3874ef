"""Fixtures of the browser tests: one browser, one server per script, a fresh page per test."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
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


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, otherwise Playwright's own; none at all is a failure, not a skip."""
    installed = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=installed, args=FLAGS)
        except Error as error:
            pytest.fail(f"{NO_BROWSER} ({error.message.splitlines()[0]})")
        yield started
        started.close()


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Shared by the pages of all tests, so that Streamlit's own scripts are fetched once."""
    with browser.new_context(viewport={"width": 1440, "height": 900}) as shared:
        yield shared


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    fresh = context.new_page()
    fresh.set_default_timeout(20_000)
    yield fresh
    fresh.close()


@pytest.fixture(scope="session")
def streamlit_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], str]]:
    """`streamlit_server(script)` starts a Streamlit server for the script, or finds the one started before; its URL."""
    started: dict[Path, tuple[subprocess.Popen[bytes], str]] = {}
    logs = tmp_path_factory.mktemp("streamlit")

    def start(script: Path) -> str:
        if script not in started:
            port = _free_port()
            log = logs / f"{script.stem}.log"
            options = ["--server.headless=true", f"--server.port={port}", "--server.address=127.0.0.1"]
            options += ["--browser.gatherUsageStats=false", "--server.fileWatcherType=none"]
            command = [sys.executable, "-m", "streamlit", "run", str(script), *options]
            with log.open("wb") as output:
                process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
            started[script] = process, f"http://127.0.0.1:{port}"
            _wait_until_healthy(process, started[script][1], log)
        return started[script][1]

    yield start
    for process, _ in started.values():
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_healthy(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    pytest.fail(f"Streamlit did not start:\n{log.read_text()[-4000:]}")
