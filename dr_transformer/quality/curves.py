"""What depth does to a run, in numbers: curves over blocks, and one value a token to colour by.

It follows the run in the background, block by block, and can be stopped and taken up again. Curves are measured
of every run, values to colour by when somebody colours by them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from sklearn.utils import check_random_state

from dr_transformer.config import DATASETS, Config
from dr_transformer.data.dataset import Dataset
from dr_transformer.methods.graph import knn_graph, neighbourhood_preservation
from dr_transformer.methods.graph_store import GraphStore
from dr_transformer.model.attention import attended_in_effect
from dr_transformer.quality import metrics
from dr_transformer.quality.metrics import N_NEIGHBORS
from dr_transformer.quality.scores import clusters, nmi

CURVES = {
    "accuracy": "5-NN accuracy",
    "nmi": "NMI of k-means clusters",
    "effective_rank": "effective rank",
    "mean_cosine": "mean cosine",
}


COLOURINGS = ("clusters", "neighbours", "preservation")
"""Names what a token may be coloured by besides its class; it is measured when somebody does so."""


@dataclass
class Analysis:
    """Grows while it is computed. The values a token are (blocks, n). `measured` names what is complete.

    `curves[name]` has one figure a block, None where it does not exist. `nmi` is that of `quality`, on the same tokens.
    """

    curves: dict[str, list[float | None]] = field(default_factory=lambda: {name: [] for name in CURVES})
    clusters: npt.NDArray[np.intp] | None = None  # (n,): k-means at the last block, if it can be told apart
    neighbours: list[npt.NDArray[np.floating]] = field(default_factory=list)  # effective number a token attends to
    preservation: list[npt.NDArray[np.floating]] = field(default_factory=list)  # share of pixel neighbours kept
    measured: frozenset[str] = frozenset()  # "curves", and of the `COLOURINGS` those that were wanted

    def steps(
        self,
        dataset: Dataset,
        config: Config,
        latents: list[npt.NDArray[np.floating]],
        graphs: GraphStore,
        check: Callable[[], None],
        wanted: Collection[str] = ("curves",),
    ) -> Iterator[None]:
        """Do what is not done yet of the `wanted`, "curves" and `COLOURINGS`; a piece for each `next`.

        `check` may raise to stop inside a long piece. The pixels' graph is taken from `graphs`, where others find it
        too.
        """
        pieces: dict[str, Callable[[], Iterator[None]]] = {
            "curves": lambda: self._draw_curves(dataset, config, latents),
            "clusters": lambda: self._cluster(dataset, config, latents[-1]),
            "neighbours": lambda: self._count_neighbours(config, latents, check),
            "preservation": lambda: self._compare_neighbours(dataset, latents, graphs, check),
        }
        for name, piece in pieces.items():
            if name in wanted and name not in self.measured:
                yield from piece()
                self.measured |= {name}

    def _draw_curves(self, dataset: Dataset, config: Config, latents: list[npt.NDArray[np.floating]]) -> Iterator[None]:
        for block in range(len(self.curves["mean_cosine"]), len(latents)):
            self._measure(latents[block], dataset, config)
            yield

    def _measure(self, X: npt.NDArray[np.floating], dataset: Dataset, config: Config) -> None:
        labels = dataset.labels
        with ThreadPoolExecutor(1) as beside:  # each of the two long pieces takes one core
            accuracy = None
            if labels is not None and len(labels) >= 10:
                order = np.arange(len(X))
                if dataset.name not in DATASETS:  # a user's may be sorted by class
                    order = check_random_state(config.random_state).permutation(len(X))
                accuracy = beside.submit(metrics.knn_accuracy, X[order], labels[order])
                self.curves["nmi"].append(nmi(X, labels, random_state=config.random_state))
            self.curves["effective_rank"].append(metrics.effective_rank(X))
            self.curves["mean_cosine"].append(metrics.mean_cosine(X))
            if accuracy is not None:
                self.curves["accuracy"].append(accuracy.result())

    def _cluster(self, dataset: Dataset, config: Config, X: npt.NDArray[np.floating]) -> Iterator[None]:
        n_clusters = max(2, len(dataset.class_names)) if dataset.labels is not None else 10
        self.clusters = clusters(X, min(n_clusters, len(X)), random_state=config.random_state)
        yield

    def _count_neighbours(
        self, config: Config, latents: list[npt.NDArray[np.floating]], check: Callable[[], None]
    ) -> Iterator[None]:
        for block in range(len(self.neighbours), len(latents)):
            self.neighbours.append(attention_neighbours(latents[block], config, check))
            yield

    def _compare_neighbours(
        self,
        dataset: Dataset,
        latents: list[npt.NDArray[np.floating]],
        graphs: GraphStore,
        check: Callable[[], None],
    ) -> Iterator[None]:
        n_neighbors = min(N_NEIGHBORS, len(latents[0]) - 1)
        of_pixels = graphs.get(dataset, n_neighbors, check).indices
        for block in range(len(self.preservation), len(latents)):
            found = knn_graph(latents[block], n_neighbors, check=check).indices
            self.preservation.append(neighbourhood_preservation(of_pixels, found))
            yield


def attention_neighbours(
    X: npt.NDArray[np.floating], config: Config, check: Callable[[], None]
) -> npt.NDArray[np.floating]:
    """The exp of the row entropy of A at latents X (n, q): to how many others each token in effect attends, (n,)."""
    found = attended_in_effect(
        torch.from_numpy(X), alpha=config.alpha, n_heads=config.n_heads, mask_self=config.mask_self, check=check
    )
    return found.numpy()
