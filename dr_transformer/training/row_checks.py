"""Whether rows of results hold what their fields promise: an upload may have any values under the right names."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from dr_transformer.errors import InputError
from dr_transformer.training.results import Results, Row
from dr_transformer.training.settings import ATTENTIONS, TASKS, from_dict, settings_hash

_ADVICE = "the file is damaged, or `dr-transformer train` did not write it"


def check_results(results: Results, name: str) -> None:
    """Raise `InputError` with a sentence about the first row of `name` that cannot be one of this program."""
    for number, row in enumerate(results.rows, 1):
        try:
            wrong = next((field for field, fits in _FIELDS.items() if not fits(row)), None)
        except InputError as error:
            raise InputError(f"row {number} of {name} has settings that this version refuses: {error}") from error
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            wrong = "a curve or the settings"
        if wrong is not None:
            raise InputError(f"row {number} of {name} has no valid value of {wrong}; {_ADVICE}.")


@functools.lru_cache(maxsize=256)
def _hash(task: str, settings: str, sha256: str) -> str:
    """What the rows of one comparison share, found once. Raises `InputError` for settings of another version."""
    return settings_hash(task, from_dict(task, json.loads(settings)), sha256)


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _count(value: Any, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _share(value: Any) -> bool:
    return _finite(value) and 0 <= value <= 1


def _accuracy(row: Row, value: Any) -> bool:
    return _share(value) if row.task == "vit" else value is None


def _curve(row: Row) -> bool:
    """Lists as long as `step`; numbers, but for a_layers, whose entries are lists of one length."""
    curve = dict(row.curve)
    needed = {"step", "train_loss", "val_loss"}
    needed |= {"val_accuracy"} if row.task == "vit" else set()
    needed |= {"a", "a_layers"} if row.attention == "learned" else set()
    lists = all(isinstance(values, list) and len(values) == len(curve["step"]) for values in curve.values())
    if set(curve) != needed or not lists or not curve["step"]:
        return False
    layers = curve.pop("a_layers", [])
    alike = len({len(each) for each in layers}) <= 1 and all(_finite(a) for each in layers for a in each)
    return alike and all(_finite(value) for values in curve.values() for value in values)


def _train(row: Row) -> bool:
    every, loss = row.train["every"], row.train["loss"]
    whole = _count(every, 1) and isinstance(loss, list) and len(loss) == -(-row.iterations // every)
    return whole and all(_finite(value) for value in loss)


def _texts(values: Mapping[str, Any], *names: str) -> bool:
    return isinstance(values, dict) and all(isinstance(values[name], str) for name in names)


_FIELDS: dict[str, Callable[[Row], bool]] = {
    "task": lambda row: row.task in TASKS,
    "attention": lambda row: row.attention in ATTENTIONS,
    "preset": lambda row: isinstance(row.preset, str),
    "seed": lambda row: _count(row.seed),
    "data": lambda row: (
        _texts(row.data, "name", "source", "sha256", "sha256_of")
        and _count(row.data["n_train"])
        and _count(row.data["n_val"])
    ),
    "versions": lambda row: _texts(row.versions, *row.versions),
    "device": lambda row: isinstance(row.device, dict),
    "settings": lambda row: isinstance(row.settings, dict),
    "settings_hash": lambda row: row.settings_hash == _hash(row.task, json.dumps(row.settings), row.data["sha256"]),
    "iterations": lambda row: _count(row.iterations, 1),
    "n_parameters": lambda row: _count(row.n_parameters, 1),
    "best_val_loss": lambda row: _finite(row.best_val_loss),
    "best_step": lambda row: _count(row.best_step),
    "final_val_loss": lambda row: _finite(row.final_val_loss),
    "best_val_accuracy": lambda row: _accuracy(row, row.best_val_accuracy),
    "final_val_accuracy": lambda row: _accuracy(row, row.final_val_accuracy),
    "seconds": lambda row: _finite(row.seconds) and row.seconds >= 0,
    "finished": lambda row: isinstance(row.finished, str),
    "curve": _curve,
    "train": _train,
}
"""What each field must be, in an order in which later ones may rely on earlier ones."""
