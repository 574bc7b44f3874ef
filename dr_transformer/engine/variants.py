"""One variant of the block over depth, on a subsample: its latents, the objective and what is left of the classes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from sklearn.utils import check_random_state

from dr_transformer.config import DATASETS, Config
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.adjacency import attention_settings
from dr_transformer.engine.jobs import Background
from dr_transformer.hardware.devices import float64_device
from dr_transformer.quality import metrics
from dr_transformer.theory.objective import Terms, terms
from dr_transformer.theory.variants import Variant, unroll_variant
from dr_transformer.types import Floats

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
        # Anew: an earlier try may have been cancelled half way.
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
