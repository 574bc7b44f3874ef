"""One run: from a seed and settings to a finished row of results.

For one seed all variants start from the same weights and see the same batches and dropout masks. Nothing global is
seeded. All randomness is a function of (seed, iteration, micro-batch), so a run that goes on from a checkpoint gives
the very curve of one that was never stopped (on a CPU to the last bit), and several processes share the micro-batches
of one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from dr_transformer.errors import InputError
from dr_transformer.training.data import TaskData
from dr_transformer.training.parallel import ALONE, Processes
from dr_transformer.training.results import Row
from dr_transformer.training.settings import RunConfig, Settings
from dr_transformer.training.trainer import Progress, Trainer


class Stopped(Exception):  # noqa: N818 - it is no error
    """The run was asked to stop after `iteration`; `saved` says whether a checkpoint has it."""

    def __init__(self, iteration: int, saved: bool) -> None:
        super().__init__(f"stopped after iteration {iteration}")
        self.iteration, self.saved = iteration, saved


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
        trainer.load(checkpoint)
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
                trainer.save(checkpoint)
            raise Stopped(trainer.iteration, checkpoint is not None)
        if checkpoint is not None and time.monotonic() - last_save >= trainer.run.checkpoint_seconds:
            last_save = time.monotonic()
            try:
                trainer.save(checkpoint)
            except InputError as error:
                (warn or (lambda _: None))(f"{error} Training goes on.")
