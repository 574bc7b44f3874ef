"""What `dr-transformer bench` measures: our fast paths, each against the plain implementation that it replaces."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
from scipy.linalg import subspace_angles

from dr_transformer.bench.bench import Case
from dr_transformer.bench.peaks import Side
from dr_transformer.bench.transformer import transformer_cases
from dr_transformer.bench.umap import umap_case
from dr_transformer.data.dataset import Dataset, load
from dr_transformer.estimators.laplacian import LaplacianEigenmaps
from dr_transformer.hardware.devices import float64_device
from dr_transformer.methods.graph import knn_graph
from dr_transformer.methods.pca import pca
from dr_transformer.model.projection import float64_chunks
from dr_transformer.types import Array

N_NEIGHBORS = 15


def cases(n_samples: int = 10_000) -> Iterator[Case]:
    """All comparisons on the first `n_samples` MNIST images, the paper's settings otherwise."""
    data = load("mnist", n_samples)
    yield from transformer_cases(data)
    yield from _graphs(data)
    yield umap_case(data, N_NEIGHBORS)


def _graphs(data: Dataset) -> Iterator[Case]:
    n = data.n_samples
    pixels = np.concatenate(list(float64_chunks(data.Y))).astype(np.float32)

    def different(ours: Array, theirs: Array) -> dict[str, float]:
        return {
            "neighbours that differ": float(np.mean([len(set(a) - set(b)) for a, b in zip(ours, theirs, strict=True)]))
        }

    yield Case(
        f"{N_NEIGHBORS}-NN graph, n = {n}",
        Side.of(_our_neighbours, data.Y),
        "scikit-learn, brute force",
        Side.of(_their_neighbours, pixels),
        different,
    )

    def angle(ours: Array, theirs: Array) -> dict[str, float]:
        return {
            "1 − cosine": float(1 - np.cos(subspace_angles(ours.astype(np.float64), theirs.astype(np.float64)).max()))
        }

    yield Case(
        f"Laplacian Eigenmaps, n = {n}",
        Side.of(_our_maps, data.Y),
        "scikit-learn, SpectralEmbedding",
        Side.of(_their_maps, pixels),
        angle,
    )
    device = float64_device("auto").type
    yield Case(
        f"PCA, n = {n}",
        Side.of(functools.partial(_our_scores, device=device), data.Y, gpu=device == "cuda"),
        "scikit-learn, svd_solver = full",
        Side.of(_their_scores, pixels),
        angle,
    )


def _our_neighbours(Y: Array) -> Array:
    return knn_graph(Y, N_NEIGHBORS).indices


def _their_neighbours(pixels: Array) -> Array:
    from sklearn.neighbors import NearestNeighbors

    found: Array = NearestNeighbors(n_neighbors=N_NEIGHBORS, algorithm="brute").fit(pixels).kneighbors()[1]
    return found


def _our_maps(Y: Array) -> Array:
    return LaplacianEigenmaps(2, n_neighbors=N_NEIGHBORS).fit_transform(Y)


def _their_maps(pixels: Array) -> Array:
    from sklearn.manifold import SpectralEmbedding

    # scikit-learn counts a point among its own neighbours.
    model = SpectralEmbedding(2, affinity="nearest_neighbors", n_neighbors=N_NEIGHBORS + 1, random_state=0)
    found: Array = model.fit_transform(pixels)
    return found


def _our_scores(Y: Array, device: str) -> Array:
    return pca(Y, 2, device).scores


def _their_scores(pixels: Array) -> Array:
    from sklearn.decomposition import PCA

    found: Array = PCA(2, svd_solver="full").fit_transform(pixels)
    return found
