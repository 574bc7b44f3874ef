"""Runs in the background: block by block, cancelled when nobody waits for them any more, cached within a memory budget.

Keys are settings (`Dataset.key` and the frozen `Config`), never the bytes of large arrays. A `Runner` is shared by all
sessions of an app; it holds no session's data but the results, which depend on the settings alone.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from sklearn.utils import check_random_state

from dr_transformer.attention import attention_rows, effective_neighbours
from dr_transformer.config import Config
from dr_transformer.data import Dataset
from dr_transformer.errors import InputError
from dr_transformer.model import unroll

_SUBSAMPLE = 500  # tokens on which row entropy and the error of float32 are measured


@dataclass
class Run:
    """One trajectory in the making. `latents` grows by one (n, q) array a block; `error` is a sentence for people."""

    dataset: Dataset
    config: Config
    start: npt.NDArray[np.floating] | None = None  # Y W_proj, (n, q)
    latents: list[npt.NDArray[np.floating]] = field(default_factory=list)
    neighbours: list[float] = field(default_factory=list)  # median effective neighbours of the attention at each block
    device: str = ""
    deviation: float | None = None  # of the last block from float64, relative, on a subsample
    seconds: float = 0.0
    error: str | None = None
    begun: threading.Event = field(default_factory=threading.Event)  # there is something to draw, or an error
    done: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)
    owners: set[Hashable] = field(default_factory=set)

    @property
    def n_bytes(self) -> int:
        """Memory held by the latents."""
        return sum(X.nbytes for X in self.latents)

    def compute(self) -> None:
        """Do the work, in the calling thread. Never raises: what went wrong is in `error`."""
        began = time.perf_counter()
        try:
            for step in unroll(self.dataset.Y, self.config):
                if self.cancelled.is_set():
                    return
                if step.name == "projection":
                    self.start, self.device = step.X.cpu().numpy(), step.X.device.type
                X = step.X
                if step.ends_block:
                    self.neighbours.append(self._effective_neighbours(X))
                    self.latents.append(X.cpu().numpy())
                    self.seconds = time.perf_counter() - began
                    self.begun.set()
            if X.dtype != torch.float64:
                self.deviation = deviation_from_float64(self.dataset, self.config)
        except InputError as error:
            self.error = str(error)
        except torch.OutOfMemoryError:
            self.error = "the GPU has too little memory for these settings; use fewer tokens, or the CPU."
        except MemoryError:
            self.error = "this machine has too little memory for these settings; use fewer tokens or dimensions."
        finally:
            self.done.set()
            self.begun.set()

    def _effective_neighbours(self, X: torch.Tensor) -> float:
        rows = torch.from_numpy(subsample(len(X), _SUBSAMPLE, self.config.random_state)).to(X.device)
        A = attention_rows(
            X, rows, alpha=self.config.alpha, n_heads=self.config.n_heads, mask_self=self.config.mask_self
        )
        return float(effective_neighbours(A).median())


class Runner:
    """Starts runs, shares equal ones, cancels those nobody waits for, forgets the longest unused over the budget."""

    def __init__(self, max_bytes: int = 2**30) -> None:
        self._max_bytes = max_bytes
        self._runs: OrderedDict[Hashable, Run] = OrderedDict()
        self._lock = threading.Lock()

    def submit(self, dataset: Dataset, config: Config, owner: Hashable) -> Run:
        """The run with these settings, started if need be. The owner's earlier run is given up, and so, unless another
        owner waits for it, cancelled at its next sub-step.
        """
        key = (dataset.key, config)
        with self._lock:
            run = self._runs.get(key)
            start = run is None or run.cancelled.is_set()
            if run is None or run.cancelled.is_set():
                run = self._runs[key] = Run(dataset, config)
            self._runs.move_to_end(key)
            run.owners.add(owner)
            self._release(owner, keep=run)
            self._trim()
        if start:
            threading.Thread(target=run.compute, name="unroll", daemon=True).start()
        return run

    def release(self, owner: Hashable) -> None:
        """The owner waits for nothing any more: its unfinished run is cancelled if nobody else's it is."""
        with self._lock:
            self._release(owner, keep=None)

    def _release(self, owner: Hashable, keep: Run | None) -> None:
        for key, run in list(self._runs.items()):
            if run is not keep and owner in run.owners:
                run.owners.discard(owner)
                if not run.owners and not run.done.is_set():
                    run.cancelled.set()
                    del self._runs[key]

    def _trim(self) -> None:
        held = sum(run.n_bytes for run in self._runs.values())
        for key, run in list(self._runs.items())[:-1]:
            if held <= self._max_bytes:
                break
            if run.done.is_set():  # its pages keep their own reference while they show it
                held -= run.n_bytes
                del self._runs[key]


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


def subsample(n: int, size: int, random_state: int) -> npt.NDArray[np.intp]:
    """Sorted indices of at most `size` of n tokens."""
    return np.sort(check_random_state(random_state).permutation(n)[:size])


def _last(Y: npt.NDArray[np.generic], config: Config) -> npt.NDArray[np.floating]:
    *_, last = unroll(Y, config)
    return last.X.cpu().numpy()
