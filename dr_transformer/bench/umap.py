"""UMAP's case of the bench. Both sides run in a process of their own: numba would hold up everybody else's threads."""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

from dr_transformer.bench.bench import Case
from dr_transformer.bench.peaks import Side
from dr_transformer.data.dataset import Dataset
from dr_transformer.quality.metrics import knn_accuracy
from dr_transformer.types import Array


def umap_case(data: Dataset, n_neighbors: int) -> Case:
    """Ours, with the exact kNN graph and the seed, against umap-learn by itself with the same seed."""
    assert data.labels is not None
    labels, pool = data.labels, _Pool()

    def accuracies(ours: Array, theirs: Array) -> dict[str, float]:
        return {"5-NN accuracy": knn_accuracy(ours, labels), "theirs": knn_accuracy(theirs, labels)}

    return Case(
        f"UMAP, n = {data.n_samples}",
        Side.of(functools.partial(pool, _ours, n_neighbors), data.Y, measured=False),
        "umap-learn",
        Side.of(functools.partial(pool, _theirs, n_neighbors), data.Y, measured=False),
        accuracies,
        close=pool.close,
    )


class _Pool:
    """One process, started when it is first needed."""

    def __init__(self) -> None:
        self._executor: ProcessPoolExecutor | None = None

    def __call__(self, work: Callable[..., Array], *arguments: Any) -> Array:
        if self._executor is None:
            self._executor = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        return self._executor.submit(work, *arguments).result()

    def close(self) -> None:
        if self._executor is not None:
            self._executor.shutdown()


def _ours(n_neighbors: int, Y: Array) -> Array:
    from dr_transformer.methods.graph import knn_graph
    from dr_transformer.methods.umap import UMAPSettings, fit

    settings = UMAPSettings(n_neighbors=n_neighbors, random_state=42)
    near = knn_graph(Y, n_neighbors - 1)
    layouts: list[Array] = []

    def watch(_epoch: int, layout: Array) -> None:
        layouts[:] = [layout]

    fit(settings, Y, near.indices.astype(np.int32), near.distances, watch, lambda _sentence: None)
    return layouts[0]


def _theirs(n_neighbors: int, Y: Array) -> Array:
    import warnings

    import umap

    pixels = Y.astype(np.float32) / np.float32(255)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a seed means one thread, each time
        found: Array = umap.UMAP(n_neighbors=n_neighbors, random_state=42).fit_transform(pixels)
    return found
