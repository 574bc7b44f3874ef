"""What tests of several modules share."""

import faulthandler
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing
from functools import partial
from multiprocessing import get_context

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from dr_transformer.bench.peaks import no_main_module
from dr_transformer.methods.umap_worker import UMAPWorker
from tests.helpers.umap_learn import layout

# Pages that AppTest runs compute in this process, where a test may replace a function; servers have one of their own.
os.environ["DR_TRANSFORMER_ENGINE"] = "threads"


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Where other work takes the cores, two threads would wait for each other; the limit is the calling thread's."""
    with threadpool_limits(1, user_api="openmp"):
        yield


@pytest.fixture(scope="session")
def worker() -> Iterator[UMAPWorker]:
    """The one UMAP process of all tests but those of its start and end, which take seconds."""
    with closing(UMAPWorker()) as shared:
        yield shared


@pytest.fixture(scope="session")
def umap_learn() -> Iterator[Callable[..., Future[np.ndarray]]]:
    """`umap_learn(X, n_epochs=60).result()` is `umap_learn.layout`, by one process that lasts, while tests go on."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=faulthandler.enable) as process:
        with no_main_module():  # AppTest puts pages there
            process.submit(abs, -1).result()
        yield partial(process.submit, layout)
