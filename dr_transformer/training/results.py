"""Files of results: JSON lines, one row a finished run, appended whole.

A row has what is needed to make its run again and nothing of the machine's folders. Of a file whose last line a kill
has torn, all whole rows are read, and the rest is cut off before the next row is written. An upload may have any values
under the right names: `check_results` tells.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from dr_transformer.errors import InputError, brief, cannot_write
from dr_transformer.training.settings import ATTENTIONS, TASKS, Settings, from_dict, settings_hash

SCHEMA = 1
_ADVICE = "the file is damaged, or `dr-transformer train` did not write it"


@dataclass(frozen=True)
class Row:
    """One finished run. Losses are cross-entropies in nats, of a token or an image; `seconds` is its time on the clock.

    `curve` and `train` are as `trainer.History` makes them. `best_*` is at the evaluation of the least validation loss,
    but for `best_val_accuracy`, the largest of all evaluations (None for text).
    """

    task: str
    preset: str
    settings: dict[str, Any]
    settings_hash: str
    attention: str
    seed: int
    data: dict[str, Any]
    versions: dict[str, str]
    device: dict[str, Any]
    iterations: int
    n_parameters: int
    curve: dict[str, list[Any]]
    train: dict[str, Any]
    best_val_loss: float
    best_step: int
    final_val_loss: float
    best_val_accuracy: float | None
    final_val_accuracy: float | None
    seconds: float
    finished: str
    schema: int = SCHEMA

    @property
    def key(self) -> tuple[str, str, str, int]:
        """Return what tells runs apart."""
        return self.task, self.settings_hash, self.attention, self.seed

    def to_json(self) -> str:
        """One line without its end."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, allow_nan=False)

    def typed_settings(self) -> Settings:
        """The settings as their class. Raises `InputError` for those of another version."""
        return from_dict(self.task, self.settings)


@dataclass(frozen=True)
class Results:
    """The rows of a file; `torn` is how many bytes at its end are no whole row."""

    rows: tuple[Row, ...]
    torn: int = 0


def read_results(path: Path) -> Results:
    """The rows of a file, none if it does not exist. Raises `InputError`."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Results(())
    except OSError as error:
        raise InputError(
            f"the results {str(path)!r} cannot be read ({error.strerror or brief(error)}); choose another file."
        ) from error
    return parse_results(content, path.name)


def parse_results(content: bytes, name: str) -> Results:
    """Do as `read_results`, of a file in memory (an upload)."""
    *lines, rest = content.split(b"\n")
    rows = [_row(line, f"line {number} of {name}") for number, line in enumerate(lines, 1) if line.strip()]
    return Results(tuple(rows), len(rest))


def _row(line: bytes, where: str) -> Row:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is no JSON ({brief(error)}); the file is damaged or is none of results.") from error
    if not isinstance(content, dict) or "schema" not in content:
        raise InputError(f"{where} is no row of results; give a file that `dr-transformer train` wrote.")
    if content["schema"] != SCHEMA:
        raise InputError(
            f"{where} is of schema {content['schema']!r}, but this version reads and writes {SCHEMA}; choose another "
            "file."
        )
    names = {field.name for field in dataclasses.fields(Row)}
    if set(content) != names:
        wrong = sorted(set(content) ^ names)[0]
        raise InputError(
            f"{where} lacks {wrong!r} or should not have it; give a file that `dr-transformer train` wrote."
        )
    return Row(**content)


def check_writable(path: Path) -> None:
    """Raise `InputError` now rather than after the work. An empty file is left where there was none."""
    try:
        with path.open("ab"):
            pass
    except OSError as error:
        raise cannot_write(path, error) from None


@contextlib.contextmanager
def claimed(lock_file: Path, *, wait: bool) -> Iterator[bool]:
    """Tell whether this process has the lock file now; if so, until the end of the block, or of the process.

    With `wait`, it has it once no other process has. The file is there only meanwhile, or after a kill.
    """
    from filelock import FileLock, Timeout  # which most who read results do without

    lock = FileLock(lock_file)
    with contextlib.suppress(Timeout):
        lock.acquire(blocking=wait)
    try:
        yield lock.is_locked
    finally:
        if lock.is_locked:
            with contextlib.suppress(OSError):  # Windows keeps the name of an open file
                lock_file.unlink(missing_ok=True)
            lock.release()


def append(path: Path, row: Row) -> None:
    """Add a row so that it is in the file whole or, after an error (`InputError`), not at all."""
    line = (row.to_json() + "\n").encode()
    try:
        lock_file = path.with_name(f"{path.name}.lock")
        with claimed(lock_file, wait=True), path.open("r+b", buffering=0) as file:
            end = _end_of_rows(file)
            try:
                file.truncate(end)
                file.seek(end)
                while line:
                    line = line[file.write(line) :]
                os.fsync(file.fileno())
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(end)
                raise
    except OSError as error:
        raise InputError(
            f"the row cannot be written to {path.name} ({error.strerror or brief(error)}); make room on the disk, or "
            "choose another file."
        ) from error


def _end_of_rows(file: FileIO) -> int:
    """The position after the last whole line."""
    content = file.readall()
    return content.rfind(b"\n") + 1


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
    """Return what the rows of one comparison share, found once. Raises `InputError` for settings of another version."""
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
"""List what each field must be, in an order in which later ones may rely on earlier ones."""
