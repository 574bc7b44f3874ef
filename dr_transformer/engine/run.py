"""One run of the model for people who watch: a quick preview, then the latents block by block, then the analysis."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from dr_transformer.config import Config
from dr_transformer.data.dataset import Dataset, balanced_subset
from dr_transformer.engine.jobs import Background
from dr_transformer.engine.run_cost import SHARE, Expected, admitted, free_memory, memory_needed, shows_sub_steps
from dr_transformer.engine.turns import Turns
from dr_transformer.errors import InputError
from dr_transformer.methods.graph_store import GraphStore
from dr_transformer.model.attention import attention_rows, effective_neighbours
from dr_transformer.model.collapse import is_lost, sentence
from dr_transformer.model.magnitude import drawable
from dr_transformer.model.unroll import Step, after_attention, latents_dtype, resolve_precision, unroll
from dr_transformer.quality.curves import Analysis
from dr_transformer.quality.metrics import subsample
from dr_transformer.quality.words import has_classes, overlaps
from dr_transformer.types import Floats

PREVIEW = 2000  # tokens of the preview; a run of fewer than twice as many has none
# Where between two blocks the sub-steps lie. Attention, which alone makes tokens meet, gets half of the way.
STRETCHES = {"attention": 0.5, "LayerNorm": 0.75, "feed-forward": 0.875}
_LOOK = 0.02  # seconds between two looks whether a block is there
_SUBSAMPLE = 500  # tokens on which the error of the precision is measured


class Frame(NamedTuple):
    """The latents X (n, q) at a depth: a whole number after a block, a fraction after a sub-step inside one."""

    depth: float
    name: str
    X: Floats


@dataclass(eq=False)
class Trajectory:
    """`latents` grows by one (n, q) array a block; `start` is Y W_proj (n, q),
    as it is drawn.

    `attention[b]` is what the attention of block b + 1 left, the one sub-step that cannot be had again row by row; it
    is kept if `sub_steps`.
    """

    sub_steps: bool = False
    start: Floats | None = None
    latents: list[Floats] = field(default_factory=list)
    attention: list[Floats] = field(default_factory=list)
    lost_at: int | None = None  # the first block whose tokens differ by little more than the rounding of their format

    def take(self, step: Step) -> None:
        """Keep what is drawn of the steps of `unroll`."""
        if step.name == "projection":
            self.start = drawable(step.X.cpu().numpy())
        elif step.ends_block:
            self.latents.append(step.X.cpu().numpy())
            if self.lost_at is None and is_lost(step.X):
                self.lost_at = step.block
        elif step.name == "attention" and self.sub_steps:
            self.attention.append(step.X.cpu().numpy())

    def frames(self, config: Config) -> list[Frame]:
        """Return all there is so far, in order: block 0, then each block's sub-steps (if kept) and its end."""
        return list(self.frames_of(config, range(len(self.latents))))

    def frames_of(self, config: Config, blocks: Iterable[int]) -> Iterator[Frame]:
        """The frames of these blocks, one at a time: sub-steps (if kept), then the end.

        Of each block two sub-steps are computed again, and held by whoever holds the frame: together they would take as
        much memory again as the run itself.
        """
        for block in blocks:
            if self.sub_steps and block > 0:
                AX = torch.from_numpy(self.attention[block - 1])
                inside = chain([AX], (X for _, X in after_attention(AX, len(AX), config)))
                for (name, stretch), X in zip(STRETCHES.items(), inside, strict=False):  # the fourth ends the block
                    yield Frame(block - 1 + stretch, f"{name} of block {block}", X.numpy())
            yield Frame(float(block), f"block {block}", self.latents[block])

    @property
    def lost(self) -> str:
        """The sentence on tokens that have collapsed to one point, if they have."""
        block = self.lost_at
        return "" if block is None else sentence(torch.from_numpy(self.latents[block]), block)

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        return sum(X.nbytes for X in (*self.latents, *self.attention))


@dataclass(eq=False)
class Run(Background):
    """A trajectory in the making.

    The latents stay where they are computed; `block`, `lost` and `held` say there and elsewhere what is known of them.
    """

    NOT_SHOWN: ClassVar = frozenset({"full", "preview", "preview_index"})
    URGENT: ClassVar = True

    dataset: Dataset
    config: Config
    graphs: GraphStore = field(default_factory=GraphStore)
    full: Trajectory = field(default_factory=Trajectory)
    has_preview: bool = True  # wanted, that is; a run of few tokens has none
    preview: Trajectory | None = None  # of the tokens `preview_index` alone, as if they were all
    preview_index: npt.NDArray[np.intp] | None = None
    wanted: frozenset[str] = frozenset()  # which of `quality.curves.COLOURINGS` somebody colours by
    expected: Expected | None = None
    refused: bool = False  # for want of memory, of which there may be more the next time
    sub_steps: bool = True  # whether those inside the blocks are kept, as is known once the run has begun
    block: int = -1  # the last one that is there
    lost: str = ""  # the sentence on tokens that have collapsed to one point, if they have
    held: int = 0  # bytes
    measuring: float = 0.0  # seconds of the analysis so far
    overlaps: list[Floats] = field(default_factory=list)  # of classes, block by block: `quality.words.overlaps`
    neighbours: float | None = None  # median effective number of tokens attended to, at the last block
    device: str = ""
    precision: str = ""  # of attention's products: "float64", "float32" or "bfloat16"
    deviation: float | None = None  # of the last block from float64, relative, on a subsample
    seconds: float = 0.0
    analysis: Analysis = field(default_factory=Analysis)  # after all else, for it tells whether anything is left to do
    begun: threading.Event = field(default_factory=threading.Event)  # there is something to draw, or an error
    done: threading.Event = field(default_factory=threading.Event)  # the latents are all there, or an error

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        return self.held

    @property
    def shown(self) -> bool:
        """Tell whether the latents are all there; what is left is measuring."""
        return self.block >= self.config.n_blocks

    @property
    def finished(self) -> bool:
        """Tell whether nothing is left to do."""
        return self.error is not None or (self.done.is_set() and self._missing() == frozenset())

    def work(self) -> None:
        """Do what is left to do, as `Background.work` does."""
        try:
            super().work()
        finally:
            if self.error is not None:
                self.done.set()
            self.begun.set()

    def _work(self) -> None:
        self._admit()
        if not self.done.is_set():
            self._make_preview()
            self._unroll()
        if not self.overlaps and (labels := self.dataset.labels) is not None and has_classes(labels):
            names, seed = self.dataset.class_names, self.config.random_state
            self.overlaps = overlaps(self.full.latents, labels, len(names), seed)
        while missing := self._missing():  # somebody may want more meanwhile
            began = time.perf_counter()
            for _ in self._measure(self.analysis, missing, self._check):
                self.measuring = time.perf_counter() - began
                self._check()

    def _admit(self) -> None:
        if self.expected is None:
            try:
                self.expected = admitted(self.dataset.n_samples, self.config, self.dataset.Y.dtype)
            except InputError:
                self.refused = True
                raise
        if self.turns is not None and not self.done.is_set():
            self._until(functools.partial(self._reserve, self.turns))
        self.sub_steps = self.keeps_sub_steps

    def _reserve(self, turns: Turns) -> bool:
        free = free_memory()
        needed = memory_needed(self.dataset.n_samples, self.config, self.dataset.Y.dtype)
        return free is None or turns.reserve(self, needed, int(SHARE * free))

    def _missing(self) -> frozenset[str]:
        return (self.wanted | {"curves"}) - self.analysis.measured

    def _measure(self, analysis: Analysis, wanted: Collection[str], check: Callable[[], None]) -> Iterator[None]:
        return analysis.steps(self.dataset, self.config, self.full.latents, self.graphs, check, wanted)

    def measured(self, wanted: Collection[str], check: Callable[[], None] = lambda: None) -> Analysis:
        """Return the analysis with these of `quality.curves.COLOURINGS`, measured here in so far as the run has not."""
        known = self.analysis
        found = replace(known, neighbours=list(known.neighbours), preservation=list(known.preservation))
        for _ in self._measure(found, wanted, check):
            check()
        return found

    def _steps(self, Y: npt.NDArray[np.generic]) -> Iterator[Step]:
        for step in unroll(Y, self.config, check=self._check):  # a newer setting need not wait for a large step
            self._check()
            yield step

    def _make_preview(self) -> None:
        dataset = self.dataset
        if self.preview is not None or not self.has_preview:
            return
        if dataset.n_samples < 2 * PREVIEW or self.config.n_components > PREVIEW:
            return
        seed = self.config.random_state
        labels = np.zeros(dataset.n_samples, dtype=int) if dataset.labels is None else dataset.labels
        self.preview_index = balanced_subset(labels, PREVIEW, seed)
        preview = Trajectory()
        for step in self._steps(dataset.Y[self.preview_index]):
            preview.take(step)
        self.preview = preview
        self.begun.set()

    @property
    def keeps_sub_steps(self) -> bool:
        """Tell whether the latents inside the blocks are to be had, too."""
        c, bytes_each = self.config, latents_dtype(self.config, self.dataset.Y.dtype).itemsize
        return shows_sub_steps(self.dataset.n_samples, c.n_blocks, c.n_components, bytes_each)

    def _unroll(self) -> None:
        # Again: an earlier try may have been cancelled half way.
        self.full, self.block, self.lost = Trajectory(self.keeps_sub_steps), -1, ""
        self.analysis.neighbours.clear()
        self.precision = resolve_precision(self.config, self.dataset.Y.dtype, self.dataset.n_samples)
        began = time.perf_counter()
        for step in self._steps(self.dataset.Y):
            self.full.take(step)
            if step.effective is not None and not step.effective.isnan().any():
                self.analysis.neighbours.append(step.effective.cpu().numpy())  # after the last block none follows
            self.device = step.X.device.type
            self.seconds = time.perf_counter() - began
            if step.ends_block:
                self.block, self.lost = step.block, self.full.lost
                self.held = self.full.n_bytes + (self.preview.n_bytes if self.preview else 0)
                self.begun.set()
        self._finish(step.X)
        self.done.set()

    def _finish(self, last: torch.Tensor) -> None:
        self.neighbours = self._median_neighbours(last)
        if last.dtype != torch.float64:
            self.deviation = deviation_from_float64(self.dataset, self.config)

    def _median_neighbours(self, X: torch.Tensor) -> float:
        rows = torch.from_numpy(subsample(len(X), _SUBSAMPLE, self.config.random_state)).to(X.device)
        c = self.config
        A = attention_rows(X, rows, alpha=c.alpha, n_heads=c.n_heads, mask_self=c.mask_self)
        return float(effective_neighbours(A).median())


@dataclass(eq=False)
class Follower(Background):
    """A job that grows with a run, block by block, in `grow`, and is over when that is."""

    AT_ONCE: ClassVar = True

    run: Run

    def _work(self) -> None:
        while not self.complete:
            ended = self.run.done.is_set()  # asked first: what is taken in below is then all there is
            self.grow()
            self._check()
            self.error = self.run.error
            if self.error is not None:
                return
            self.complete = ended
            if not ended:
                self.run.done.wait(_LOOK)

    def grow(self) -> None:
        """Take in what has been computed since the last time."""
        raise NotImplementedError


def deviation_from_float64(dataset: Dataset, config: Config, n_samples: int = _SUBSAMPLE) -> float | None:
    """Largest difference between the last block in the run's precision and in float64, over the largest coordinate,
    measured by running both on a seeded subsample of the tokens; None where PCA needs more tokens than that.

    The run's precision is that of all its tokens: for the few of the subsample "auto" might choose a more exact one.
    """
    if config.projection == "pca" and config.n_components > n_samples:
        return None
    rows = subsample(dataset.n_samples, n_samples, config.random_state)
    same = {"precision": resolve_precision(config, dataset.Y.dtype, dataset.n_samples)}
    exact = {"precision": "float64", "device": "cpu"}
    X, reference = (
        _last(dataset.Y[rows], Config.from_dict(config.to_dict() | changed)).astype(np.float64)
        for changed in (same, exact)
    )
    return float(np.abs(X - reference).max() / np.abs(reference).max())


def _last(Y: npt.NDArray[np.generic], config: Config) -> Floats:
    *_, last = unroll(Y, config)
    return last.X.cpu().numpy()
