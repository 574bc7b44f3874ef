"""The tables behind A as an image: how much the classes attend to each other, or the cells that are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from dr_transformer.charts.table import MOST
from dr_transformer.engine.adjacency import attention_settings, latents_of
from dr_transformer.engine.jobs import Background
from dr_transformer.engine.run import Run
from dr_transformer.theory.attention_graph import class_attention
from dr_transformer.types import Floats

BY_CHANCE = "share of the tokens"

Labels = npt.NDArray[np.integer]


@dataclass(eq=False)
class ClassAttention(Background):
    """`attention_graph.class_attention` at the latents after a block of a run whose tokens have classes: `shares`.

    A job of `jobs.Runner`, which waits for the run.
    """

    run: Run
    block: int
    shares: Floats | None = None

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        return 0 if self.shares is None else self.shares.nbytes

    def _work(self) -> None:
        run, dataset = self.run, self.run.dataset
        self._until(run.done.is_set)
        self.error = run.error
        if self.error is not None:
            return
        assert dataset.labels is not None
        settings, X = attention_settings(run.config), latents_of(run, self.block)
        self.shares = class_attention(X, dataset.labels, len(dataset.class_names), **settings, check=self._check)
        self.complete = True


def class_table(shares: Floats, labels: Labels, class_names: Sequence[str]) -> pd.DataFrame:
    """A row for each attending class that has tokens, a column for each attended one: its share of the attention.

    `shares` are those of `class_attention`. The last row, `BY_CHANCE`, is what uniform attention would give.
    """
    counts = np.bincount(labels, minlength=len(class_names))
    present: list[int] = np.flatnonzero(counts).tolist()
    rows = np.vstack([shares[np.ix_(present, present)], counts[present] / counts.sum()])
    names = [class_names[c] for c in present]
    table = pd.DataFrame(rows, columns=[f"to {name}" for name in names])
    table.insert(0, "attention of", [*names, BY_CHANCE])
    return table


def cell_table(image: Floats, n_samples: int) -> pd.DataFrame:
    """The cells of an `attention_image` (m, m) of n tokens, those with the most attention first, at most `MOST`.

    Places are those in the image's order, from 0; "attention" is what a token of the first pays to those of the second.
    """
    m = len(image)
    starts = np.append(np.arange(m) * n_samples // m, n_samples)
    places = [str(a) if b - a == 1 else f"{a}–{b - 1}" for a, b in pairwise(starts)]
    cells = np.argsort(-image, axis=None, kind="stable")[:MOST]
    rows, columns = np.unravel_index(cells, image.shape)
    named = np.array(places)
    return pd.DataFrame(
        {"attending": named[rows], "attended": named[columns], "attention": image.ravel()[cells].astype(float)}
    )
