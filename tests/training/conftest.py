"""What all tests of training share."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def _in_one_thread(one_thread: None) -> None:
    """Models this small take many times as long in two threads, which wait for each other at every product."""
