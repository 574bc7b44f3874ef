"""Every quality figure of every block of a run, against the same reference as the baselines'."""

from __future__ import annotations

from dataclasses import dataclass, field

from dr_transformer.engine.baselines import BaselineRun
from dr_transformer.engine.jobs import Background
from dr_transformer.engine.run import Run
from dr_transformer.model.views import principal_axes
from dr_transformer.quality.scores import Quality, quality


@dataclass(eq=False)
class Measurement(Background):
    """`blocks[b]` is the quality of the latents after block b. A job of `jobs.Runner`, which waits for both runs.

    `reduced` is that of the last block in as many principal components as the baselines have dimensions: like for like.
    """

    run: Run
    baselines: BaselineRun
    blocks: list[Quality] = field(default_factory=list)
    reduced: Quality | None = None

    def _work(self) -> None:
        for event in (self.run.done, self.baselines.referenced):
            while not event.wait(0.1):
                self._check()
        self.error = self.run.error or self.baselines.error
        if self.error is not None:
            return
        assert self.baselines.reference is not None
        for X in self.run.full.latents[len(self.blocks) :]:
            self.blocks.append(quality(X, self.baselines.reference, check=self._check))
        X = self.run.full.latents[-1]
        k = self.baselines.baselines.baseline_components
        if k < X.shape[1]:
            scores = (X - X.mean(axis=0)) @ principal_axes(X, k)
            self.reduced = quality(scores, self.baselines.reference, check=self._check)
        self.complete = True
