"""The spectrum of I − A over depth, and whether the latents near Laplacian Eigenmaps, in the background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from dr_transformer.config import Config
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.jobs import Background
from dr_transformer.errors import InputError
from dr_transformer.hardware.devices import float64_device
from dr_transformer.methods.graph_store import GraphStore
from dr_transformer.methods.spectrum import Eigenmaps, laplacian_eigenmaps
from dr_transformer.model.planes import principal_plane
from dr_transformer.model.unroll import unroll
from dr_transformer.theory.attention_spectrum import attention_spectrum
from dr_transformer.theory.convergence import Convergence, compared, subspace_overlap
from dr_transformer.types import Floats

if TYPE_CHECKING:
    from torch import Tensor

N_MAPS = 6  # eigenvectors kept to be drawn
MOST_BLOCKS = 64
_EQUAL = 0.95  # an overlap above it is one subspace, for the eye
_CHANGE = 0.02  # of an overlap, that is worth a word


@dataclass(eq=False)
class SpectrumRun(Background):
    """All lists grow by one entry a block, from block 0 on. A job of `jobs.Runner`.

    `blocks`: eigenvalues and angles. `principal` (n, 2): the latents in their leading principal plane. `maps`
    (n, ≤ N_MAPS): A's first non-trivial eigenvectors, largest entry 1 or −1, signs as at the block before. `eigenmaps`:
    of the kNN graph of the pixels, with `n_components` coordinates. Several heads are an error.
    """

    dataset: Dataset
    config: Config
    n_components: int
    n_neighbors: int
    graphs: GraphStore
    eigenmaps: Eigenmaps | None = None
    blocks: list[Convergence] = field(default_factory=list)
    principal: list[Floats] = field(default_factory=list)
    maps: list[Floats] = field(default_factory=list)

    @property
    def progress(self) -> float:
        """0 … 1: the share of blocks that were measured."""
        return len(self.blocks) / (self.config.n_blocks + 1)

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        return sum(array.nbytes for array in [*self.principal, *self.maps])

    def _work(self) -> None:
        c, k = self.config, self.n_components
        if c.n_heads > 1:
            raise InputError(
                f"the spectrum is that of one head: the mean of {c.n_heads} heads' matrices need not have real "
                "eigenvalues; set n_heads to 1."
            )
        if self.eigenmaps is None:
            graph = self.graphs.get(self.dataset, self.n_neighbors, self._check, c.device)
            self.eigenmaps = laplacian_eigenmaps(graph, k, random_state=c.random_state)
        for step in unroll(self.dataset.Y, c, check=self._check):
            self._check()
            if step.ends_block and step.block >= len(self.blocks):  # those before are of the last try
                self._measure(step.X.to(float64_device(c.device)))
        self.complete = True

    def _measure(self, X: Tensor) -> None:
        assert self.eigenmaps is not None
        c = self.config
        spectrum = attention_spectrum(
            X, self.n_components, alpha=c.alpha, mask_self=c.mask_self, random_state=c.random_state, check=self._check
        )
        maps = spectrum.maps[:, :N_MAPS]
        if self.maps:
            maps = maps * np.where((maps * self.maps[-1]).sum(axis=0) < 0, -1, 1)
        latents = X.cpu().numpy()
        self.maps.append(maps.astype(np.float32))
        self.principal.append(principal_plane(latents)(latents).astype(np.float32))
        self.blocks.append(compared(latents, spectrum, self.eigenmaps))  # last: who reads takes as many as there are


def overlaps(blocks: Sequence[Convergence]) -> dict[str, list[float | None]]:
    """Return each pair of subspaces' overlap at every block, by name; None where no λ is below ½."""
    return {
        "latents": [subspace_overlap(block.latents) for block in blocks],
        "attention": [subspace_overlap(block.attention) for block in blocks],
        "own": [subspace_overlap(block.own) if len(block.own) else None for block in blocks],
    }


def verdict(latents: Sequence[float], own: float | None, n_slow: int, chance: float) -> list[str]:
    """Does unrolling converge to Laplacian Eigenmaps? Sentences, by the overlaps of `latents` with these at each block.

    `own` is the overlap at the last block of the latents' `n_slow` leading directions with A's eigenvectors of λ < ½.
    `chance`: the overlap of two random subspaces.
    """
    last, peak = len(latents) - 1, int(np.argmax(latents))
    first, best, end = latents[0], latents[peak], latents[last]
    rises, falls = best - first > _CHANGE, best - end > _CHANGE
    if rises and falls:
        said = (
            f"Unrolling nears Laplacian Eigenmaps until block {peak} (subspace overlap {first:.2f} → {best:.2f}) and "
            f"leaves them again ({end:.2f} at block {last}): it does not converge to them."
        )
    elif rises:
        said = (
            f"Up to block {last} unrolling nears Laplacian Eigenmaps (subspace overlap {first:.2f} → {end:.2f}); "
            "whether it goes on, more blocks would show."
        )
    elif falls:
        said = f"Unrolling leaves Laplacian Eigenmaps (subspace overlap {best:.2f} → {end:.2f} at block {last})."
    else:
        said = f"Over {last} blocks unrolling neither nears Laplacian Eigenmaps nor leaves them ({end:.2f})."
    sentences = [said, f"Two random subspaces overlap by {chance:.3f}."]
    if own is None:
        sentences.append(f"At block {last} no eigenvalue is below ½: the latents have formed no clusters.")
    else:
        which = f"its own graph, the {n_slow} eigenvector{'s' * (n_slow != 1)} of I − A with λ < ½ at block {last}"
        said = "What it converges to is" if own > _EQUAL else "It has not converged to"
        sentences.append(f"{said} {which}: the latents' leading directions overlap with them by {own:.2f}.")
    return sentences
