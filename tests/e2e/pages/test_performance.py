"""The performance page measures this machine on demand, shows a table, and can be stopped."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.explorer.explorer_page import APP


@pytest.mark.slow
def test_it_measures_and_can_be_stopped(page: Page, streamlit_server: Callable[[Path], str], tmp_path: Path) -> None:
    page.goto(f"{streamlit_server(APP)}/Performance")
    measure = page.get_by_role("button", name="Measure", exact=True)
    slider = page.get_by_role("slider", name="Tokens n")
    slider.press("ArrowLeft")
    expect(page.get_by_text("1\u202f000", exact=True).first).to_be_visible()
    measure.click()
    expect(page.get_by_text(re.compile(r"\d+%: 8 blocks, n = 1000"))).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_text(re.compile(r"Stopped at \d+%"))).to_be_visible()
    measure.click()
    # UMAP, the last, takes as long as all others: what was measured before it stays on the page.
    expect(page.get_by_text(re.compile(r"\d+%: UMAP, n = 1000"))).to_be_visible(timeout=180_000)
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_text(re.compile(r"Stopped at \d+%"))).to_be_visible()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    expect(page.get_by_text(re.compile(r"cores, \d+ threads"))).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as JSON").click()
    saved = tmp_path / "bench.json"
    download.value.save_as(saved)
    results = json.loads(saved.read_text())["results"]
    assert len(results) >= 5
    assert all(result["ratio"] > 0 and result["repeats"] == 5 for result in results)
    assert all(0 < result["peak_bytes"] < 150e6 and result["reference_peak_bytes"] > 0 for result in results)
