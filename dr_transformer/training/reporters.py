"""Tell of the runs, to a person in a terminal or to a program."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from dr_transformer.training.results import Row
    from dr_transformer.training.trainer import Progress


class Reporter(Protocol):
    """Tell of the runs, to a person in a terminal or to the app."""

    def say(self, sentence: str) -> None:
        """Something worth knowing."""

    def found(self, rows: Sequence[Row], total: int, name: str) -> None:
        """So many of all that were asked for are in the file of this name already."""

    def begin(self, number: int, total: int, attention: str, seed: int) -> None:
        """A run begins, or goes on: one of all that were asked for, counted from 1."""

    def step(self, progress: Progress) -> None:
        """The run under way is so far."""

    def finish(self, row: Row) -> None:
        """The run is in the file."""

    def close(self) -> None:
        """Nothing under way is shown any more."""


class Terminal:
    """A bar for the run under way, with its losses and the time all runs still take, and a line for each that ended."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._before = ""
        self._left = 1  # runs, with the one under way
        self._losses: dict[str, str] = {}

    def say(self, sentence: str) -> None:  # noqa: D102
        self.close()
        print(sentence, file=sys.stderr)  # noqa: T201

    def found(self, rows: Sequence[Row], total: int, name: str) -> None:  # noqa: D102
        self._left = total - len(rows)
        if rows:
            self.say(f"{len(rows)} of {total} runs are in {name} already.")

    def begin(self, number: int, total: int, attention: str, seed: int) -> None:  # noqa: D102
        self._before = f"run {number}/{total}: {attention}, seed {seed}"
        self._losses = {}

    def step(self, progress: Progress) -> None:  # noqa: D102
        from tqdm import tqdm

        if self._bar is None:
            n, at = progress.n_iterations, progress.iteration
            self._bar = tqdm(total=n, initial=at, desc=self._before, leave=False, file=sys.stderr)
        if progress.evaluated:
            last = progress.history.evaluations[-1]
            accuracy = {} if last.val_accuracy is None else {"accuracy": f"{last.val_accuracy:.1%}"}
            self._losses = {"val_loss": f"{last.val_loss:.4f}", **accuracy}
        if progress.iteration:
            one = progress.seconds * progress.n_iterations / progress.iteration
            left = one * self._left - progress.seconds
            self._bar.set_postfix({**self._losses, "all": tqdm.format_interval(left)}, refresh=False)
        self._bar.update(progress.iteration - self._bar.n)

    def finish(self, row: Row) -> None:  # noqa: D102
        self._left -= 1
        accuracy = "" if row.best_val_accuracy is None else f", accuracy {row.best_val_accuracy:.2%}"
        self.say(f"{self._before}: best validation loss {row.best_val_loss:.4f}{accuracy}, {row.seconds:.0f} s")

    def close(self) -> None:  # noqa: D102
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class Events:
    """One JSON object a line on standard output; see `engine/training.py`, which reads them."""

    def say(self, sentence: str) -> None:  # noqa: D102
        self._send(event="said", sentence=sentence)

    def found(self, rows: Sequence[Row], total: int, name: str) -> None:  # noqa: D102, ARG002
        self._send(event="found", rows=[json.loads(row.to_json()) for row in rows])

    def begin(self, number: int, total: int, attention: str, seed: int) -> None:  # noqa: D102
        self._send(event="began", number=number, total=total, attention=attention, seed=seed)

    def step(self, progress: Progress) -> None:  # noqa: D102
        if progress.evaluated or progress.iteration % 10 == 0:
            at = {"iteration": progress.iteration, "n_iterations": progress.n_iterations, "seconds": progress.seconds}
            history = progress.history
            self._send(event="step", **at, curve=history.curve(), train=history.averaged())

    def finish(self, row: Row) -> None:  # noqa: D102
        self._send(event="finished", row=json.loads(row.to_json()))

    def close(self) -> None:  # noqa: D102
        pass

    def _send(self, **content: Any) -> None:
        print(json.dumps(content), flush=True)  # noqa: T201
