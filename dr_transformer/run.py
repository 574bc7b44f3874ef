"""One run of the model for people who watch: a quick preview, then the latents block by block, then the analysis."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from dr_transformer.analysis import Analysis
from dr_transformer.attention import attention_rows, effective_neighbours
from dr_transformer.config import Config
from dr_transformer.data import Dataset, balanced_subset
from dr_transformer.errors import InputError
from dr_transformer.metrics import subsample
from dr_transformer.model import Step, unroll

PREVIEW = 2000  # tokens of the preview; a run of fewer than twice as many has none
_SUBSAMPLE = 500  # tokens on which the error of the precision is measured

Array = npt.NDArray[np.floating]


class Cancelled(Exception):  # noqa: N818 - it is no error
    """Nobody waits for this any more."""


@dataclass
class Trajectory:
    """`latents` grows by one (n, q) array a block; `start` is Y W_proj (n, q)."""

    start: Array | None = None
    latents: list[Array] = field(default_factory=list)

    def take(self, step: Step) -> None:
        """Keep what is drawn of the steps of `unroll`."""
        if step.name == "projection":
            self.start = step.X.cpu().numpy()
        elif step.ends_block:
            self.latents.append(step.X.cpu().numpy())

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        return sum(X.nbytes for X in self.latents)


@dataclass
class Run:
    """A trajectory in the making. `error` is a sentence for people. Owners are whoever waits for it."""

    dataset: Dataset
    config: Config
    full: Trajectory = field(default_factory=Trajectory)
    preview: Trajectory | None = None  # of the tokens `preview_index` alone, as if they were all
    preview_index: npt.NDArray[np.intp] | None = None
    analysis: Analysis = field(default_factory=Analysis)
    neighbours: float | None = None  # median effective number of tokens attended to, at the last block
    device: str = ""
    deviation: float | None = None  # of the last block from float64, relative, on a subsample
    seconds: float = 0.0
    error: str | None = None
    begun: threading.Event = field(default_factory=threading.Event)  # there is something to draw, or an error
    done: threading.Event = field(default_factory=threading.Event)  # the latents are all there, or an error
    owners: set[Hashable] = field(default_factory=set)
    working: bool = False  # a thread is at it; set and read under the runner's lock

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        return self.full.n_bytes + (self.preview.n_bytes if self.preview else 0)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.error is not None or self.analysis.complete

    def work(self) -> None:
        """Do what is left to do, in the calling thread. Never raises: what went wrong is in `error`."""
        try:
            if not self.done.is_set():
                self._make_preview()
                self._unroll()
            for _ in self.analysis.steps(self.dataset, self.config, self.full.latents, self._check):
                self._check()
        except Cancelled:
            return
        except InputError as error:
            self.error = str(error)
        except torch.OutOfMemoryError:
            self.error = "the GPU has too little memory for these settings; use fewer tokens, or the CPU."
        except MemoryError:
            self.error = "this machine has too little memory for these settings; use fewer tokens or dimensions."
        finally:
            if self.error is not None:
                self.done.set()
            self.begun.set()

    def _check(self) -> None:
        if not self.owners:
            raise Cancelled

    def _steps(self, Y: npt.NDArray[np.generic]) -> Iterator[Step]:
        for step in unroll(Y, self.config):
            self._check()
            yield step

    def _make_preview(self) -> None:
        dataset = self.dataset
        if self.preview is not None or dataset.n_samples < 2 * PREVIEW or self.config.n_components > PREVIEW:
            return
        seed = self.config.random_state
        labels = np.zeros(dataset.n_samples, dtype=int) if dataset.labels is None else dataset.labels
        self.preview_index = balanced_subset(labels, PREVIEW, seed)
        preview = Trajectory()
        for step in self._steps(dataset.Y[self.preview_index]):
            preview.take(step)
        self.preview = preview
        self.begun.set()

    def _unroll(self) -> None:
        self.full = Trajectory()  # an earlier try may have been cancelled half way
        began = time.perf_counter()
        for step in self._steps(self.dataset.Y):
            self.full.take(step)
            self.device = step.X.device.type
            self.seconds = time.perf_counter() - began
            if step.ends_block:
                self.begun.set()
        self.neighbours = self._median_neighbours(step.X)
        if step.X.dtype != torch.float64:
            self.deviation = deviation_from_float64(self.dataset, self.config)
        self.done.set()

    def _median_neighbours(self, X: torch.Tensor) -> float:
        rows = torch.from_numpy(subsample(len(X), _SUBSAMPLE, self.config.random_state)).to(X.device)
        c = self.config
        A = attention_rows(X, rows, alpha=c.alpha, n_heads=c.n_heads, mask_self=c.mask_self)
        return float(effective_neighbours(A).median())


def deviation_from_float64(dataset: Dataset, config: Config, n_samples: int = _SUBSAMPLE) -> float | None:
    """Largest difference between the last block in the run's precision and in float64, over the largest coordinate,
    measured by running both on a seeded subsample of the tokens; None where PCA needs more tokens than that.
    """
    if config.projection == "pca" and config.n_components > n_samples:
        return None
    rows = subsample(dataset.n_samples, n_samples, config.random_state)
    exact = Config.from_dict(config.to_dict() | {"precision": "float64", "device": "cpu"})
    X, reference = (_last(dataset.Y[rows], c).astype(np.float64) for c in (config, exact))
    return float(np.abs(X - reference).max() / np.abs(reference).max())


def _last(Y: npt.NDArray[np.generic], config: Config) -> Array:
    *_, last = unroll(Y, config)
    return last.X.cpu().numpy()
