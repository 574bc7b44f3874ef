"""Laplacian Eigenmaps, UMAP and PCA of one data set, computed and measured in the background."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dr_transformer.config import BaselineConfig, Config
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.jobs import Background
from dr_transformer.errors import InputError
from dr_transformer.hardware.devices import float64_device
from dr_transformer.methods.graph import KNNGraph, knn_graph, neighbourhood_preservation
from dr_transformer.methods.graph_store import GraphStore
from dr_transformer.methods.pca import pca
from dr_transformer.methods.power_iterations import power_iterations
from dr_transformer.methods.spectrum import laplacian_eigenmaps
from dr_transformer.methods.umap import UMAPSettings, check_torchdr, frame_epochs
from dr_transformer.model.magnitude import drawable, to_one
from dr_transformer.model.projection import float64_chunks
from dr_transformer.quality.metrics import METRICS, N_NEIGHBORS
from dr_transformer.quality.scores import Quality, Reference, quality
from dr_transformer.quality.words import SUBSAMPLE, Tokens, device_deviation, laplacian_on, pca_on
from dr_transformer.types import Floats

if TYPE_CHECKING:
    from dr_transformer.methods.umap_worker import UMAPRun, UMAPWorker
from dr_transformer.engine.run import Run
from dr_transformer.model.planes import principal_axes

_FROM_ORIGIN = ("effective_rank", "mean_cosine")
_NO_ORIGIN = "where the origin of such a map lies means nothing, nor do angles seen from it"
BASELINES = {"laplacian": "Laplacian Eigenmaps", "umap": "UMAP", "pca": "PCA"}


@dataclass(eq=False)
class Baseline:
    """One method. `frames` (n, k) lead to `embedding`, which is the last of the `n_frames` planned.

    `error` is a sentence for people, as are the `notes`. `quality` and `preservation` (n,), the share of each token's
    pixel neighbours that the embedding keeps, follow.
    """

    name: str
    frames: list[Floats] = field(default_factory=list)
    frame_names: list[str] = field(default_factory=list)
    n_frames: int = 1
    embedding: Floats | None = None
    seconds: float = 0.0
    device: str = "cpu"
    notes: list[str] = field(default_factory=list)
    error: str | None = None
    quality: Quality | None = None
    preservation: npt.NDArray[np.floating] | None = None

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        return sum(frame.nbytes for frame in self.frames)


@dataclass(eq=False)
class BaselineRun(Background):
    """All baselines of a data set. A job of `jobs.Runner`; `worker` computes UMAP in its own process."""

    dataset: Dataset
    config: Config  # of which the seed, the projection that power iterations start from, and the device matter
    baselines: BaselineConfig
    graphs: GraphStore
    worker: UMAPWorker
    methods: dict[str, Baseline] = field(
        default_factory=lambda: {key: Baseline(name) for key, name in BASELINES.items()}
    )
    umap_run: UMAPRun | None = None
    compiling: bool = False  # UMAP's process, for which the layout waits
    graph: KNNGraph | None = None
    graph_seconds: float = 0.0
    reference: Reference | None = None
    referenced: threading.Event = field(default_factory=threading.Event)  # the reference is there, or an error

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        ranks = self.reference.ranks.nbytes if self.reference else 0
        return ranks + sum(method.n_bytes for method in self.methods.values())

    def work(self) -> None:
        """Do what is left to do, in the calling thread. Never raises: what went wrong is in `error`."""
        super().work()
        if self.error is not None:
            self.referenced.set()
        elif not self.complete and self.umap_run is not None:  # nobody waits any more
            self.worker.cancel(self.umap_run, self)
            self.umap_run = None

    def _work(self) -> None:
        self._find_neighbours()
        self._try("umap", self._begin_umap)
        self._try("pca", self._pca)
        self._try("laplacian", self._laplacian)
        if self.reference is None:
            seed = self.config.random_state
            self.reference = Reference.of(self.dataset.Y, self.dataset.labels, random_state=seed, check=self._check)
            self.referenced.set()
        self._measure("pca")
        self._measure("laplacian")
        self._try("umap", self._await_umap)
        self._measure("umap")
        self.complete = True

    def _try(self, name: str, compute: Callable[[Baseline], None]) -> None:
        """One method that cannot be had leaves the others alone."""
        self._check()
        method = self.methods[name]
        if method.embedding is None and method.error is None:
            try:
                compute(method)
            except InputError as error:
                method.error = str(error)

    def _find_neighbours(self) -> None:
        if self.graph is not None:
            return
        began = time.perf_counter()
        enough = min(N_NEIGHBORS, self.dataset.n_samples - 1)  # for what is measured
        try:
            k = max(self.baselines.n_neighbors, enough)
            self.graph = self.graphs.get(self.dataset, k, self._check, self.config.device)
        except InputError as error:  # more neighbours than there are tokens: PCA and the figures need none of them
            self.methods["laplacian"].error = self.methods["umap"].error = str(error)
            self.graph = self.graphs.get(self.dataset, enough, self._check, self.config.device)
        self.graph_seconds = time.perf_counter() - began

    def _near(self) -> KNNGraph:
        assert self.graph is not None
        return self.graph.first(self.baselines.n_neighbors)

    def _pca(self, method: Baseline) -> None:
        began = time.perf_counter()
        method.device = float64_device(self.config.device).type
        scores, shares = pca(self.dataset.Y, self.baselines.baseline_components, method.device)
        method.seconds = time.perf_counter() - began
        method.notes.append(f"{shares.sum():.0%} of the variance")
        if method.device != "cpu":
            self._compare_devices(method, pca_on(self.baselines.baseline_components), method.device)
        method.frames, method.frame_names, method.embedding = [drawable(scores)], [""], scores

    def _laplacian(self, method: Baseline) -> None:
        began = time.perf_counter()
        chosen, seed = self.baselines, self.config.random_state
        beta = chosen.beta if chosen.scaling == "probdr" else None
        found = laplacian_eigenmaps(self._near(), chosen.baseline_components, beta=beta, random_state=seed)
        embedding = found.embedding
        method.seconds = time.perf_counter() - began + self.graph_seconds
        method.notes += found.messages
        if (device := float64_device(self.config.device).type) != "cpu":
            embed = laplacian_on(chosen.baseline_components, chosen.n_neighbors, seed)
            self._compare_devices(method, embed, device)
        # Approached as the transformer begins, from a random projection of the pixels.
        W = np.random.RandomState(seed).normal(size=(self.dataset.Y.shape[1], chosen.baseline_components))
        pixels = np.concatenate(list(float64_chunks(self.dataset.Y)))
        start = to_one(pixels) @ W
        with suppress(InputError):  # too few directions to begin from: the result stands alone
            way = power_iterations(found, start, check=self._check)
            method.frames += list(way.frames)
            method.frame_names += [
                f"{steps} power iteration{'s' * (steps != 1)}, {np.degrees(angle):.2g}° from the eigenvectors"
                for steps, angle in zip(way.iterations, way.angles, strict=True)
            ]
        method.frames.append(embedding)
        method.frame_names.append("eigenvectors")
        method.n_frames, method.embedding = len(method.frames), embedding

    def _compare_devices(self, method: Baseline, embed: Callable[[Tokens, str], Floats], device: str) -> None:
        deviation = device_deviation(embed, self.dataset.Y, device, self.config.random_state)
        method.notes.append(f"GPU {deviation:.0e} from the CPU, on {min(SUBSAMPLE, self.dataset.n_samples)} tokens")

    def _begin_umap(self, method: Baseline) -> None:
        chosen = self.baselines
        settings = UMAPSettings(
            n_components=chosen.baseline_components,
            n_neighbors=chosen.n_neighbors + 1,  # umap-learn counts the token itself
            min_dist=chosen.min_dist,
            random_state=self.config.random_state if chosen.umap_seeded else None,
        )
        if float64_device(self.config.device).type == "cuda":
            try:
                check_torchdr()
                settings = replace(settings, backend="torchdr")
            except InputError as missing:
                method.notes.append(f"on the CPU: {missing}")
        method.n_frames = len(frame_epochs(settings.epochs(self.dataset.n_samples)))
        self.umap_run = self.worker.submit(self.dataset.Y, self._near(), settings, self.dataset.key, self)

    def _await_umap(self, method: Baseline) -> None:
        run = self.umap_run
        assert run is not None

        def ready() -> bool:
            self.follow_umap()
            return run.wait(0)

        self._until(ready)
        if run.state != "done":
            raise InputError(run.error or "it was stopped.")
        self.follow_umap()
        method.seconds, method.device = run.seconds + self.graph_seconds, run.device
        method.notes += run.notes
        method.embedding = method.frames[-1]

    def stop_umap(self) -> bool:
        """Stop the layout in the making, unless others wait for it too; whether it was stopped."""
        if self.umap_run is None or len(self.owners) > 1:
            return False
        self.methods["umap"].error = f"it was stopped at epoch {self.umap_run.epoch} of {self.umap_run.n_epochs}."
        self.worker.cancel(self.umap_run, self)
        return True

    def forget_umap(self) -> None:
        """Have UMAP computed again the next time this is submitted: after it was stopped, or has failed."""
        if not self.working and self.error is None:
            self.methods["umap"] = Baseline(BASELINES["umap"])
            self.umap_run, self.complete = None, False

    def follow_umap(self) -> None:
        """Take over the layouts that UMAP has made so far."""
        run, method = self.umap_run, self.methods["umap"]
        self.compiling = self.worker.compiling
        if run is not None:
            frames = list(run.frames)
            method.frames = list[Floats](frames)
            method.frame_names = [f"epoch {epoch} of {run.n_epochs}" for epoch in run.epochs[: len(frames)]]

    def _measure(self, name: str) -> None:
        method = self.methods[name]
        if method.embedding is None or method.preservation is not None:
            return
        assert self.reference is not None
        assert self.graph is not None
        method.quality = quality(method.embedding, self.reference, check=self._check)
        k = min(N_NEIGHBORS, self.dataset.n_samples - 1)
        found = knn_graph(method.embedding, k, check=self._check)
        method.preservation = neighbourhood_preservation(self.graph.first(k).indices, found.indices)


# Every quality figure of every block of a run, against the same reference as the baselines'.


@dataclass(eq=False)
class Measurement(Background):
    """`blocks[b]` is the quality of the latents after block b. A job of `jobs.Runner`, which waits for both runs.

    `reduced` is that of the last block in as many principal components as the baselines have dimensions: like for like.
    """

    run: Run
    baselines: BaselineRun
    blocks: list[Quality] = field(default_factory=list)
    reduced: Quality | None = None

    def _work(self) -> None:
        for event in (self.run.done, self.baselines.referenced):
            self._until(event.is_set)
        self.error = self.run.error or self.baselines.error
        if self.error is not None:
            return
        assert self.baselines.reference is not None
        for X in self.run.full.latents[len(self.blocks) :]:
            self.blocks.append(quality(X, self.baselines.reference, check=self._check))
        X = self.run.full.latents[-1]
        k = self.baselines.baselines.baseline_components
        if k < X.shape[1]:
            scores = (X - X.mean(axis=0)) @ principal_axes(X, k)
            self.reduced = quality(scores, self.baselines.reference, check=self._check)
        self.complete = True


def from_origin(method: str, found: Quality) -> Quality:
    """Return the figures that mean something: where a method has no origin, none of those that are seen from it."""
    if method == "pca":
        return found
    figures = found.figures | dict.fromkeys(_FROM_ORIGIN, None)
    return replace(found, figures=figures, missing=found.missing | dict.fromkeys(_FROM_ORIGIN, _NO_ORIGIN))


def curves(measured: Measurement, names: tuple[str, ...]) -> dict[str, list[float | None]]:
    """Return the value of each chosen figure at each block measured so far, by title."""
    return {METRICS[name].title: [found.figures[name] for found in measured.blocks] for name in names}


def levels(baselines: BaselineRun, names: tuple[str, ...]) -> Mapping[str, Mapping[str, float | None]]:
    """Return what the baselines reach in each chosen figure, by title and method."""
    found = {
        method.name: None if method.quality is None else from_origin(key, method.quality)
        for key, method in baselines.methods.items()
    }
    return {
        METRICS[name].title: {method: None if q is None else q.figures[name] for method, q in found.items()}
        for name in names
    }
