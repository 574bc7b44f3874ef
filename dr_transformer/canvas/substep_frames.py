"""The latents before and after each sub-step of a run as two panels, all in one plane and on the same axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from dr_transformer.canvas.parts import Panel
from dr_transformer.config import ViewConfig
from dr_transformer.engine.inside import sub_steps
from dr_transformer.engine.run import Follower
from dr_transformer.model.planes import Projector, axis_names
from dr_transformer.model.unroll import SUB_STEPS
from dr_transformer.types import Floats


@dataclass(eq=False)
class SubStepFrames(Follower):
    """Grows with the run. Of the views, "axes" shows two latent axes, the others the principal plane of one block.

    One plane for all: with a plane of its own for each frame, before and after could not be compared. A job of
    `jobs.Runner`.
    """

    view: ViewConfig
    ends: list[Floats] = field(default_factory=list)  # (n, 2) after each block, block 0 first
    inside: dict[str, list[Floats]] = field(
        default_factory=lambda: {name: [] for name in SUB_STEPS}
    )  # of blocks 1, 2, …

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        return sum(frame.nbytes for frames in (self.ends, *self.inside.values()) for frame in frames)

    @property
    def n_blocks(self) -> int:
        """Count the blocks that there are frames of."""
        return max(0, len(self.ends) - 1)

    def grow(self) -> None:
        """Take in what has been computed since."""
        run, axes = self.run, self.view.view == "axes"
        if not axes and (not run.done.is_set() or run.error):
            return  # the block that gives the plane may not be there yet
        if not run.full.latents:
            return
        view = self.view if axes else replace(self.view, view="fixed-pca")
        draw = Projector(view, run.full.latents[0 if axes else self._fixed])
        of_block: dict[str, Floats] = {}
        for step in sub_steps(run.full, run.config, first_block=len(self.ends)):
            self._check()
            of_block[step.name] = draw(step.X.numpy())
            if step.ends_block:  # all of a block, or nothing: a try that is stopped is taken up after a whole one
                for name in SUB_STEPS if step.block else ():
                    self.inside[name].append(of_block[name])
                self.ends.append(of_block[step.name])

    def panels(self, name: str, said: str) -> list[Panel]:
        """Return panels before and after the sub-step `name`, a frame a block from 1 on; none before there is one.

        `said` is what the sub-step is called in a sentence.
        """
        n_blocks = self.n_blocks
        if n_blocks == 0:
            return []
        place = SUB_STEPS.index(name)
        before = self.ends[:-1] if place == 0 else self.inside[SUB_STEPS[place - 1]][:n_blocks]
        after = self.inside[name][:n_blocks]
        extent = _extent([*before, *after])
        depths = tuple(float(block) for block in range(1, n_blocks + 1))
        names = tuple(f"block {block}" for block in range(1, n_blocks + 1))
        x_label, y_label = self.axes
        return [
            Panel(
                f"{when} {said}, {{frame}}",
                np.stack(frames),
                depths,
                x_label,
                y_label,
                frame_names=names,
                extent=extent,
            )
            for when, frames in (("Before", before), ("After", after))
        ]

    @property
    def axes(self) -> tuple[str, str]:
        """Return what the coordinates are called."""
        names = axis_names(self.view, self.run.config.n_components)
        if self.view.view == "axes":
            return names
        return f"{names[0]} of block {self._fixed}", f"{names[1]} of block {self._fixed}"

    @property
    def _fixed(self) -> int:
        n_blocks = self.run.config.n_blocks
        return min(self.view.view_block, n_blocks) if self.view.view == "fixed-pca" else n_blocks


def _extent(frames: Sequence[Floats]) -> tuple[float, float, float, float]:
    low = np.min([frame.min(axis=0) for frame in frames], axis=0)
    high = np.max([frame.max(axis=0) for frame in frames], axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])
