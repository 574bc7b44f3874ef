"""From rows of results to comparisons: which runs may be compared, which are pairs, and what the pairs say.

Two runs are a pair if they have the same task, settings, data and seed: then they had the same initial weights, batches
and dropout masks, and differ in the attention alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dr_transformer.training.results import Row
from dr_transformer.training.settings import ATTENTIONS
from dr_transformer.training.statistics import (
    ALPHA,
    Band,
    PairedStatistics,
    holm,
    mean_band,
    needed_pairs,
    paired_statistics,
)
from dr_transformer.types import Floats

BASELINE = "standard"


@dataclass(frozen=True)
class Metric:
    """What runs are compared by; `scale` and `decimals` are for people: 0.26 is 26.0 %."""

    name: str
    title: str
    unit: str
    difference_unit: str
    higher_is_better: bool
    of: Callable[[Row], float | None]
    scale: float = 1.0
    decimals: int = 4


METRICS = {
    "val_loss": Metric(
        "val_loss", "best validation loss", "nats", "nats", False, lambda row: row.best_val_loss, decimals=4
    ),
    "val_accuracy": Metric(
        "val_accuracy",
        "best validation accuracy",
        "%",
        "percentage points",
        True,
        lambda row: row.best_val_accuracy,
        scale=100.0,
        decimals=2,
    ),
}
TASK_METRICS = {"lm": ("val_loss",), "vit": ("val_accuracy", "val_loss")}
"""What a task is compared by, what the paper compares it by first."""


@dataclass(frozen=True)
class Group:
    """Runs that may be compared, each once; `n_repeated` more rows were of runs that are here already."""

    task: str
    settings_hash: str
    rows: tuple[Row, ...]
    n_repeated: int

    @property
    def key(self) -> str:
        """Return what tells groups apart."""
        return f"{self.task}-{self.settings_hash}"

    @property
    def preset(self) -> str:
        """The name, or names, that these settings went by."""
        return ", ".join(dict.fromkeys(row.preset for row in self.rows if row.preset)) or "own settings"

    @property
    def attentions(self) -> tuple[str, ...]:
        """Return those there are runs of."""
        there = {row.attention for row in self.rows}
        return tuple(name for name in ATTENTIONS if name in there)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Return what these runs are compared by."""
        return tuple(METRICS[name] for name in TASK_METRICS[self.task])

    def runs(self, attention: str) -> dict[int, Row]:
        """Return those of one variant by seed, in order."""
        return {row.seed: row for row in self.rows if row.attention == attention}

    def pairs(self, attention: str) -> list[tuple[Row, Row]]:
        """The runs of a variant, each with standard attention's of the same seed, by seed."""
        own, base = self.runs(attention), self.runs(BASELINE)
        return [(own[seed], base[seed]) for seed in own if seed in base]

    def unpaired(self, attention: str) -> dict[str, tuple[int, ...]]:
        """Seeds that only one of a variant and standard attention has, by which has them."""
        own, base = self.runs(attention), self.runs(BASELINE)
        alone = {attention: tuple(s for s in own if s not in base), BASELINE: tuple(s for s in base if s not in own)}
        return {name: seeds for name, seeds in alone.items() if seeds}


@dataclass(frozen=True)
class Comparison:
    """One variant against standard attention by one metric, over `seeds`.

    `values` and `baseline` are (n,). `p` is corrected for the `n_tests` tests made of the group; `needed` is the number
    of pairs at which an effect of the measured size would be seen with 80 % power, None if it is out of reach.
    """

    metric: Metric
    attention: str
    seeds: tuple[int, ...]
    values: Floats
    baseline: Floats
    statistics: PairedStatistics
    p: float
    n_tests: int
    needed: int | None
    unpaired: dict[str, tuple[int, ...]]
    n_unlike: int
    """How many pairs were computed in unlike ways: another GPU or processor, number of threads or processes, precision,
    compilation, or version of a library."""

    @property
    def differences(self) -> Floats:
        """Variant minus standard, (n,)."""
        return self.values - self.baseline

    @property
    def outcome(self) -> str:
        """One of "better", "worse", "undecided", and "unknown" (of fewer than two pairs)."""
        if self.statistics.n < 2:
            return "unknown"
        if not self.p < ALPHA:
            return "undecided"
        return "better" if (self.statistics.mean > 0) == self.metric.higher_is_better else "worse"


def group_rows(rows: Iterable[Row]) -> list[Group]:
    """The rows in groups, in order of appearance; of rows of one run the first counts."""
    groups: dict[tuple[str, str], dict[tuple[str, int], Row]] = {}
    repeated: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row.task, row.settings_hash)
        runs = groups.setdefault(key, {})
        repeated[key] = repeated.get(key, 0) + ((row.attention, row.seed) in runs)
        runs.setdefault((row.attention, row.seed), row)
    order = {name: i for i, name in enumerate(ATTENTIONS)}
    return [
        Group(*key, tuple(sorted(runs.values(), key=lambda row: (order[row.attention], row.seed))), repeated[key])
        for key, runs in groups.items()
    ]


def compare(group: Group, random_state: int = 0) -> list[Comparison]:
    """Every variant against standard attention by every metric of the task; p-values corrected together (Holm)."""
    found = []
    for metric, attention in itertools.product(group.metrics, group.attentions):
        if attention == BASELINE:
            continue
        pairs = [(metric.of(a), metric.of(b), a, b) for a, b in group.pairs(attention)]
        kept = [(x, y, a, b) for x, y, a, b in pairs if x is not None and y is not None]
        values, baseline = (np.array([pair[i] for pair in kept], np.float64) for i in (0, 1))
        statistics = paired_statistics(values, baseline, random_state)
        found.append((metric, attention, kept, values, baseline, statistics))
    corrected = holm([entry[-1].p for entry in found])
    n_tests = sum(entry[-1].n >= 2 for entry in found)
    return [
        Comparison(
            metric=metric,
            attention=attention,
            seeds=tuple(a.seed for _, _, a, _ in kept),
            values=values,
            baseline=baseline,
            statistics=statistics,
            p=p,
            n_tests=n_tests,
            needed=needed_pairs(statistics.mean, statistics.sd, ALPHA / max(1, n_tests)),
            unpaired=group.unpaired(attention),
            n_unlike=sum(_computed(a) != _computed(b) for _, _, a, b in kept),
        )
        for (metric, attention, kept, values, baseline, statistics), p in zip(found, corrected, strict=True)
    ]


_ALIKE = ("gpu", "processor", "threads", "processes", "precision", "compiled")
"""Of a row's `device`: threads and processes change the order of sums, and with it the rounding."""


def _computed(row: Row) -> tuple[object, ...]:
    """Return what two runs of a pair should share, so that they differ in the attention alone."""
    return (*(row.device.get(name) for name in _ALIKE), tuple(sorted(row.versions.items())))


@dataclass(frozen=True)
class LossDifference:
    """Training loss of a variant minus standard attention's over the iterations: the mean over `seeds`."""

    attention: str
    seeds: tuple[int, ...]
    band: Band
    every: int


def loss_difference(group: Group, attention: str, window: int = 1) -> LossDifference | None:
    """The curve of the paper's figure 3, smoothed over `window` (odd) points of `every` iterations; None without pairs.

    A point stands in the middle of its iterations. Pairs whose runs have other points than the first are left out.
    """
    pairs = group.pairs(attention)
    if not pairs:
        return None
    every, k = pairs[0][0].train["every"], len(pairs[0][0].train["loss"])
    same = [(a, b) for a, b in pairs if all(r.train["every"] == every and len(r.train["loss"]) == k for r in (a, b))]
    if not same:
        return None
    curves = [np.array(a.train["loss"]) - np.array(b.train["loss"]) for a, b in same]
    edges = np.minimum(np.arange(k + 1) * every, pairs[0][0].iterations)
    band = mean_band((edges[1:] + edges[:-1]) / 2, curves, window)
    return LossDifference(attention, tuple(a.seed for a, _ in same), band, every)


def curves(rows: Sequence[Row], name: str) -> tuple[Floats, Floats]:
    """Steps (k,) and one part of the curves, (n, k) or (n, k, layers), of runs that were evaluated at the same steps.

    Rows without it, or with other steps than the first, are left out.
    """
    there = [row for row in rows if name in row.curve]
    same = [row for row in there if row.curve["step"] == there[0].curve["step"]]
    steps = np.array(same[0].curve["step"] if same else [], np.float64)
    return steps, np.array([row.curve[name] for row in same], np.float64)
