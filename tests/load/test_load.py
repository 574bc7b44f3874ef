"""Several visitors of one server: each sees its own picture, whole and right, and nobody stops the others."""

import asyncio

import pytest

from tests.load.drive import as_computed, beside_heavy, drive, server

pytestmark = pytest.mark.slow


def test_each_visitor_sees_the_picture_of_its_own_settings() -> None:
    """Of twelve who move sliders, change pages and leave; no page is blank, and none says an error."""
    with server() as (url, pid):
        found = asyncio.run(drive(url, pid, visitors=12, seconds=15, n_samples=300, random_state=1))
    assert found.problems == []
    assert found.n_visits >= 12
    assert len(found.shown) >= 12
    assert len({str(shown.query) for shown in found.shown}) == len(found.shown)  # nothing was there before
    for shown in found.shown:
        assert as_computed(shown) < 2  # steps of the screen's own quantisation


def test_heavy_links_of_others_do_not_stretch_a_new_picture() -> None:
    """Sharing alike, it would take five times as long beside four of them, and far longer one after another."""
    with server() as (url, _):
        alone, beside = asyncio.run(beside_heavy(url, 4, {"n_samples": "3000"}))
    assert beside < 3 * alone + 2
