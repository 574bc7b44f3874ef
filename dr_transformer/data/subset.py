"""Part of a data set as a data set of its own: what is too slow on all tokens runs on some, as if they were all."""

from __future__ import annotations

from dataclasses import replace

from dr_transformer.data.dataset import Dataset, draw
from dr_transformer.data.mnist import count


def subset(dataset: Dataset, n_samples: int, random_state: int) -> Dataset:
    """At most `n_samples` tokens, class-balanced where there are classes, in their order; all: the data set itself."""
    if n_samples >= dataset.n_samples:
        return dataset
    rows = draw(dataset.n_samples, dataset.labels, n_samples, random_state)
    return replace(
        dataset,
        Y=dataset.Y[rows],
        labels=None if dataset.labels is None else dataset.labels[rows],
        source=f"{dataset.source.rstrip('.')}; of these {subset_sentence(dataset, n_samples, random_state)}.",
        key=f"{dataset.key}-{n_samples}-{random_state}",
        index=dataset.index[rows],
    )


def subset_sentence(dataset: Dataset, n_samples: int, random_state: int) -> str:
    """Which tokens `subset` gives, a clause: "2 000 of 10 000 tokens, class-balanced, drawn with seed 42"."""
    if n_samples >= dataset.n_samples:
        return f"all {count(dataset.n_samples)} tokens"
    balanced = "class-balanced, " if dataset.labels is not None else ""
    return f"{count(n_samples)} of {count(dataset.n_samples)} tokens, {balanced}drawn with seed {random_state}"
