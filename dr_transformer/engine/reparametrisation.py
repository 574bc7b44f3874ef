"""Standard attention and graph diffusion, two runs to lay on top of each other: the same at η' = η / (1 + 2η)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from dr_transformer.config import Config
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.inside import difference
from dr_transformer.engine.jobs import Background
from dr_transformer.hardware.devices import float64_device
from dr_transformer.theory.variants import Variant, unroll_variant
from dr_transformer.types import Check, Floats


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
