"""The layers of a user's own network, played like a run of the model; how near a hand-written block comes to each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from dr_transformer.config import Config
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.jobs import Background
from dr_transformer.engine.run import Run
from dr_transformer.engine.run_cost import Expected
from dr_transformer.errors import InputError
from dr_transformer.model.unroll import Step
from dr_transformer.theory.nearest_block import NearestBlock, nearest_block


def layers_config(dataset: Dataset, config: Config) -> Config:
    """Return settings with as many blocks and dimensions as the data set's layers have; the model's others are idle."""
    assert dataset.trajectory is not None
    blocks, d = len(dataset.trajectory) - 1, dataset.trajectory.shape[2]
    if d < 2 or blocks < 1:
        raise InputError(
            f"{dataset.name} has layers of {d} numbers, {blocks + 1} of them; at least two are needed of both."
        )
    return Config(n_blocks=blocks, n_components=d, random_state=config.random_state, device="cpu")


@dataclass(eq=False)
class LayersRun(Run):
    """A trajectory that is there already; block l is the output of layer l, block 0 the input of the first one."""

    def _admit(self) -> None:
        self.expected, self.sub_steps, self.has_preview = Expected(None, 1), False, False

    @property
    def keeps_sub_steps(self) -> bool:
        """Say no: of a network of others what happens inside a layer is not known."""
        return False

    def _steps(self, Y: npt.NDArray[np.generic]) -> Iterator[Step]:
        trajectory = self.dataset.trajectory
        assert trajectory is not None
        yield Step(0, "projection", torch.from_numpy(np.array(Y)))
        for block, X in enumerate(trajectory):
            self._check()
            yield Step(block, "layer_norm_2" if block else "layer_norm_0", torch.from_numpy(np.array(X)))

    def _finish(self, last: torch.Tensor) -> None:
        del last  # there is no attention to speak of, and no other precision


@dataclass(eq=False)
class LayerFits(Background):
    """`nearest_block` of each layer, one after another. A job of `jobs.Runner`."""

    dataset: Dataset
    random_state: int
    found: list[NearestBlock] = field(default_factory=list)

    def _work(self) -> None:
        trajectory = self.dataset.trajectory
        assert trajectory is not None
        for block in range(len(self.found), len(trajectory) - 1):
            fit = nearest_block(
                trajectory[block], trajectory[block + 1], random_state=self.random_state, check=self._check
            )
            self.found.append(fit)
        self.complete = True
