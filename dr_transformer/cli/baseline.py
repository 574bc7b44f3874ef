"""One baseline by itself, for the terminal: by the app's own job, without the other methods and their quality."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from dr_transformer.config import BaselineConfig, Config
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.baselines import BASELINES, BaselineRun
from dr_transformer.errors import InputError
from dr_transformer.methods.graph_store import GraphStore
from dr_transformer.methods.umap_worker import UMAPWorker
from dr_transformer.types import Floats


@dataclass(eq=False)
class BaselineAlone(BaselineRun):
    """A `BaselineRun` that computes the method `only`, and measures nothing."""

    only: str = "pca"

    def _work(self) -> None:
        if self.only == "pca":
            self._try("pca", self._pca)
        else:
            self._find_neighbours()
        if self.only == "laplacian":
            self._try("laplacian", self._laplacian)
        if self.only == "umap":
            self._try("umap", self._begin_umap)
            self._try("umap", self._await_umap)
        self.complete = True


def baseline_alone(
    dataset: Dataset, config: Config, baselines: BaselineConfig, method: str, say: Callable[[str], None]
) -> Floats:
    """The embedding (n, k) by "laplacian", "umap" or "pca", as the app computes it; `say` is told what is unusual.

    Of `config` the seed and the device matter. Raises `InputError` for a method that cannot be had of these tokens.
    """
    if method == "umap":
        say("UMAP is started; the first time it compiles, which can take half a minute …")
    with closing(UMAPWorker()) as worker:
        run = BaselineAlone(dataset, config, baselines, GraphStore(), worker, only=method)
        run.owners.add("embed")
        run.work()
    if run.error is not None:
        raise InputError(run.error)
    found = run.methods[method]
    if found.embedding is None:
        raise InputError(f"{BASELINES[method]} is missing: {found.error}")
    for note in found.notes:
        say(f"{BASELINES[method]}: {note}")
    return found.embedding
