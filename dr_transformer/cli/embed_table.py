"""The files of `dr-transformer embed`: all of them whole, or none."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dr_transformer.cli.embed_config import Asked
from dr_transformer.config import ViewConfig
from dr_transformer.data.dataset import Dataset
from dr_transformer.errors import InputError
from dr_transformer.export import script as reproduce
from dr_transformer.export import session_file, tables
from dr_transformer.export.files import save_npz, settings, whole_file
from dr_transformer.types import Floats


class Targets(NamedTuple):
    """Where to write: the table, a CSV's settings beside it, and the script; None where there is none."""

    table: Path
    session: Path | None
    script: Path | None


def session_beside(asked: Asked) -> Path | None:
    """The session file that holds a CSV's settings, named as the app names it."""
    return asked.out.with_name(asked.out.stem + session_file.SUFFIX) if asked.suffix == ".csv" else None


@contextlib.contextmanager
def targets(asked: Asked) -> Iterator[Targets]:
    """Temporary neighbours of the files, which become these only if the block ends well. Raises `InputError`."""
    session = session_beside(asked)
    if session is not None:
        _check_replaceable(session)
    with contextlib.ExitStack() as stack:
        table, *others = (
            None if path is None else stack.enter_context(whole_file(path))
            for path in (asked.out, session, asked.script)
        )
        assert table is not None
        yield Targets(table, *others)


def write(
    to: Targets,
    asked: Asked,
    dataset: Dataset,
    blocks: list[Floats],
    landmarks: npt.NDArray[np.intp] | None,
    run: Mapping[str, Any],
) -> None:
    """Write all files. `blocks` are those asked for, each (n, k), and the last of them is the embedding.

    `run`: in which way they were computed, if not the plain one.
    """
    how = asked.how
    if asked.as_a_table:
        made_with = table_settings(asked, dataset, run)
        to.table.write_bytes(tables.encode(asked.suffix, blocks[-1], dataset, made_with))
        if to.session is not None:
            to.session.write_bytes(session_file.dump(made_with))
    else:
        every = np.stack(blocks) if asked.trajectory else None
        save_npz(to.table, blocks[-1], every, asked.config, dataset, landmarks=landmarks, run=run)
    if to.script is not None:
        source = reproduce.script(
            asked.config,
            dataset,
            how.method,
            block=asked.block if asked.of_the_transformer else None,
            baselines=asked.baselines,
            landmarks=how.landmarks,
            landmark_choice=how.landmark_choice,
        )
        to.script.write_text(source, encoding="utf-8")


def table_settings(asked: Asked, dataset: Dataset, run: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a table, as the app writes them (`export.job.TableJob.made_with`), in the paper's view."""
    of: dict[str, Any] = {"method": asked.how.method}
    if asked.of_the_transformer:
        of |= {"block": asked.block, "coordinates": "all"}
    parts = {} if asked.of_the_transformer else {"baselines": asked.baselines}
    return settings(asked.config, dataset, {**of, **run}, view=ViewConfig(), **parts)


def _check_replaceable(session: Path) -> None:
    """Raise `InputError` if a file of this name holds more than settings: somebody's notes or selection, say."""
    if not session.is_file():
        return
    try:
        kept = session_file.load(session.read_bytes(), session.name)
        more = bool(kept.selection or kept.notes or kept.depth is not None)
    except (InputError, OSError):
        more = True
    if more:
        raise InputError(
            f"{session.name} would hold the settings of the CSV, but a file of this name holds other things already; "
            "choose another name for the CSV."
        )
