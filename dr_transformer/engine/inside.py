"""What every sub-step of a run does, in figures: to the rows of the latents, to the objective, to its gradient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from sklearn.utils import check_random_state

from dr_transformer.config import DATASETS, Config
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.adjacency import attention_settings
from dr_transformer.engine.jobs import Background
from dr_transformer.engine.run import STRETCHES, Run, Trajectory
from dr_transformer.hardware.devices import float64_device
from dr_transformer.model.unroll import SUB_STEPS, Step, after_attention
from dr_transformer.quality import metrics
from dr_transformer.quality.words import overlaps
from dr_transformer.theory.objective import Terms, data_gradients, terms
from dr_transformer.theory.variants import Variant, unroll_variant
from dr_transformer.types import Check, Floats

Place = tuple[int, str]  # a block and the name of a sub-step, as in `model.unroll.Step`

_DEPTHS = dict(zip(SUB_STEPS, (*STRETCHES.values(), 1.0), strict=True))


class LatentFigures(NamedTuple):
    """What a LayerNorm holds fixed of latents X (n, q), and what it does not; lengths in the units of X.

    `norms`: the least, mean and largest norm of a row. `mean_norm`: the norm of the mean row. `coordinate_mean`: the
    largest mean over the coordinates of a row, without its sign. `effective_rank`: as in `metrics`.
    """

    norms: tuple[float, float, float]
    mean_norm: float
    coordinate_mean: float
    effective_rank: float


class Cosines(NamedTuple):
    """Of the angle between 2 L̃ X and ∂L_data/∂X, as in `objective.DataGradients`."""

    cosine: float
    tangent_cosine: float
    norm_ratio: float


def latent_figures(X: npt.NDArray[np.floating]) -> LatentFigures:
    """The figures of latents X (n, q), in float64. O(n q²) time."""
    X = X.astype(np.float64)
    norms = np.linalg.norm(X, axis=1)
    return LatentFigures(
        (float(norms.min()), float(norms.mean()), float(norms.max())),
        float(np.linalg.norm(X.mean(axis=0))),
        float(np.abs(X.mean(axis=1)).max()),
        metrics.effective_rank(X),
    )


def depth_of(block: int, name: str) -> float:
    """Return where on the depth axis a sub-step lies: at the end of a block a whole number, as in `run.STRETCHES`."""
    return float(block) if block == 0 else block - 1 + _DEPTHS[name]


def sub_steps(trajectory: Trajectory, config: Config, first_block: int = 0) -> Iterator[Step]:
    """Every sub-step that the trajectory holds so far, as `model.unroll` yields them, from a block on (0: its latents).

    The trajectory is of a run that keeps its sub-steps. One block is held at a time.
    """
    latents = list(trajectory.latents)  # a block may arrive meanwhile
    for block, X in enumerate(latents[first_block:], start=first_block):
        if block == 0:
            yield Step(0, "layer_norm_0", torch.from_numpy(X))
            continue
        AX = torch.from_numpy(trajectory.attention[block - 1])
        yield Step(block, "attention", AX)
        for name, inside in after_attention(AX, len(X), config):
            yield Step(block, name, torch.from_numpy(X) if name == SUB_STEPS[-1] else inside)


def overlaps_around(run: Run, block: int, name: str) -> tuple[Floats, Floats] | None:
    """Measure how classes overlap before and after a sub-step of a finished run; None where it was not kept."""
    labels = run.dataset.labels
    if labels is None or len(run.full.attention) < block:
        return None
    steps = islice(sub_steps(run.full, run.config, first_block=block), len(SUB_STEPS))
    latents = [run.full.latents[block - 1], *(step.X.numpy() for step in steps)]
    place = SUB_STEPS.index(name)
    names = run.dataset.class_names
    before, after = overlaps(latents[place : place + 2], labels, len(names), run.config.random_state)
    return before, after


@dataclass(eq=False)
class InsideRun(Background):
    """A job of `jobs.Runner`, which waits for the run; its run keeps its sub-steps.

    `figures`, by block and name of sub-step. `undone`: of each block, how far the latents at its end are from those
    before its feed-forward step (from their mirror image, where η > ½ makes it so), by `difference`. `places` and
    `terms`: at each sub-step, block 0's latents first, the terms of the objective. `cosines`: at the latents after each
    block.
    """

    run: Run
    figures: dict[Place, LatentFigures] = field(default_factory=dict)
    undone: dict[int, float] = field(default_factory=dict)
    places: list[Place] = field(default_factory=list)
    terms: list[Terms] = field(default_factory=list)
    cosines: list[Cosines] = field(default_factory=list)

    @property
    def progress(self) -> float:
        """0 … 1: of the objective and its gradients."""
        n_blocks = self.run.config.n_blocks
        done = len(self.terms) + 4 * len(self.cosines)  # a gradient takes as long as the terms four times
        return done / (1 + 4 * n_blocks + 4 * (n_blocks + 1))

    def _work(self) -> None:
        self._until(self.run.done.is_set)
        self.error = self.run.error
        if self.error is not None:
            return
        c, before = self.run.config, torch.empty(0)
        sign = -1 if c.activation == "none" and c.eta > 0.5 else 1
        for step in sub_steps(self.run.full, self.run.config):
            self._check()
            self.figures[step.block, step.name] = latent_figures(step.X.numpy())
            if step.name == "layer_norm_1":
                before = step.X
            elif step.name == "layer_norm_2":
                self.undone[step.block] = difference(step.X.numpy(), sign * before.numpy())
        self._objective()
        self.complete = True

    def _objective(self) -> None:
        """Go on where an earlier try was stopped."""
        config = self.run.config
        settings, device = attention_settings(config), float64_device(config.device)
        for number, step in enumerate(sub_steps(self.run.full, config)):
            if number < len(self.terms):
                continue
            self._check()
            X = step.X.to(device)
            gradients = data_gradients(X, **settings, check=self._check) if step.ends_block else None
            found = terms(X, **settings, check=self._check)
            self.places.append((step.block, step.name))  # first: who reads takes as many as there are terms
            self.terms.append(found)
            if gradients is not None:
                self.cosines.append(Cosines(gradients.cosine, gradients.tangent_cosine, gradients.norm_ratio))


def difference(X: npt.NDArray[np.floating], reference: npt.NDArray[np.floating]) -> float:
    """The largest difference of a coordinate, over the largest coordinate of the reference."""
    return float(np.abs(X.astype(np.float64) - reference).max() / np.abs(reference).max())


# Standard attention and graph diffusion, two runs to lay on top of each other: the same at η' = η / (1 + 2η).


@dataclass(eq=False)
class Reparametrisation(Background):
    """Standard attention at the config's η and graph diffusion at `eta`, block by block. A job of `jobs.Runner`.

    `standard` and `diffusion`: the last latents (n, q), in float64. `apart[precision]`: of each block,
    block 0 first, the largest difference of a coordinate, over the largest coordinate. Where η > ½ the feed-forward
    step mirrors standard attention's latents at every block, which diffusion's at `eta` < ½ does not; that is undone.
    """

    dataset: Dataset
    config: Config
    eta: float
    standard: Floats | None = None
    diffusion: Floats | None = None
    apart: dict[str, list[float]] = field(default_factory=dict)

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        return sum(X.nbytes for X in (self.standard, self.diffusion) if X is not None)

    def _work(self) -> None:
        Y = self.dataset.Y
        self.apart = {}
        device = float64_device(self.config.device).type
        for precision in ("float64", "float32"):
            config = replace(self.config, precision=precision, device=device)
            both = both_ways(Y, config, self.eta, self._check)
            self.apart[precision] = [difference(B, A) for A, B in both]
            if precision == "float64":
                self.standard, self.diffusion = both[-1]
        self.complete = True


def both_ways(
    Y: npt.NDArray[np.generic], config: Config, eta: float, check: Check | None = None
) -> list[tuple[Floats, Floats]]:
    """Latents (n, q) after each block, of standard attention at the config's η and of graph diffusion at `eta`.

    With `eta` = `theory.variants.diffusion_eta(config.eta)` they are the same up to LayerNorm's ε.
    """
    runs = []
    for attention, rate in (("standard", config.eta), ("diffusion", eta)):
        steps = unroll_variant(Y, replace(config, eta=rate), Variant(attention=attention), check=check)
        runs.append([(step.block, step.X.cpu().numpy()) for step in steps if step.ends_block])
    mirrored = config.activation == "none" and (config.eta > 0.5) != (eta > 0.5)
    return [(-A if mirrored and block % 2 else A, B) for (block, A), (_, B) in zip(*runs, strict=True)]


# One variant of the block over depth, on a subsample: its latents, the objective and what is left of the classes.

SUBSAMPLE = 2000  # tokens that the variants are run on


@dataclass(eq=False)
class VariantRun(Background):
    """A job of `jobs.Runner`. Lists grow by one a block, block 0 first.

    `latents`: (n, q). `terms`: those of the objective. `ranks`: `metrics.effective_rank`. `accuracies`:
    `metrics.knn_accuracy`, empty without labels or for fewer than ten tokens.
    """

    dataset: Dataset
    config: Config
    variant: Variant
    latents: list[Floats] = field(default_factory=list)
    terms: list[Terms] = field(default_factory=list)
    ranks: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        return sum(X.nbytes for X in list(self.latents))

    def _work(self) -> None:
        # Again: an earlier try may have been cancelled half way.
        self.latents, self.terms, self.ranks, self.accuracies = [], [], [], []
        c = replace(self.config, device=float64_device(self.config.device).type)  # which the objective needs
        for step in unroll_variant(self.dataset.Y, c, self.variant, check=self._check):
            self._check()
            if not step.ends_block:
                continue
            found = terms(step.X, **attention_settings(c), check=self._check)
            X = step.X.cpu().numpy()
            self._measure(X)
            self.terms.append(found)
            self.latents.append(X)
        self.complete = True

    def _measure(self, X: Floats) -> None:
        self.ranks.append(metrics.effective_rank(X))
        labels = self.dataset.labels
        if labels is not None and len(labels) >= 10:
            order = np.arange(len(X))
            if self.dataset.name not in DATASETS:  # a user's rows may be sorted by class
                order = check_random_state(self.config.random_state).permutation(len(X))
            self.accuracies.append(metrics.knn_accuracy(X[order], labels[order]))
