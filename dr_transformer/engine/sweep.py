"""The phase diagram: every quality figure over a grid of α and one more parameter, η or depth.

A cell is `quality` of the last block of `unroll` with the cell's settings, on one class-balanced subset for all cells.
The best α grows with the number of tokens, so the diagram is that of the subset: `Sweep.sample` says which.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Hashable
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import sklearn
import torch

from dr_transformer import __version__
from dr_transformer.config import Config
from dr_transformer.data.dataset import Dataset, draw
from dr_transformer.engine.jobs import Background
from dr_transformer.errors import InputError
from dr_transformer.model.projection import Projection, fit_projection
from dr_transformer.model.unroll import resolve_device, unroll
from dr_transformer.quality.metrics import METRICS
from dr_transformer.quality.scores import SUBSAMPLE, Quality, Reference, quality
from dr_transformer.quality.sweep_cache import SweepCache
from dr_transformer.quality.sweep_grid import STRIDES, Cell, Grid

SOURCES = (
    *("data/dataset", "data/mnist"),  # which tokens
    *(
        f"data/reading/{name}"
        for name in ("files", "apart", "rows", "columns", "text", "columnar", "arrays", "cells", "pictures")
    ),
    *("hardware/devices", "hardware/products", "model/magnitude", "model/projection"),  # what is done to them,
    *("model/kernels", "model/cuda", "model/attention", "model/unroll"),  # block by block
    *(
        "methods/graph",
        "methods/nearest",
        "quality/metrics",
        "quality/scores",
        "engine/sweep",
    ),  # how it is measured
)
"""The modules of the package that a cell's figures follow from, besides its settings."""


@functools.cache
def source_digest() -> str:
    """SHA-256 over the source of `SOURCES`: figures that other code computed are not these."""
    digest = hashlib.sha256()
    for name in SOURCES:
        source = files("dr_transformer").joinpath(f"{name}.py").read_bytes()
        digest.update(f"{name} {len(source)}\n".encode())
        digest.update(source)
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Return those of the package and of the libraries that compute a cell, and the digest of the package's source."""
    return {
        "dr_transformer": __version__,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
        "source": source_digest(),
    }


@dataclass(eq=False)
class Sweep(Background):
    """The phase diagram in the making. A job of `jobs.Runner`, under `key`.

    `figures`: metric → (rows, columns), NaN where there is none (yet). `done` (rows, columns): which cells were tried.
    `reasons`: cell → metric → why there is no figure, a clause or sentence. The swept values of `config` are not used.
    `cache` None keeps nothing on disk. With `recall_only` nothing is computed: it is complete once the disk was read.
    """

    PATIENT: ClassVar = True

    dataset: Dataset
    config: Config
    grid: Grid
    n_samples: int = SUBSAMPLE
    cache: SweepCache | None = field(default_factory=SweepCache)
    recall_only: bool = False
    figures: dict[str, npt.NDArray[np.float64]] = field(init=False)
    done: npt.NDArray[np.bool_] = field(init=False)
    reasons: dict[Cell, dict[str, str]] = field(default_factory=dict)
    n_cached: int = 0  # cells that were read from disk

    def __post_init__(self) -> None:
        self.figures = {name: np.full(self.grid.shape, np.nan) for name in METRICS}
        self.done = np.zeros(self.grid.shape, bool)
        self.n_samples = min(self.n_samples, self.dataset.n_samples)

    @property
    def key(self) -> Hashable:
        """Equal for equal sweeps: what of the config is swept does not count."""
        settings = self.config.to_dict()
        fixed = tuple((name, value) for name, value in settings.items() if name not in ("alpha", self.grid.column))
        return "sweep", self.dataset.key, fixed, self.grid, self.n_samples

    @property
    def progress(self) -> float:
        """0 … 1: the share of cells that were tried."""
        return float(self.done.mean())

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        return self.done.nbytes + sum(values.nbytes for values in self.figures.values())

    @property
    def sample(self) -> str:
        """Say on which tokens it is computed."""
        n, total = self.n_samples, self.dataset.n_samples
        if n == total:
            return f"all {n} tokens"
        balanced = "a class-balanced subset" if self.dataset.labels is not None else "a subset"
        return f"{n} of {total} tokens, {balanced} drawn with seed {self.config.random_state}"

    def preview(self, metric: str) -> npt.NDArray[np.float64]:
        """`figures[metric]`, (rows, columns), where a cell not tried yet shows that of the coarse cell it lies in."""
        shown = self.figures[metric].copy()
        for row, column in zip(*np.nonzero(~self.done), strict=True):
            for stride in STRIDES[::-1]:
                coarse = row // stride * stride, column // stride * stride
                if self.done[coarse]:
                    shown[row, column] = self.figures[metric][coarse]
                    break
        return shown

    def _work(self) -> None:
        left = [cell for cell in self.grid.coarse_first() if not self.done[cell]]
        left = [cell for cell in left if not self._recall(cell)]
        if left and not self.recall_only:
            self._compute(left)
        self.complete = True

    def _recall(self, cell: Cell) -> bool:
        """Tell whether the cell needs no computing: it has no transformer, or the disk has its figures."""
        self._check()
        try:
            config = self.grid.config(self.config, cell)
        except InputError as error:
            self.reasons[cell] = dict.fromkeys(METRICS, str(error))
            self.done[cell] = True
            return True
        found = self.cache.get(self._settings(config)) if self.cache else None
        if found is None:
            return False
        self.n_cached += 1
        self._enter(cell, found)
        return True

    def _compute(self, cells: list[Cell]) -> None:
        dataset, seed = self.dataset, self.config.random_state
        rows = draw(dataset.n_samples, dataset.labels, self.n_samples, seed)
        Y, labels = dataset.Y[rows], None if dataset.labels is None else dataset.labels[rows]
        projection = fit_projection(Y, self.config)  # it depends on nothing that is swept
        projection(Y)  # what is wrong with the data is wrong in every cell
        reference = Reference.of(Y, labels, n_samples=SUBSAMPLE, random_state=seed, check=self._check)
        for cell in cells:
            if not self.done[cell]:
                self._run(cell, cells, Y, projection, reference)

    def _run(
        self, cell: Cell, cells: list[Cell], Y: npt.NDArray[np.generic], projection: Projection, reference: Reference
    ) -> None:
        """Fill the cell; in a sweep over depth, with the same run, those that it passes through and are as coarse."""
        config = self.grid.config(self.config, cell)
        wanted = {config.n_blocks: cell}
        if self.grid.column == "n_blocks":
            wanted = {int(self.grid.values[c[1]]): c for c in self._as_coarse(cell, cells)}
            config = self.grid.config(self.config, wanted[max(wanted)])
        for step in unroll(Y, config, projection, self._check):
            self._check()
            if step.ends_block and step.block in wanted:
                measured = quality(step.X.cpu().numpy(), reference, check=self._check)
                here = wanted[step.block]
                if self.cache:
                    self.cache.put(self._settings(self.grid.config(self.config, here)), measured)
                self._enter(here, measured)

    def _as_coarse(self, cell: Cell, cells: list[Cell]) -> list[Cell]:
        """Return those of the cells left in this row that `coarse_first` has in one go with this one."""

        def stride(c: Cell) -> int:
            return next(s for s in STRIDES if c[0] % s == c[1] % s == 0)

        return [c for c in cells if c[0] == cell[0] and stride(c) == stride(cell) and not self.done[c]]

    def _enter(self, cell: Cell, measured: Quality) -> None:
        for name, value in measured.figures.items():
            self.figures[name][cell] = np.nan if value is None else value
        if measured.missing:
            self.reasons[cell] = measured.missing
        self.done[cell] = True

    def _settings(self, config: Config) -> dict[str, Any]:
        """Return what a cell's figures follow from. Sweeps of either kind share their common cells."""
        settings = config.to_dict() | {"device": resolve_device(config, self.dataset.Y.dtype).type}
        return {
            "versions": versions(),
            "dataset": self.dataset.key,
            "n_samples": self.n_samples,
            "reference": [SUBSAMPLE, config.random_state],
            "config": settings,
        }
