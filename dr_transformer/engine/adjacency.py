"""Attention as a graph, for people who watch: the figures of every block, A as an image, one token's neighbours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt
import torch

from dr_transformer.config import Config
from dr_transformer.engine.jobs import Background
from dr_transformer.engine.run import Run
from dr_transformer.hardware.devices import float64_device
from dr_transformer.methods.graph import KNNGraph
from dr_transformer.methods.graph_store import GraphStore
from dr_transformer.model.attention import attention_rows, effective_neighbours
from dr_transformer.theory.attention_graph import (
    Indices,
    attention_blocks,
    attention_graph,
    attention_image,
    class_order,
    fiedler_order,
)
from dr_transformer.types import Floats

if TYPE_CHECKING:
    from torch import Tensor

MAX_SAMPLES = 10_000  # tokens: a block takes about a second of so many, and as their square
ORDERS = {"class": "by class", "spectral": "along the Fiedler vector", "given": "as they come"}


class BlockGraph(NamedTuple):
    """The graph that A is at one block, next to the pixels' kNN graph.

    `effective`, `mass` and `overlap`, (n,), are as in `attention_graph.AttentionGraph`. `within`: the part of all
    attention, 0 … 1, that stays inside the classes; None without labels.
    """

    effective: Floats
    mass: Floats
    overlap: Floats
    within: float | None


@dataclass(eq=False)
class AdjacencyRun(Background):
    """`blocks` fills with the graph at the latents after each block of a run: first at `wanted`, then in order.

    A job of `jobs.Runner`, which waits for the run. `graph` is the pixels' with `n_neighbors`.
    """

    run: Run
    n_neighbors: int
    graphs: GraphStore
    graph: KNNGraph | None = None
    blocks: dict[int, BlockGraph] = field(default_factory=dict)
    wanted: int = 0

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        return sum(b.effective.nbytes + b.mass.nbytes + b.overlap.nbytes for b in list(self.blocks.values()))

    def _work(self) -> None:
        run = self.run
        if self.graph is None:
            self.graph = self.graphs.get(run.dataset, self.n_neighbors, self._check, run.config.device)
        self._until(run.done.is_set)
        self.error = run.error
        if self.error is not None:
            return
        last = len(run.full.latents) - 1
        while left := [block for block in range(last + 1) if block not in self.blocks]:
            self._check()
            block = self.wanted if self.wanted in left else left[0]
            self.blocks[block] = self._measure(latents_of(run, block))
        self.complete = True

    def _measure(self, X: Tensor) -> BlockGraph:
        assert self.graph is not None
        settings, labels = attention_settings(self.run.config), self.run.dataset.labels
        found = attention_graph(X, self.graph, **settings, check=self._check)
        within = None
        if labels is not None:
            classes = torch.from_numpy(labels).to(X.device)
            total = 0.0
            for rows, A in attention_blocks(X, **settings, check=self._check):
                same = classes[rows, None] == classes
                total += float((A * same).sum(dtype=torch.float64))
            within = total / len(X)
        return BlockGraph(found.effective, found.mass, found.overlap, within)


@dataclass(eq=False)
class MatrixImage(Background):
    """A at the latents after a block of a run as an `image`, tokens in one of the `ORDERS`.

    A job of `jobs.Runner`, which waits for the run. `labels` (n,) are in this order, None where it is not by class.
    Spectral orders are those of the pixels' kNN graph, so that they are the same at every block.
    """

    run: Run
    block: int
    order: str
    n_neighbors: int
    graphs: GraphStore
    image: npt.NDArray[np.float32] | None = None
    labels: npt.NDArray[np.integer] | None = None

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        return 0 if self.image is None else self.image.nbytes

    def _work(self) -> None:
        run = self.run
        self._until(run.done.is_set)
        self.error = run.error
        if self.error is not None:
            return
        order = self._order()
        settings = attention_settings(run.config)
        image = attention_image(latents_of(run, self.block), order, **settings, check=self._check)
        self.labels = None if self.order != "class" or run.dataset.labels is None else run.dataset.labels[order]
        self.image = image.astype(np.float32)
        self.complete = True

    def _order(self) -> Indices:
        dataset = self.run.dataset
        if self.order == "given":
            return np.arange(dataset.n_samples)
        graph = self.graphs.get(dataset, self.n_neighbors, self._check, self.run.config.device)
        spectral = fiedler_order(graph)
        if self.order == "class" and dataset.labels is not None:
            return class_order(dataset.labels, within=spectral)
        return spectral


class TokenAttention(NamedTuple):
    """Hold what one token attends to.

    `neighbours` (count,) are the most attended, most first, with `weights`; `nearest` (k,) its neighbours in the
    pixels, nearest first, with the weights that they get, `nearest_weights`. `effective`: exp of its row's entropy.
    """

    neighbours: Indices
    weights: Floats
    nearest: Indices
    nearest_weights: Floats
    effective: float

    @property
    def n_true(self) -> int:
        """Return how many of the most attended are among the nearest in the pixels."""
        return int(np.isin(self.neighbours, self.nearest).sum())


def token_attention(X: Tensor, token: int, count: int, nearest: Indices, config: Config) -> TokenAttention:
    """The row of A of one `token` at latents X (n, q); `nearest` (k,) are its neighbours in the pixels."""
    row = attention_rows(X, torch.tensor([token], device=X.device), **attention_settings(config))
    weights, which = torch.topk(row[0], min(count, len(X) - 1))
    chosen = torch.as_tensor(nearest, dtype=torch.long, device=X.device)
    return TokenAttention(
        which.cpu().numpy(),
        weights.cpu().numpy(),
        nearest,
        row[0, chosen].cpu().numpy(),
        float(effective_neighbours(row)[0]),
    )


def attention_of(run: Run, block: int, token: int, count: int, nearest: Indices) -> TokenAttention:
    """Return what a token of a run attends to at the latents after a block, as `token_attention` does."""
    return token_attention(torch.from_numpy(run.full.latents[block]), token, count, nearest, run.config)


def latents_of(run: Run, block: int) -> Tensor:
    """The latents (n, q) after a block of a run that is done, on the device of its config that has float64."""
    return torch.from_numpy(run.full.latents[block]).to(float64_device(run.config.device))


class AttentionSettings(TypedDict):
    """What of a config decides A, as the functions of `attention_graph` take it."""

    alpha: float
    n_heads: int
    mask_self: bool


def attention_settings(config: Config) -> AttentionSettings:
    """Return those of this config."""
    return {"alpha": config.alpha, "n_heads": config.n_heads, "mask_self": config.mask_self}
