"""One kNN graph of each data set's pixels, computed once and shared by all who need it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from dr_transformer.data.dataset import Dataset
from dr_transformer.hardware.devices import float64_device
from dr_transformer.methods.approximate import shared_graph
from dr_transformer.methods.graph import KNNGraph

N_NEIGHBORS = 30  # found at least: what most ask for, at hardly more cost than the first ten


@dataclass(eq=False)
class _Entry:
    graph: KNNGraph | None = None
    device: str = ""
    making: threading.Lock = field(default_factory=threading.Lock)


class GraphStore:
    """Graphs by `Dataset.key`; over `max_bytes`, the longest unused are forgotten. Safe to use from several threads."""

    def __init__(self, max_bytes: int = 256 * 2**20) -> None:
        self._max_bytes = max_bytes
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def get(
        self, dataset: Dataset, n_neighbors: int, check: Callable[[], None] | None = None, device: str = "auto"
    ) -> KNNGraph:
        """The graph of the `n_neighbors` nearest, exact up to a size. Who asks while it is made waits for it.

        `check` may raise to stop computing or waiting. `device` is a config's; whatever it is, a graph that is there is
        taken. Raises `InputError` as `knn_graph` does.
        """
        with self._lock:
            entry = self._entries.setdefault(dataset.key, _Entry())
            self._entries.move_to_end(dataset.key)
        while not entry.making.acquire(timeout=0.1):
            if check:
                check()
        try:
            if entry.graph is None or entry.graph.n_neighbors < n_neighbors:
                count = max(n_neighbors, min(N_NEIGHBORS, dataset.n_samples - 1))
                entry.device = float64_device(device).type
                entry.graph = shared_graph(dataset.Y, count, device=entry.device, check=check)
            graph = entry.graph
        finally:
            entry.making.release()
        self._trim()
        return graph.first(n_neighbors)

    def _trim(self) -> None:
        with self._lock:
            sizes = {key: _n_bytes(entry.graph) for key, entry in self._entries.items()}
            for key in list(self._entries)[:-1]:
                if sum(sizes.values()) <= self._max_bytes:
                    break
                del self._entries[key]
                del sizes[key]


def _n_bytes(graph: KNNGraph | None) -> int:
    return 0 if graph is None else graph.indices.nbytes + graph.distances.nbytes
