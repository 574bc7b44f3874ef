"""One run: from a seed and settings to a finished row of results.

For one seed all variants start from the same weights and see the same batches and dropout masks. Nothing global is
seeded. All randomness is a function of (seed, iteration, micro-batch), so a run that goes on from a checkpoint gives
the very curve of one that was never stopped (on a CPU to the last bit), and several processes share the micro-batches
of one. A checkpoint is whole, and the one before it is kept until it is.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from dr_transformer.errors import InputError, brief
from dr_transformer.paths import in_place_of
from dr_transformer.training.data import TaskData
from dr_transformer.training.parallel import ALONE, Processes
from dr_transformer.training.results import Row
from dr_transformer.training.settings import RunConfig, Settings
from dr_transformer.training.trainer import Progress, Trainer

_FORMAT = 1  # of checkpoints


class Stopped(Exception):  # noqa: N818 - it is no error
    """The run was asked to stop after `iteration`; `saved` says whether a checkpoint has it."""

    def __init__(self, iteration: int, saved: bool) -> None:
        super().__init__(f"stopped after iteration {iteration}")
        self.iteration, self.saved = iteration, saved


class SaveError(InputError):
    """A checkpoint could not be saved; the one before is as it was."""


def train(
    settings: Settings,
    attention: str,
    seed: int,
    *,
    data: TaskData,
    preset: str = "",
    run: RunConfig | None = None,
    checkpoint: Path | None = None,
    processes: Processes = ALONE,
    on_step: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    warn: Callable[[str], None] | None = None,
) -> Row:
    """Train one model and return its row; every process of several returns the same.

    With a `checkpoint` (a path), the run goes on from it if it is there, saves itself to it every
    `run.checkpoint_seconds`, and when it is stopped. A save that fails in between is said to `warn`, and training goes
    on. `should_stop` is asked after each iteration. Raises `Stopped`, and `InputError` for bad input, for a loss that
    is no longer finite, and if the last save fails.
    """
    trainer = Trainer(settings, attention, seed, data, run or RunConfig(), processes)
    if checkpoint is not None:
        resume(trainer, checkpoint)
    tell, last_save = on_step or (lambda _: None), time.monotonic()
    while True:
        evaluated = trainer.evaluate_if_due()
        if evaluated or trainer.due_to_log:
            tell(trainer.progress(evaluated))
        if trainer.iteration == trainer.n_iterations:
            return trainer.row(preset)
        trainer.step()
        if processes.any(should_stop is not None and should_stop()):
            if checkpoint is not None:
                _save(trainer, checkpoint)
            raise Stopped(trainer.iteration, checkpoint is not None)
        if checkpoint is not None and time.monotonic() - last_save >= trainer.run.checkpoint_seconds:
            last_save = time.monotonic()
            try:
                _save(trainer, checkpoint)
            except InputError as error:
                (warn or (lambda _: None))(f"{error} Training goes on.")


def resume(trainer: Trainer, path: Path) -> None:
    """Go on from a checkpoint, if there is one. Raises `InputError` for one of another run."""
    content = load_checkpoint(path, trainer.device)
    if content is not None:
        if content["run"] != trainer.identity:
            raise InputError(f"the checkpoint {path} is of another run; delete it to begin this run again.")
        trainer.restore(content)
    trainer.processes.check_equal("the checkpoint", trainer.iteration)


def _save(trainer: Trainer, path: Path) -> None:
    """Write where a run is, by the first process alone; the others read their losses with it."""
    state = trainer.state()
    if trainer.processes.rank == 0:
        save_checkpoint(path, state)


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write `content` (tensors and plain values): it is at `path` whole, or what was there before is."""
    try:
        with in_place_of(path) as partial, partial.open("wb") as file:
            torch.save({"format": _FORMAT, **content}, file)
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(path.parent)
    except (OSError, RuntimeError) as error:  # torch's writer of archives turns a full disk into a RuntimeError
        kept = "the one before is kept" if path.exists() else "there is none before it"
        raise SaveError(
            f"the checkpoint {path.name} cannot be saved ({_reason(error)}); {kept}; make room on the disk."
        ) from error


def load_checkpoint(path: Path, device: torch.device) -> dict[str, Any] | None:
    """Return what was saved, or None if there is nothing. Raises `InputError` for a file that cannot be read."""
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise InputError(f"the checkpoint {path} is of another version; delete it to begin this run again.")
    except InputError:
        raise
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError, pickle.UnpicklingError) as error:
        raise InputError(
            f"the checkpoint {path} cannot be read ({brief(error)}); delete it to begin this run again."
        ) from error
    return content


def _reason(error: BaseException) -> str:
    """Return that of the disk, whatever torch made of it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return brief(error)


def _sync_folder(folder: Path) -> None:
    """So that the new name outlives a power cut, where folders can be synchronised."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
