"""Landmarks: m tokens run the exact model among themselves, and all others attend to them, block by block.

Time is O((m + n) m q) a block instead of O(n² q), and memory beside the result O(m q). As in `TransformerDR.transform`
the n of the LayerNorms and of the logit scale is m, so that α means what it means in a run of m tokens. A landmark does
not attend to itself under `mask_self`; for the others there is nothing to mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from sklearn.utils import check_random_state
from sklearn.utils.random import sample_without_replacement

from dr_transformer.config import Config
from dr_transformer.errors import InputError
from dr_transformer.model.magnitude import moderate
from dr_transformer.model.projection import Projection, RandomState, fit_projection
from dr_transformer.model.unroll import Step, check_tokens, layer_norm, run_block, unroll

if TYPE_CHECKING:
    from torch import Tensor

CHOICES = ("k-means++", "random")
_POOL = 10  # k-means++ chooses among at most so many tokens for each landmark, so its time does not grow with n
_CHUNK = 8192  # tokens that pass through all blocks together: few enough to leave memory alone, enough to compute fast

Indices = npt.NDArray[np.intp]
Report = Callable[[int], object]


def choose_landmarks(
    Y: npt.NDArray[np.generic],
    n_landmarks: int,
    projection: Projection,
    *,
    choice: str = "k-means++",
    random_state: RandomState = 42,
) -> Indices:
    """The rows of Y (n, d) to be landmarks: positions (n_landmarks,), ascending. The classes are not looked at.

    "random" gives every token the same chance. "k-means++" is scikit-learn's greedy D² sampling on the latents of block
    0, where the first attention looks, among a random 10 · n_landmarks of the tokens: it reaches the sparse regions too
    (Arthur & Vassilvitskii, "k-means++: the advantages of careful seeding", 2007). Raises `InputError`.
    """
    n = len(Y)
    if not 2 <= n_landmarks <= n:
        raise InputError(f"landmarks = {n_landmarks} is not possible: choose from 2 to {n}, the number of tokens.")
    if choice not in CHOICES:
        raise InputError(f"landmarks are chosen by {' or '.join(map(repr, CHOICES))}, but not by {choice!r}.")
    generator = check_random_state(random_state)
    if choice == "random":
        return np.sort(sample_without_replacement(n, n_landmarks, random_state=generator))
    pool = np.sort(sample_without_replacement(n, min(n, _POOL * n_landmarks), random_state=generator))
    X = layer_norm(moderate(torch.from_numpy(projection(Y[pool]))), 1).numpy()
    from sklearn.cluster import kmeans_plusplus

    _, chosen = kmeans_plusplus(X, n_landmarks, random_state=generator)
    chosen = np.unique(chosen)
    if len(chosen) < n_landmarks:  # fewer different tokens than landmarks: scikit-learn then repeats one
        rest = np.setdiff1d(np.arange(len(pool)), chosen)
        chosen = np.append(chosen, generator.permutation(rest)[: n_landmarks - len(chosen)])
    return np.sort(pool[chosen])


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Landmarks that have run, for others to follow.

    `index` (m,): which rows of the data they are. `latents`: theirs before the first block and after each, L + 1
    tensors (m, q), on the device that others will be computed on. `projection` is everybody's.
    """

    index: Indices
    latents: tuple[Tensor, ...]
    projection: Projection
    config: Config

    @classmethod
    def of(
        cls, Y: npt.NDArray[np.generic], index: Indices, config: Config, projection: Projection | None = None
    ) -> Landmarks:
        """Run the exact model on the rows `index` of Y (n, d); the projection is fitted to all of Y, unless given."""
        Y = check_tokens(Y)
        projection = projection or fit_projection(Y, config)
        latents = tuple(step.X for step in unroll(Y[index], config, projection) if step.ends_block)
        return cls(index, latents, projection, config)

    def steps(self, Y: npt.NDArray[np.generic], masked: Tensor | None = None) -> Iterator[Step]:
        """The steps of tokens Y (k, d) that follow the landmarks, named and ordered as those of `unroll`.

        Each token goes its way alone, so data from a disk or a generator can pass in pieces of any size. `masked` (k,)
        is for tokens that are landmarks: the position among these, or −1.
        """
        keys = self.latents[0]
        X = torch.from_numpy(self.projection(Y)).to(keys.dtype).to(keys.device)
        first = layer_norm(moderate(X), len(keys))
        yield Step(0, "projection", X)
        X = first
        yield Step(0, "layer_norm_0", X)
        for block, keys in enumerate(self.latents[:-1], start=1):
            for name, latents in run_block(X, keys, self.config, masked):
                X = latents
                yield Step(block, name, X)

    def embed(
        self,
        Y: npt.NDArray[np.generic],
        *,
        rows: slice = slice(None),
        every_block: bool = False,
        report: Report | None = None,
    ) -> npt.NDArray[np.floating]:
        """`follow`, for the data Y (n, d) whose rows `index` are the landmarks."""
        return self.follow(Y, self.masked(len(Y)), rows=rows, every_block=every_block, report=report)

    def follow(
        self,
        Y: npt.NDArray[np.generic],
        masked: Tensor | None = None,
        *,
        rows: slice = slice(None),
        every_block: bool = False,
        report: Report | None = None,
    ) -> npt.NDArray[np.floating]:
        """Latents (k, q) after the last block of the rows `rows` of tokens Y (n, d); `masked` (n,) is as in `steps`.

        With `every_block` those before the first block and after each: (n_blocks + 1, k, q). Chunk by chunk: beside
        the result memory is O(m q). `report` is called with the number of tokens done since, and may raise to stop.
        """
        start, stop, _ = rows.indices(len(Y))
        first = 0 if every_block else self.config.n_blocks
        shape = (self.config.n_blocks + 1 - first, stop - start, self.config.n_components)
        result = self.latents[0].new_empty(shape, device="cpu").numpy()
        for chunk in _chunks(start, stop):
            place = slice(chunk.start - start, chunk.stop - start)
            for step in self.steps(Y[chunk], None if masked is None else masked[chunk]):
                if step.ends_block and step.block >= first:
                    result[step.block - first, place] = step.X.cpu().numpy()
            if report:
                report(chunk.stop - chunk.start)
        return result if every_block else result[0]

    def masked(self, n_samples: int) -> Tensor | None:
        """Return for each row of the data (n_samples,) its position among the landmarks, or −1; None if
        nothing is masked.
        """
        if not self.config.mask_self:
            return None
        masked = torch.full((n_samples,), -1)
        masked[torch.from_numpy(self.index)] = torch.arange(len(self.index))
        return masked.to(self.latents[0].device)


def _chunks(start: int, stop: int) -> list[slice]:
    return [slice(first, min(first + _CHUNK, stop)) for first in range(start, stop, _CHUNK)]
