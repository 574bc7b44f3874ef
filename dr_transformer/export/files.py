"""Files out: written whole or not at all, with the settings that made them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dr_transformer import __version__
from dr_transformer.config import Config
from dr_transformer.data.dataset import Dataset
from dr_transformer.data.reading.rows import Choice, in_text
from dr_transformer.errors import NO_ROOM, InputError, cannot_write
from dr_transformer.export.settings import FORMAT, SCHEMA
from dr_transformer.parameters import Declared
from dr_transformer.paths import in_place_of

_VERSIONS = ("numpy", "torch", "matplotlib")


def check_page(path: Path) -> None:
    """Raise `InputError` unless the name of a page ends as one of HTML does."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"cannot write {path.name!r}: the name must end in .html.")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield what `in_place_of` does; an unwritable path is an `InputError` before the work rather than after it.

    So is a disk that is full before the end.
    """
    entered = False
    try:
        with in_place_of(path) as partial:
            entered = True
            yield partial
    except OSError as error:
        if entered and error.errno not in NO_ROOM:
            raise
        raise cannot_write(path, error) from None


def settings(
    config: Config, dataset: Dataset, run: Mapping[str, Any] | None = None, **parts: Declared
) -> dict[str, Any]:
    """Return all that is needed to make a result again, ready for JSON; `settings.from_json` reads it.

    `run`: in which way, if not the plain one. `parts` are further settings by name: `view`, `baselines`, `figure`, ….
    """
    # Not where the images were found: the key says which they are, and a folder's name is nobody else's business.
    data: dict[str, Any] = {"name": dataset.name, "n_samples": dataset.n_samples, "key": dataset.key}
    if dataset.choice != Choice():
        data |= {"label": dataset.choice.label, "drop": in_text(dataset.choice.drop)}
    return described(config, data, run, **parts)


def described(
    config: Config, data: Mapping[str, Any], run: Mapping[str, Any] | None = None, **parts: Declared
) -> dict[str, Any]:
    """`settings` of tokens that are known by their `data` alone: `name`, `n_samples` and `key`."""
    return {
        "format": FORMAT,
        "schema": SCHEMA,
        "config": config.to_dict(),
        "data": dict(data),
        **{name: part.to_dict() for name, part in parts.items()},
        "run": dict(run or {}),
        "versions": {"dr-transformer": __version__} | {name: version(name) for name in _VERSIONS},
    }


def save_npz(
    target: Path,
    embedding: npt.NDArray[np.floating],
    trajectory: npt.NDArray[np.floating] | None,
    config: Config,
    dataset: Dataset,
    *,
    landmarks: npt.NDArray[np.integer] | None = None,
    run: Mapping[str, Any] | None = None,
) -> None:
    """Write `embedding` (n, q), `trajectory` (n_blocks + 1, n, q), `landmarks` (m,), `labels`, `images` and `settings`.

    Those that are None are left out; `run` is as in `settings`.
    """
    arrays: dict[str, Any] = {
        "embedding": embedding,
        "trajectory": trajectory,
        "landmarks": landmarks,
        "labels": dataset.labels,
        "images": dataset.images,
        "settings": np.array(json.dumps(settings(config, dataset, run), ensure_ascii=False)),
    }
    with target.open("wb") as file:  # given a name, numpy would append .npz to it
        np.savez(file, **{name: array for name, array in arrays.items() if array is not None})
