"""Under which conditions the runs of a group were made, in words: settings, data, machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from dr_transformer.training.pairs import Group
from dr_transformer.training.results import Row
from dr_transformer.training.settings import PRESETS

TASK_NAMES = {"lm": "Language model", "vit": "Vision transformer"}
_SHOWN = ("n_layer", "n_head", "n_embd", "block_size", "patch_size", "dropout", "batch_size")


def title(group: Group) -> str:
    """For a list to choose from: "Language model · minute · tiny Shakespeare · 10 seeds"."""
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
