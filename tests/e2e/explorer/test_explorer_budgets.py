"""What the explorer may cost: bytes, frames and memory, which are the same on every machine; seconds are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.e2e.explorer import measure
from tests.e2e.explorer.explorer_page import APP

N, BLOCKS = 2000, 4
FRAMES = 1 + 1 + 4 * BLOCKS  # of both panels


@pytest.mark.slow
def test_load_reruns_and_frames(page: Page, streamlit_server: Callable[[Path], str]) -> None:
    traffic = measure.Traffic(page)
    canvas, _ = measure.opened(page, f"{streamlit_server(APP)}/?n_samples={N}&n_blocks={BLOCKS}&n_components=16")
    measure.all_is_there(canvas, N)
    assert canvas.get("c.frames") == [1, FRAMES - 1]
    loaded = traffic.by_kind
    assert traffic.received == loaded.total()
    # The frames come again with each block that is waited for, each with a mask and codes, and the code of the canvas.
    message = FRAMES * N * 4
    assert message < canvas.get("c.bytes") < 1.3 * message
    assert message < loaded["frames"] < 30 * message
    assert 0 < loaded["images"] < N * 28 * 28 / 2  # compressed, and sent once
    rest = loaded.total() - loaded["frames"] - loaded["images"]
    assert rest < 3e6, loaded

    moved = measure.rerun_of_the_picture(canvas, traffic, 2)
    assert 0 < moved.total() < 10_000, moved
    assert moved["frames"] == moved["images"] == 0
    again = measure.rerun_of_the_page(canvas, traffic)
    assert 0 < again.total() < 50_000, again
    assert again["frames"] == again["images"] == 0

    assert measure.drag_depth(canvas, 2) > 0
    assert canvas.get("c.depth") < BLOCKS
    assert canvas.errors == []


@pytest.mark.slow
def test_changes_leave_no_memory_behind(page: Page, streamlit_server: Callable[[Path], str]) -> None:
    """Each change brings a quarter of a megabyte of frames, of which none may stay when the next ones come."""
    link = f"{streamlit_server(APP)}/?n_samples=1000&n_blocks=16&n_components=8"
    canvas, _ = measure.opened(page, link)
    measure.all_is_there(canvas, 1000)
    sizes, used = [], set[float]()
    for number in range(15):
        change = measure.change_alpha(canvas, 1000, used)
        assert change.first <= change.all_tokens
        if number in (2, 14):  # the first ones fill what the browser keeps anyway
            measure.all_is_there(canvas, 1000)
            sizes.append(measure.heap(page))
    a_change = canvas.get("c.bytes") / 2**20
    assert a_change > 0.25
    assert sizes[0].arrays > a_change
    assert sizes[1].arrays - sizes[0].arrays < 3 * a_change, sizes
    assert sizes[1].objects - sizes[0].objects < 6, sizes
    assert used == set(range(30, 46))  # each value was new
