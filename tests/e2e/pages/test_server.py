"""The server draws and does not compute: after a visit to every page its process has loaded torch, it has not."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from dr_transformer.ui.sidebar import GROUPS
from tests.e2e.conftest import PATIENCE_MS
from tests.e2e.explorer.explorer_page import APP
from tests.helpers.servers import free_port, serve

PROC = Path("/proc")


def processes(word: str) -> list[Path]:
    """Return those whose command line holds the word."""
    found = []
    for folder in PROC.glob("[0-9]*"):
        try:
            if word in (folder / "cmdline").read_text():
                found.append(folder)
        except OSError:  # it has ended
            continue
    return found


def parent(process: Path) -> str:
    return (process / "stat").read_text().rpartition(")")[2].split()[1]


def loaded(process: Path) -> set[str]:
    """Return which of three libraries the process has in memory."""
    return {name for name in ("libtorch", "sklearn", "matplotlib") if name in (process / "maps").read_text()}


@pytest.fixture
def url() -> Iterator[str]:
    """Serve the app for this test alone, which asks nothing of it but visits."""
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(APP), "--server.headless=true", f"--server.port={port}"]
    with serve(command, port, cwd=APP.parent) as address:
        yield address


def test_no_page_has_the_server_load_what_computes(context: BrowserContext, url: str) -> None:
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    for path in chain(*GROUPS.values()):
        address = "" if path == "app.py" else re.sub(r"^\d+_", "", Path(path).stem)
        page.goto(f"{url}/{address}?n_samples=200&n_blocks=2&n_components=8")
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        expect(page.get_by_role("heading").first).to_be_visible()
        expect(page.get_by_test_id("stException")).to_have_count(0)
    page.goto(f"{url}/?n_samples=200&n_blocks=2&n_components=8")
    expect(page.get_by_text("2 blocks in")).to_be_visible()
    page.close()
    [server] = [each for each in processes(f"--server.port={url.rpartition(':')[2]}") if not has_parent(each, url)]
    assert loaded(server) == set()
    [engine] = [each for each in processes("dr_transformer.engine.process.worker") if parent(each) == server.name]
    assert loaded(engine) >= {"libtorch", "sklearn"}


def has_parent(process: Path, url: str) -> bool:
    """Tell whether another process of the same command line started it, as a shell or a launcher would."""
    port = url.rpartition(":")[2]
    return any(parent(process) == other.name for other in processes(f"--server.port={port}") if other != process)
