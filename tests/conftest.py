"""What tests of several modules share."""

from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Where other work takes the cores, two threads would wait for each other; the limit is the calling thread's."""
    with threadpool_limits(1, user_api="openmp"):
        yield
