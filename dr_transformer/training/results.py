"""Files of results: JSON lines, one row a finished run, appended whole.

A row has what is needed to make its run again and nothing of the machine's folders. Of a file whose last line a kill
has torn, all whole rows are read, and the rest is cut off before the next row is written.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from dr_transformer.data.user_files import brief
from dr_transformer.errors import InputError, cannot_write
from dr_transformer.training.locks import locked
from dr_transformer.training.settings import Settings, from_dict

SCHEMA = 1


@dataclass(frozen=True)
class Row:
    """One finished run. Losses are cross-entropies in nats, of a token or an image; `seconds` is its time on the clock.

    `curve` and `train` are as `history.History` makes them. `best_*` is at the evaluation of the least validation loss,
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
        """What tells runs apart."""
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
    """As `read_results`, of a file in memory (an upload)."""
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


def append(path: Path, row: Row) -> None:
    """Add a row so that it is in the file whole or, after an error (`InputError`), not at all."""
    line = (row.to_json() + "\n").encode()
    try:
        with path.open("r+b", buffering=0) as file, locked(file):
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
