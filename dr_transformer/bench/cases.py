"""What `dr-transformer bench` measures: our fast paths, each against the plain implementation that it replaces."""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from scipy.linalg import subspace_angles
from scipy.spatial import procrustes

from dr_transformer.bench.bench import Case, Result, run_cases
from dr_transformer.bench.peaks import Side, no_main_module
from dr_transformer.config import Config
from dr_transformer.data.dataset import Dataset, load
from dr_transformer.engine.jobs import Background
from dr_transformer.hardware.devices import accelerator, float64_device
from dr_transformer.hardware.products import multiplies_bfloat16, without_bfloat16
from dr_transformer.methods.graph import knn_graph
from dr_transformer.methods.pca import pca
from dr_transformer.model import reference
from dr_transformer.model.landmarks import Landmarks, choose_landmarks
from dr_transformer.model.projection import fit_projection, float64_chunks
from dr_transformer.model.unroll import resolve_device, run_block, unroll
from dr_transformer.quality.metrics import knn_accuracy
from dr_transformer.types import Array

N_NEIGHBORS = 15


def cases(n_samples: int = 10_000) -> Iterator[Case]:
    """Return all comparisons on the first `n_samples` MNIST images, the paper's settings otherwise."""
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
    from dr_transformer.estimators.laplacian import LaplacianEigenmaps  # the app, which asks for it, need not load it

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


# The transformer's cases of the bench: eight blocks from the same first latents, ours and torch's own layer.

LANDMARKS_SHARE = 5  # one landmark for so many tokens


def transformer_cases(data: Dataset) -> Iterator[Case]:
    """Exact runs in both precisions and, where there is one, on a GPU; and landmarks against an exact run."""
    assert data.labels is not None
    labels = data.labels
    plain = Config(device="cpu", precision="float32")
    name = f"{plain.n_blocks} blocks, n = {data.n_samples}"
    first = first_latents(data.Y, plain)
    theirs = Side.of(functools.partial(plain_transformer, config=plain), first)
    exact: list[Array] = []  # float64, computed once: it takes as long as all the rest

    def errors(ours: Array, theirs: Array) -> dict[str, float]:
        if not exact:
            config = Config(device="cpu", precision="float64")
            exact.append(blocks(first_latents(data.Y, config), config=config))
        found = {"relative error": relative(ours, exact[0]), "theirs": relative(theirs, exact[0])}
        found["largest coordinate's"] = float(np.abs(ours - exact[0]).max() / np.abs(exact[0]).max())
        return found | {"5-NN accuracy, change": knn_accuracy(ours, labels) - knn_accuracy(exact[0], labels)}

    for precision in precisions("cpu"):
        ours = Side.of(functools.partial(blocks, config=Config(device="cpu", precision=precision)), first)
        yield Case(f"{name}, {precision}", ours, "torch's encoder layer, float32", theirs, errors)
    if (gpu := accelerator()) is not None:
        for precision in precisions(gpu):
            work = functools.partial(blocks, config=Config(device=gpu, precision=precision))
            ours = Side.of(work, first, gpu=True, measured=gpu == "cuda")
            yield Case(f"{name}, {precision}, GPU", ours, "torch's encoder layer, float32, CPU", theirs, errors)

    def deviation(ours: Array, theirs: Array) -> dict[str, float]:
        distance = float(procrustes(theirs, ours)[2]) ** 0.5
        return {
            "Procrustes distance": distance,
            "5-NN accuracy, change": knn_accuracy(ours, labels) - knn_accuracy(theirs, labels),
        }

    yield Case(
        f"{name}, {data.n_samples // LANDMARKS_SHARE} landmarks",
        Side.of(functools.partial(_by_a_share, config=plain), data.Y),
        "ours, exact, float32",
        Side.of(functools.partial(from_pixels, config=plain), data.Y),
        deviation,
    )


def precisions(device: str) -> tuple[str, ...]:
    """The precisions of products that are measured on a device: bfloat16 only where its processor has it."""
    return ("float32", "bfloat16") if multiplies_bfloat16(torch.device(device)) else ("float32",)


def left_out() -> str | None:
    """Say in a sentence which rows are not measured here, and why; None if all are."""
    why = without_bfloat16(torch.device("cpu"))
    return None if why is None else f"The rows of bfloat16 are left out: {why[0].lower()}{why[1:]}"


def relative(found: Array, truth: Array) -> float:
    """Error of all latents together: ‖found − truth‖ / ‖truth‖, Frobenius norms."""
    return float(np.linalg.norm(found.astype(np.float64) - truth) / np.linalg.norm(truth))


def first_latents(Y: Array, config: Config) -> Array:
    """The latents (n, q) of block 0."""
    found: Array = next(step.X for step in unroll(Y, config) if step.name == "layer_norm_0").cpu().numpy()
    return found


def blocks(first: Array, config: Config) -> Array:
    """The latents (n, q) after all blocks, from those of block 0; on a GPU the way there and back included."""
    X = torch.from_numpy(first).to(resolve_device(config, first.dtype))
    masked = torch.arange(len(X), device=X.device) if config.mask_self else None
    for _ in range(config.n_blocks):
        *_, (_, X) = run_block(X, X, config, masked)
    found: Array = X.cpu().numpy()
    return found


def from_pixels(Y: Array, config: Config) -> Array:
    """The latents (n, q) after all blocks, the projection included."""
    return blocks(first_latents(Y, config), config)


def by_landmarks(Y: Array, n_landmarks: int, config: Config) -> Array:
    """The latents (n, q) after all blocks by landmarks of the default choice, from the pixels on."""
    projection = fit_projection(Y, config)
    index = choose_landmarks(Y, n_landmarks, projection, random_state=config.random_state)
    return Landmarks.of(Y, index, config, projection).embed(Y)


def _by_a_share(Y: Array, config: Config) -> Array:
    return by_landmarks(Y, len(Y) // LANDMARKS_SHARE, config)


def plain_transformer(first: Array, config: Config) -> Array:
    """The latents (n, q) after all blocks, by torch's own layer with a dense n × n mask, in the dtype of `first`."""
    X = torch.from_numpy(first)[None]
    n = len(first)
    layer, mask = reference.layer(config, n, X.dtype), reference.mask(config, n, X.dtype)
    with torch.no_grad():
        for _ in range(config.n_blocks):
            X = layer(X, src_mask=mask)
    found: Array = X[0].numpy()
    return found


# UMAP's case of the bench. Both sides run in a process of their own: numba would hold up everybody else's threads.


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
            with no_main_module():
                self._executor.submit(abs, 0).result()
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


# The bench as a job of `jobs.Runner`, for the app.


@dataclass(eq=False)
class BenchJob(Background):
    """`results` grows while it is measured; `current` names what is measured now."""

    n_samples: int = 10_000
    results: list[Result] = field(default_factory=list)
    current: str = ""
    progress: float = 0.0

    def _work(self) -> None:
        """Begin from the start, also after a stop."""
        self.results, self.progress = [], 0.0
        for progress, said in run_cases(list(cases(self.n_samples)), self._check):
            self.progress = progress
            if isinstance(said, Result):
                self.results.append(said)
            else:
                self.current = said
        self.complete = True
