"""What depth does to a run, in numbers: curves over blocks, and one value a token to colour by.

Slower than the run itself, so it follows it in the background, block by block, and can be stopped and taken up again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from sklearn.utils import check_random_state

from dr_transformer.config import DATASETS, Config
from dr_transformer.data.dataset import Dataset
from dr_transformer.methods.graph import knn_graph, neighbourhood_preservation
from dr_transformer.methods.graph_store import GraphStore
from dr_transformer.model.attention import attention_rows, effective_neighbours
from dr_transformer.quality import metrics
from dr_transformer.quality.metrics import N_NEIGHBORS
from dr_transformer.quality.scores import clusters, nmi

_ROWS = 256

CURVES = {
    "accuracy": "5-NN accuracy",
    "nmi": "NMI of k-means clusters",
    "effective_rank": "effective rank",
    "mean_cosine": "mean cosine",
}


@dataclass
class Analysis:
    """Grows while it is computed. The values a token are (blocks, n).

    `curves[name]` has one figure a block, None where it does not exist. `nmi` is that of `quality`, on the same tokens.
    """

    curves: dict[str, list[float | None]] = field(default_factory=lambda: {name: [] for name in CURVES})
    clusters: npt.NDArray[np.intp] | None = None  # (n,): k-means at the last block, if it can be told apart
    neighbours: list[npt.NDArray[np.floating]] = field(default_factory=list)  # effective number a token attends to
    preservation: list[npt.NDArray[np.floating]] = field(default_factory=list)  # share of pixel neighbours kept
    pixel_graph: npt.NDArray[np.intp] | None = None
    complete: bool = False

    def steps(
        self,
        dataset: Dataset,
        config: Config,
        latents: list[npt.NDArray[np.floating]],
        graphs: GraphStore,
        check: Callable[[], None],
    ) -> Iterator[None]:
        """Do what is not done yet, a piece for each `next`. `check` may raise to stop inside a long piece.

        The pixels' graph is taken from `graphs`, where others find it too.
        """
        for block in range(len(self.curves["mean_cosine"]), len(latents)):
            self._measure(latents[block], dataset, config)
            yield
        if self.clusters is None:
            n_clusters = max(2, len(dataset.class_names)) if dataset.labels is not None else 10
            n_clusters = min(n_clusters, len(latents[-1]))
            self.clusters = clusters(latents[-1], n_clusters, random_state=config.random_state)
            yield
        for block in range(len(self.neighbours), len(latents)):
            self.neighbours.append(attention_neighbours(latents[block], config, check))
            yield
        n_neighbors = min(N_NEIGHBORS, len(latents[0]) - 1)
        if self.pixel_graph is None:
            self.pixel_graph = graphs.get(dataset, n_neighbors, check).indices
            yield
        for block in range(len(self.preservation), len(latents)):
            found = knn_graph(latents[block], n_neighbors, check=check).indices
            self.preservation.append(neighbourhood_preservation(self.pixel_graph, found))
            yield
        self.complete = True

    def _measure(self, X: npt.NDArray[np.floating], dataset: Dataset, config: Config) -> None:
        labels = dataset.labels
        if labels is not None and len(labels) >= 10:
            order = np.arange(len(X))
            if dataset.name not in DATASETS:  # a user's rows may be sorted by class, which leaves some to score alone
                order = check_random_state(config.random_state).permutation(len(X))
            self.curves["accuracy"].append(metrics.knn_accuracy(X[order], labels[order]))
            self.curves["nmi"].append(nmi(X, labels, random_state=config.random_state))
        self.curves["effective_rank"].append(metrics.effective_rank(X))
        self.curves["mean_cosine"].append(metrics.mean_cosine(X))


def attention_neighbours(
    X: npt.NDArray[np.floating], config: Config, check: Callable[[], None]
) -> npt.NDArray[np.floating]:
    """The exp of the row entropy of A at latents X (n, q): to how many others each token in effect attends, (n,)."""
    latents = torch.from_numpy(X)
    found = []
    for start in range(0, len(X), _ROWS):
        check()
        rows = torch.arange(start, min(start + _ROWS, len(X)))
        A = attention_rows(latents, rows, alpha=config.alpha, n_heads=config.n_heads, mask_self=config.mask_self)
        found.append(effective_neighbours(A))
    return torch.cat(found).numpy()
