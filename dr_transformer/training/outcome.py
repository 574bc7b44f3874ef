"""Say in plain sentences what a comparison found, whatever its numbers' sign, and how its runs were made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from dr_transformer.training.pairs import BASELINE, Comparison, Group, Metric
from dr_transformer.training.results import Row
from dr_transformer.training.settings import PRESETS
from dr_transformer.training.statistics import ALPHA, MOST_PAIRS, Interval

FEW = 5  # pairs, below which a result is called a hint
NARROW = 10  # pairs, below which the bootstrap is said to be too narrow

NAMES = {"standard": "A", "laplacian": "A − I", "learned": "A − aI"}
TASK_NAMES = {"lm": "Language model", "vit": "Vision transformer"}
_SHOWN = ("n_layer", "n_head", "n_embd", "block_size", "patch_size", "dropout", "batch_size")


def verdict(comparison: Comparison) -> str:
    """A few words: better, worse, or not distinguishable at this number of pairs; the number is always named."""
    n = comparison.statistics.n
    name = NAMES[comparison.attention]
    if n == 0:
        return f"{name} and A have no seed in common"
    if n == 1:
        return "one pair of runs says nothing"
    if comparison.outcome == "undecided":
        return f"{name} and A are not distinguishable with {n} pairs"
    if n < FEW:
        return f"{name} looks {comparison.outcome} than A, but {n} pairs are too few to say so"
    return f"{name} is {comparison.outcome} than A ({n} pairs)"


def sentences(comparison: Comparison) -> Iterator[str]:
    """The outcome, how large it is, how sure that is, and what to beware of."""
    statistics, name = comparison.statistics, NAMES[comparison.attention]
    if statistics.n == 0:
        yield f"**{name} and A have no seed in common**, so there is nothing to compare them by."
        return
    if statistics.n == 1:
        yield (
            f"**One pair of runs says nothing** about {name} and A: a second seed may turn it round. Train at least "
            f"{FEW} seeds of both."
        )
        return
    yield f"**{_first(comparison)}** {_size(comparison)} {_tests(comparison)}"
    yield from _cautions(comparison)
    if comparison.outcome == "undecided":
        yield _needed(comparison)
    if comparison.statistics.n < FEW:
        yield f"{statistics.n} pairs are a hint, not a result: so few cannot show whether the tests' assumptions hold."
    elif statistics.n < NARROW:
        yield f"With {statistics.n} pairs the bootstrap interval is too narrow; the t interval is in the table."
    if comparison.n_unlike:
        yield (
            f"In {comparison.n_unlike} of {statistics.n} pairs the two runs were computed in unlike ways (device, "
            "processor, threads, processes, precision or versions), so those differ in more than the attention."
        )


def _first(comparison: Comparison) -> str:
    n, name = comparison.statistics.n, NAMES[comparison.attention]
    if comparison.outcome == "undecided":
        return f"{name} and A are not distinguishable with {n} paired seeds."
    if n < FEW:
        return f"{name} looks {comparison.outcome} than A over {n} paired seeds, which are too few to say so."
    return f"{name} is {comparison.outcome} than A over {n} paired seeds."


def _size(comparison: Comparison) -> str:
    statistics, metric = comparison.statistics, comparison.metric
    if statistics.mean == 0 and statistics.sd == 0:
        return f"The {metric.title} is the same in every pair."
    assert statistics.interval is not None
    return (
        f"Its {metric.title} is {signed(statistics.mean, metric)} on average (95 % bootstrap interval: "
        f"{span(statistics.interval, metric)})."
    )


def _tests(comparison: Comparison) -> str:
    statistics = comparison.statistics
    wilcoxon = f"Wilcoxon's signed-rank test p {p_text(statistics.wilcoxon_p)}"
    if math.isnan(statistics.t_p):
        first = f"All differences are equal, so there is no t-test; {wilcoxon}"
    else:
        first = f"Paired t-test p {p_text(statistics.t_p)}; {wilcoxon}"
    if comparison.n_tests > 1:
        first += (
            f"; corrected for the {comparison.n_tests} tests made here (Holm) p {p_text(comparison.p)}, which decides"
        )
    return first + "."


def _cautions(comparison: Comparison) -> Iterator[str]:
    """Return where the tests and the interval do not say the same."""
    statistics, decided = comparison.statistics, comparison.outcome in ("better", "worse")
    if decided and not math.isnan(statistics.t_p) and statistics.wilcoxon_p >= ALPHA:
        least = 2.0 ** (1 - statistics.n)
        why = f" (with {statistics.n} pairs it cannot go below {least:.2g})" if least >= ALPHA else ""
        yield f"Wilcoxon's test, which assumes no normal distribution, does not confirm this{why}."
    interval = statistics.interval
    if not decided and interval is not None and interval[0] * interval[1] > 0 and statistics.sd > 0:
        yield "The bootstrap interval lies on one side of 0; the test, which decides, does not agree."


def _needed(comparison: Comparison) -> str:
    if comparison.statistics.mean == 0:
        return "The mean difference is 0, so no number of pairs would show one."
    if comparison.needed is None:
        return f"An effect of the measured size would take more than {_thousands(MOST_PAIRS)} pairs to see."
    corrected = f" shared by {comparison.n_tests} tests" if comparison.n_tests > 1 else ""
    return (
        f"If the true effect is as large as the measured one, about **{_thousands(comparison.needed)} pairs** would be "
        f"needed to see it (80 % power, level 5 %{corrected}); it may well be smaller, or of the other sign."
    )


def left_out(group: Group) -> Iterator[str]:
    """Return what of the rows is in no comparison, and why."""
    if group.n_repeated:
        rows = "row is of a run" if group.n_repeated == 1 else "rows are of runs"
        yield f"{group.n_repeated} {rows} that the files have already; the first counts."
    if BASELINE not in group.attentions:
        yield "There are no runs with standard attention, so there is nothing to compare with."
        return
    if group.attentions == (BASELINE,):
        yield "There are only runs with standard attention, so there is nothing to compare it with."
    for attention in group.attentions:
        for name, seeds in group.unpaired(attention).items() if attention != BASELINE else ():
            other = attention if name == BASELINE else BASELINE
            runs = "run has" if len(seeds) == 1 else "runs have"
            yield (
                f"{len(seeds)} {runs} no partner and {'is' if len(seeds) == 1 else 'are'} left out: {NAMES[name]} with "
                f"seed {', '.join(map(str, seeds))}, where {NAMES[other]} has not been trained."
            )


def signed(difference: float, metric: Metric) -> str:
    """Such as "0.0540 nats higher", or "1.20 percentage points lower"."""
    return f"{_number(difference, metric)} {metric.difference_unit} {_direction(difference)}"


def span(interval: Interval, metric: Metric) -> str:
    """Such as "0.0240 to 0.0830 higher" (nearest to 0 first), or "0.0100 lower to 0.0200 higher"."""
    low, high = interval
    if low < 0 < high:
        return f"{_number(low, metric)} lower to {_number(high, metric)} higher"
    near, far = sorted(interval, key=abs)
    return f"{_number(near, metric)} to {_number(far, metric)} {_direction(far)}"


def p_text(p: float) -> str:
    """Such as "= 0.012", or "< 0.0001"."""
    return "< 0.0001" if p < 1e-4 else f"= {p:.2g}"


def _number(value: float, metric: Metric) -> str:
    return f"{abs(value) * metric.scale:.{metric.decimals}f}"


def _direction(difference: float) -> str:
    return "higher" if difference > 0 else "lower"


def title(group: Group) -> str:
    """Name it in a list to choose from: "Language model · minute · tiny Shakespeare · 10 seeds"."""
    n = len({row.seed for row in group.rows})
    changed = " (changed)" if changes(group) else ""
    seeds = "1 seed" if n == 1 else f"{n} seeds"
    return f"{TASK_NAMES[group.task]} · {group.preset}{changed} · {_data(group)['name']} · {seeds}"


def conditions(group: Group) -> Iterator[str]:
    """Sentences: what was trained, on what, where."""
    settings, parameters = group.rows[0].settings, group.rows[0].typed_settings().parameters()
    shown = [f"{parameters[name].label.lower()} {settings[name]:g}" for name in _SHOWN if name in settings]
    shown += [f"{name} = {value}" for name, value in changes(group).items() if name not in (*_SHOWN, "max_iters")]
    n_parameters = _listed(_thousands(n) for n in _each(row.n_parameters for row in group.rows))
    iterations = _listed(_thousands(n) for n in _each(row.iterations for row in group.rows))
    changed = ", changed" if changes(group) else ""
    yield (
        f"{TASK_NAMES[group.task]}, preset {group.preset}{changed}: {', '.join(shown)}; {iterations} iterations, "
        f"{n_parameters} parameters."
    )
    data = _data(group)
    of = "tokens" if group.task == "lm" else "images"
    yield (
        f"Data: {data['name']} ({data['source'].rstrip('.')}), {_thousands(data['n_train'])} {of} to learn from, "
        f"{_thousands(data['n_val'])} to validate on; SHA-256 of {data['sha256_of']} {data['sha256'][:12]}…"
    )
    made = _listed(_each(_machine(row) for row in group.rows))
    versions = _listed(_each(f"PyTorch {row.versions.get('torch', '?')}" for row in group.rows))
    days = sorted({row.finished[:10] for row in group.rows})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    yield f"Made on {made}; {versions}; {when}; {_time(sum(row.seconds for row in group.rows))} of training in all."


def changes(group: Group) -> dict[str, Any]:
    """The settings in which the runs differ from the preset they name; none of a preset that is not known."""
    known = PRESETS[group.task].get(group.rows[0].preset)
    usual = {} if known is None else known.to_dict()
    return {name: value for name, value in group.rows[0].settings.items() if name in usual and usual[name] != value}


def _data(group: Group) -> dict[str, Any]:
    return group.rows[0].data


def _machine(row: Row) -> str:
    device = row.device
    threads = "1 thread" if device.get("threads") == 1 else f"{device.get('threads', '?')} threads"
    where = device.get("gpu") or f"{device.get('processor', 'an unknown processor')} ({threads})"
    return f"{where}, {device.get('precision', 'unknown precision')}"


def _time(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )


def _each(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _listed(values: Iterable[str]) -> str:
    *first, last = values
    return f"{', '.join(first)} and {last}" if first else last


def _thousands(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")
