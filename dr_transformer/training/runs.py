"""All runs of a comparison, one after the other, each a row of a results file; those the file has are left out.

Only one process makes a run: the others that are asked for it wait, and find it made. Imports torch only once it works,
as `cli/commands.py` does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dr_transformer.errors import InputError
from dr_transformer.paths import launched
from dr_transformer.training.reporters import Events, Reporter, Terminal
from dr_transformer.training.settings import RunConfig, Settings, settings_hash

if TYPE_CHECKING:
    from dr_transformer.training.data import TaskData
    from dr_transformer.training.parallel import Processes
    from dr_transformer.training.results import Row

_STOPPED = 130  # the exit status
_AGAIN = 1.0  # seconds until it is looked again whether others have made the runs that are left


@dataclass(frozen=True)
class Sources:
    """Name where the data are: a text or token files for lm; a data set, its folder and how many images for vit."""

    text: Path | None = None
    tokens: Path | None = None
    dataset: str | None = None
    data_folder: Path | None = None
    n_samples: int | None = None


@dataclass(frozen=True)
class Plan:
    """All runs asked for: those of one seed follow each other, so that a comparison that is stopped has whole pairs."""

    task: str
    preset: str
    settings: Settings
    attentions: Sequence[str]
    seeds: Sequence[int]
    sources: Sources
    out: Path
    run: RunConfig

    @property
    def runs(self) -> list[tuple[int, str]]:
        """Seed and attention of each."""
        return [(seed, attention) for seed in self.seeds for attention in self.attentions]


def train_all(plan: Plan, threads: int | None, *, events: bool) -> int:
    """Make the runs that the file does not have yet; returns the exit status, 130 if it was asked to stop."""
    import torch

    from dr_transformer.hardware.devices import out_of_memory

    if threads is not None:
        if threads < 1:
            raise InputError(f"the number of threads must be at least 1, but is {threads}.")
        torch.set_num_threads(threads)
    reporter: Reporter = Events() if events else Terminal()
    with _stop_by_signal() as stop, _joined(plan) as processes:
        if events:
            if hasattr(os, "nice"):
                os.nice(5)  # the page that somebody looks at comes first
            threading.Thread(target=_stop_at_end_of_input, args=(stop,), name="input", daemon=True).start()
        try:
            return _train_all(plan, processes, reporter, stop)
        except KeyboardInterrupt:
            reporter.say("Ended at once. The same command goes on from the last checkpoint.")
            return _STOPPED
        except _lost() as error:
            reporter.close()
            # Every process says so itself, for the first may be the one that died.
            here = f"rank {processes.rank} of {processes.size}"
            way_on = "the same command goes on from the last checkpoint"
            print(f"dr-transformer: {here} {error}; the run has ended, and {way_on}.", file=sys.__stderr__)
            raise SystemExit(1) from None
        except (RuntimeError, MemoryError) as error:
            if isinstance(error, RuntimeError) and not out_of_memory(error):
                raise
            raise InputError(
                "there is too little memory for this model; choose a smaller batch_size, and more "
                "gradient_accumulation_steps to make up for it."
            ) from error
        finally:
            reporter.close()


def _lost() -> tuple[type[Exception], ...]:
    """Return what is raised where there are other processes and one of them is gone."""
    if not launched():
        return ()
    from dr_transformer.model.distributed import LostRankError

    return (LostRankError,)


def _train_all(plan: Plan, processes: Processes, reporter: Reporter, stop: threading.Event) -> int:
    from dr_transformer.training.results import append, check_writable

    first = processes.rank == 0
    with processes.agreed():
        if first:
            check_writable(plan.out)
        data = load_data(plan.task, plan.preset, plan.sources, reporter.say)
        data.check(plan.settings)
    processes.check_equal("the data set", data.info.sha256)
    found = _finished(plan, data, processes, reporter.say)
    reporter.found(found, len(plan.runs), plan.out.name)
    known = {(row.seed, row.attention) for row in found}
    left = [run for run in plan.runs if run not in known]
    if first:
        for seed, attention in known:  # left by a kill between the row and this
            checkpoint_path(plan, data, attention, seed).unlink(missing_ok=True)
    refused = 0
    while left:
        seed, attention = left.pop(0)
        checkpoint = checkpoint_path(plan, data, attention, seed)
        with _claimed(checkpoint, processes) as ours:
            if processes.any(stop.is_set()):
                return _STOPPED
            if not ours:  # another process makes this run, so first the others
                left.append((seed, attention))
                refused += 1
                if refused >= len(left):
                    stop.wait(_AGAIN)
                continue
            refused = 0
            rows = _finished(plan, data, processes)
            if (seed, attention) in {(row.seed, row.attention) for row in rows}:  # made meanwhile
                reporter.found(rows, len(plan.runs), plan.out.name)
            else:
                reporter.begin(plan.runs.index((seed, attention)) + 1, len(plan.runs), attention, seed)
                row = _make(plan, data, seed, attention, checkpoint, processes, reporter, stop)
                if row is None:
                    return _STOPPED
                with processes.agreed():
                    if first:
                        append(plan.out, row)
                reporter.finish(row)
            if first:
                checkpoint.unlink(missing_ok=True)
    return 0


def load_data(task: str, preset: str, sources: Sources, say: Callable[[str], None]) -> TaskData:
    """Return what a task learns from. Raises `InputError`, also for sources that are not of this task."""
    if task == "vit":
        from dr_transformer.training.images import load_images

        if sources.text or sources.tokens:
            raise InputError("vit learns from images: --text and --tokens are for lm.")
        dataset = sources.dataset or ("imagenet16" if preset == "imagenet16" else "mnist")
        return load_images(dataset, sources.data_folder, say, sources.n_samples)
    from dr_transformer.training.text import load_text, load_tokens

    if sources.dataset or sources.data_folder or sources.n_samples:
        raise InputError("lm learns from text: --dataset, --data-folder and --n-samples are for vit.")
    if sources.text and sources.tokens:
        raise InputError("lm learns from one thing: give --text or --tokens, not both.")
    if sources.tokens:
        return load_tokens(sources.tokens, say)
    if preset == "gpt2" and not sources.text:
        raise InputError("gpt2 learns from token files: give --tokens, the folder of train.bin and val.bin, or --text.")
    return load_text(sources.text, say)


def _make(
    plan: Plan,
    data: TaskData,
    seed: int,
    attention: str,
    checkpoint: Path,
    processes: Processes,
    reporter: Reporter,
    stop: threading.Event,
) -> Row | None:
    """One run; None if it was stopped, and saved."""
    from dr_transformer.training.loop import Stopped, train

    try:
        return train(
            plan.settings,
            attention,
            seed,
            data=data,
            preset=plan.preset,
            run=plan.run,
            checkpoint=checkpoint,
            processes=processes,
            on_step=reporter.step,
            should_stop=stop.is_set,
            warn=reporter.say,
        )
    except Stopped as stopped:
        reporter.say(
            f"Stopped at iteration {stopped.iteration} of {attention} attention, seed {seed}. "
            "The same command goes on from there."
        )
        return None


@contextlib.contextmanager
def _claimed(checkpoint: Path, processes: Processes) -> Iterator[bool]:
    """Tell all processes whether the first has this run now. Raises `InputError` if its lock file cannot be made."""
    from dr_transformer.training.results import claimed

    with contextlib.ExitStack() as stack:

        def claim() -> bool:
            try:
                return stack.enter_context(claimed(checkpoint.with_suffix(".lock"), wait=False))
            except OSError as error:
                why = error.strerror or str(error)
                raise InputError(
                    f"nothing can be written beside the results ({why}); choose another folder."
                ) from error

        yield processes.share(claim)


def checkpoint_path(plan: Plan, data: TaskData, attention: str, seed: int) -> Path:
    """Return where a run under way is saved: beside the results."""
    run = f"{plan.task}-{settings_hash(plan.task, plan.settings, data.info.sha256)}-{attention}-{seed}"
    return plan.out.with_name(f"{plan.out.name}.{run}.checkpoint")


def _finished(plan: Plan, data: TaskData, processes: Processes, say: Callable[[str], None] | None = None) -> list[Row]:
    """The rows of the runs asked for that the file has."""
    from dr_transformer.training.results import read_results

    def read() -> list[Row]:
        results = read_results(plan.out)
        if results.torn and say is not None:
            torn = f"The last {results.torn} bytes of {plan.out.name}"
            say(f"{torn} are no whole row, as after a kill; they are left out.")
        key = plan.task, settings_hash(plan.task, plan.settings, data.info.sha256)
        runs = set(plan.runs)
        return [row for row in results.rows if row.key[:2] == key and (row.seed, row.attention) in runs]

    return processes.share(read)


@contextlib.contextmanager
def _joined(plan: Plan) -> Iterator[Processes]:
    """Return all processes of the run, or this alone."""
    from dr_transformer.training.parallel import ALONE, Processes

    if not launched():
        yield ALONE
        return
    from dr_transformer.config import Config
    from dr_transformer.model.distributed import joined

    with joined(Config(device=plan.run.device), 1800) as ranks:
        processes = Processes(ranks)
        with processes.agreed():
            if plan.task != "lm":
                raise InputError(f"{plan.task} runs in one process; start it without torchrun.")
            processes.check(plan.settings)
        yield processes


@contextlib.contextmanager
def _stop_by_signal() -> Iterator[threading.Event]:
    """Ctrl-C, or SIGTERM, is to stop after the iteration under way; a second Ctrl-C stops at once."""
    stop, interrupts = threading.Event(), 0

    def handle(number: int, _: object) -> None:
        nonlocal interrupts
        interrupts += number == signal.SIGINT
        if interrupts > 1 and not launched():  # a launcher passes on what the terminal has sent, too
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop_at_end_of_input(stop: threading.Event) -> None:
    """Whoever started this process has gone, or closed its input to stop it."""
    with contextlib.suppress(OSError):
        while os.read(0, 4096):  # not sys.stdin, which the end of Python would wait for
            pass
    stop.set()
