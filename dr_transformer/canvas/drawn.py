"""A drawing among the tokens of a run: followed through the blocks and drawn with them, in the background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from dr_transformer.canvas.parts import Attended, Panel
from dr_transformer.canvas.picture import labelled_panels
from dr_transformer.config import ViewConfig
from dr_transformer.data.dataset import Dataset
from dr_transformer.data.drawing import SIDE
from dr_transformer.engine.jobs import Background
from dr_transformer.engine.run import Run
from dr_transformer.errors import InputError
from dr_transformer.model.landmarks import Landmarks
from dr_transformer.model.new_token import NewToken, find_twin, majority, new_token
from dr_transformer.model.planes import Projector
from dr_transformer.model.projection import fit_projection
from dr_transformer.types import Floats

N_SHOWN = 5  # attended tokens in a row of the table


def check_drawable(dataset: Dataset) -> None:
    """Raise `InputError` unless the tokens are images such as MNIST's, among which a drawing can be one more."""
    if dataset.image_shape != (SIDE, SIDE) or dataset.Y.dtype != np.uint8:
        raise InputError(
            f"a drawing is {SIDE} × {SIDE} grey levels, but the tokens of {dataset.name} are not; choose mnist, "
            "fashion-mnist or kmnist as the data set."
        )


@dataclass(eq=False)
class DrawnRun(Background):
    """The token of an `image` (28, 28), uint8, among those of a finished run; None: the run alone, to be drawn on.

    `panels` have one token more than the run, the last: the drawing's, or a place kept for it.
    """

    run: Run
    view: ViewConfig
    image: npt.NDArray[np.uint8] | None = None
    found: NewToken | None = None
    panels: list[Panel] | None = None

    @property
    def n_bytes(self) -> int:
        """Count the memory held."""
        return sum(panel.frames.nbytes for panel in self.panels or ())

    def _work(self) -> None:
        run, config = self.run, self.run.config
        latents, start = list(run.full.latents), run.full.start
        assert start is not None
        if self.image is not None:
            y = self.image.reshape(-1)
            everyone = tuple(map(torch.from_numpy, latents))
            landmarks = Landmarks(np.arange(len(start)), everyone, fit_projection(run.dataset.Y, config), config)
            self.found = new_token(y, latents, landmarks, find_twin(y, run.dataset.Y))
            self._check()
        last = (start[0], [X[0] for X in latents]) if self.found is None else (self.found.start, self.found.latents)
        draw = Projector(self.view, latents[min(self.view.view_block, len(latents) - 1)])
        moving = [_with_one_more(draw, X, x) for X, x in zip(latents, last[1], strict=True)]
        self.panels = labelled_panels(
            config,
            self.view,
            _with_one_more(Projector(self.view, start), start, last[0])[None],
            np.stack(moving),
            tuple(map(float, range(len(latents)))),
            tuple(f"block {block}" for block in range(len(latents))),
        )
        self.complete = True

    def attended(self) -> Attended | None:
        """Return what the drawing attends to, for the canvas, where it is the last token."""
        if self.found is None:
            return None
        return Attended(self.run.dataset.n_samples, self.found.attended, self.found.weights)

    def verdicts(self) -> list[tuple[str, int, int]]:
        """Tell, block by block, the class of most of the nearest tokens, how many have it, and of how many."""
        labels, names = self.run.dataset.labels, self.run.dataset.class_names
        if self.found is None or labels is None:
            return []
        told = [majority(labels[near]) for near in self.found.neighbours]
        return [(names[label], votes, self.found.neighbours.shape[1]) for label, votes in told]

    def table(self) -> list[dict[str, Any]]:
        """Return a row a block: the nearest class, what the drawing attends to, by row of the data, and how much."""
        if self.found is None:
            return []
        labels, names = self.run.dataset.labels, self.run.dataset.class_names
        verdicts = self.verdicts()
        rows = []
        for block, (attended, weights) in enumerate(zip(self.found.attended, self.found.weights, strict=True)):
            row: dict[str, Any] = {"block": block}
            if verdicts:
                label, votes, of = verdicts[block]
                row |= {"nearest class": label, "neighbours": f"{votes} of {of}"}
            row["attended"] = attended[:N_SHOWN].tolist()
            row["weights"] = weights[:N_SHOWN].tolist()
            row["classes"] = [] if labels is None else [names[labels[i]] for i in attended[:N_SHOWN]]
            rows.append(row)
        return rows


def _with_one_more(draw: Projector, X: Floats, x: Floats) -> Floats:
    """Draw X (n, q) and, in the plane that is theirs, one more token x (q,): (n + 1, 2)."""
    return np.concatenate([draw(X), draw.plane(x[None].astype(X.dtype))])
