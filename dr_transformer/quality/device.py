"""How far a method's result on a GPU is from the CPU's, measured on a subsample."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from dr_transformer.methods.graph import knn_graph
from dr_transformer.methods.pca import pca
from dr_transformer.methods.spectrum import laplacian_eigenmaps
from dr_transformer.quality.metrics import subsample
from dr_transformer.types import Floats

SUBSAMPLE = 500

Tokens = npt.NDArray[np.generic]


def device_deviation(embed: Callable[[Tokens, str], Floats], Y: Tokens, device: str, random_state: int = 42) -> float:
    """Largest difference between `embed(Y, device)` and `embed(Y, "cpu")`, over the largest coordinate.

    Measured on a seeded subsample of 500 of the tokens Y (n, d). The signs of `embed` must be determined.
    """
    tokens = Y[subsample(len(Y), SUBSAMPLE, random_state)]
    here, there = embed(tokens, "cpu"), embed(tokens, device)
    return float(np.abs(there - here).max() / np.abs(here).max())


def pca_on(n_components: int) -> Callable[[Tokens, str], Floats]:
    """PCA, to be measured."""
    return lambda Y, device: pca(Y, n_components, device).scores


def laplacian_on(n_components: int, n_neighbors: int, random_state: int) -> Callable[[Tokens, str], Floats]:
    """Laplacian Eigenmaps, to be measured: the neighbours are what a GPU finds."""

    def embed(Y: Tokens, device: str) -> Floats:
        graph = knn_graph(Y, min(n_neighbors, len(Y) - 1), device=device)
        return laplacian_eigenmaps(graph, n_components, random_state=random_state).embedding

    return embed
