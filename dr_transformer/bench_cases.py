"""What `dr-transformer bench` measures: our fast paths, each against the plain implementation that it replaces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg import subspace_angles

from dr_transformer.bench import Case
from dr_transformer.bench_transformer import transformer_cases
from dr_transformer.bench_umap import umap_case
from dr_transformer.data import Dataset, load
from dr_transformer.graph import knn_graph
from dr_transformer.laplacian import LaplacianEigenmaps
from dr_transformer.projection import float64_chunks

N_NEIGHBORS = 15

Array = npt.NDArray[Any]


def cases(n_samples: int = 10_000) -> Iterator[Case]:
    """All comparisons on the first `n_samples` MNIST images, the paper's settings otherwise."""
    data = load("mnist", n_samples)
    yield from transformer_cases(data)
    yield from _graphs(data)
    yield umap_case(data, N_NEIGHBORS)


def _graphs(data: Dataset) -> Iterator[Case]:
    from sklearn.decomposition import PCA
    from sklearn.manifold import SpectralEmbedding
    from sklearn.neighbors import NearestNeighbors

    from dr_transformer.baselines import pca

    n = data.n_samples
    pixels = np.concatenate(list(float64_chunks(data.Y))).astype(np.float32)

    def their_neighbours() -> Array:
        found: Array = NearestNeighbors(n_neighbors=N_NEIGHBORS, algorithm="brute").fit(pixels).kneighbors()[1]
        return found

    def different(ours: Array, theirs: Array) -> dict[str, float]:
        return {
            "neighbours that differ": float(np.mean([len(set(a) - set(b)) for a, b in zip(ours, theirs, strict=True)]))
        }

    yield Case(
        f"{N_NEIGHBORS}-NN graph, n = {n}",
        lambda: knn_graph(data.Y, N_NEIGHBORS).indices,
        "scikit-learn, brute force",
        their_neighbours,
        different,
    )

    def their_maps() -> Array:
        # scikit-learn counts a point among its own neighbours.
        model = SpectralEmbedding(2, affinity="nearest_neighbors", n_neighbors=N_NEIGHBORS + 1, random_state=0)
        found: Array = model.fit_transform(pixels)
        return found

    def angle(ours: Array, theirs: Array) -> dict[str, float]:
        return {
            "1 − cosine": float(1 - np.cos(subspace_angles(ours.astype(np.float64), theirs.astype(np.float64)).max()))
        }

    yield Case(
        f"Laplacian Eigenmaps, n = {n}",
        lambda: LaplacianEigenmaps(2, n_neighbors=N_NEIGHBORS).fit_transform(data.Y),
        "scikit-learn, SpectralEmbedding",
        their_maps,
        angle,
    )
    yield Case(
        f"PCA, n = {n}",
        lambda: pca(data.Y, 2, "cuda" if torch.cuda.is_available() else "cpu").scores,
        "scikit-learn, svd_solver = full",
        lambda: PCA(2, svd_solver="full").fit_transform(pixels),
        angle,
    )
