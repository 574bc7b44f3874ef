"""Is it real? `quality/replicates.py` as a job: over seeds, on the real data and on data without structure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from dr_transformer.config import BaselineConfig, Config
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.jobs import Background
from dr_transformer.errors import InputError
from dr_transformer.methods.graph import knn_graph
from dr_transformer.methods.umap import UMAPSettings
from dr_transformer.model.planes import principal_axes
from dr_transformer.quality.replicates import (
    DATA,
    Method,
    Replicate,
    Row,
    Tokens,
    default_methods,
    replicate,
    summarise,
)
from dr_transformer.types import Floats

if TYPE_CHECKING:
    from dr_transformer.methods.umap_worker import UMAPWorker


@dataclass(eq=False)
class RealityCheck(Background):
    """`replicates` grows while it is computed. A job of `jobs.Runner`; a `worker` includes UMAP."""

    PATIENT: ClassVar = True

    dataset: Dataset
    config: Config
    baselines: BaselineConfig
    n_seeds: int
    worker: UMAPWorker | None = None
    replicates: list[Replicate] = field(default_factory=list)
    progress: float = 0.0

    @property
    def seeds(self) -> range:
        """Return the seeds from the config's own on."""
        first = self.config.random_state
        return range(first, first + self.n_seeds)

    @property
    def rows(self) -> list[Row]:
        """Mean and s.d. of what there is so far."""
        return summarise(self.replicates)

    def _work(self) -> None:
        """Begin from the start, also after a stop."""
        self.replicates, self.progress = [], 0.0
        chosen, dataset = self.baselines, self.dataset
        methods = default_methods(
            self.config,
            n_neighbors=chosen.n_neighbors,
            n_components=chosen.baseline_components,
            beta=chosen.beta if chosen.scaling == "probdr" else None,
            check=self._check,
        )
        methods["transformer"] = self._transformer(methods["transformer"])
        parts = [(seed, kind) for seed in self.seeds for kind in DATA]
        for behind, (seed, kind) in enumerate(parts):
            if self.worker is not None:
                methods["UMAP"] = self._umap(self.worker, kind)
            for one in replicate(methods, dataset.Y, dataset.labels, [seed], data=[kind], check=self._check):
                self._check()
                done = (behind + one.done) / len(parts)
                self.replicates.append(replace(one, done=done))
                self.progress = done
        self.complete = True

    def _transformer(self, method: Method) -> Method:
        """The last block, and the same in as many principal components as the others have dimensions."""
        k = self.baselines.baseline_components

        def embed(Y: Tokens, random_state: int) -> dict[str, Floats]:
            found = method(Y, random_state)
            assert isinstance(found, Mapping)
            (name, X), *_ = found.items()
            reduced = {f"{name}, by PCA": (X - X.mean(axis=0)) @ principal_axes(X, k)} if k < X.shape[1] else {}
            return {name: X, **reduced}

        return embed

    def _umap(self, worker: UMAPWorker, kind: str) -> Method:
        chosen = self.baselines

        def embed(Y: Tokens, random_state: int) -> Floats:
            settings = UMAPSettings(
                n_components=chosen.baseline_components,
                n_neighbors=chosen.n_neighbors + 1,
                min_dist=chosen.min_dist,
                random_state=random_state if chosen.umap_seeded else None,
            )
            # Which rows are drawn of the data, and the null data made of them, follow from these alone.
            key = ("reality check", self.dataset.key, kind, random_state, len(Y))
            run = worker.submit(Y, knn_graph(Y, chosen.n_neighbors, check=self._check), settings, key, self)
            try:
                self._until(lambda: run.wait(0))
            finally:
                worker.release(self)
            if run.state != "done":
                raise InputError(run.error or "UMAP was stopped.")
            return run.frames[-1]

        return embed
