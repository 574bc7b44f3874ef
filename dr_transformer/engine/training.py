"""A small comparison as a job of `jobs.Runner`, for the app: `dr-transformer train` in a process of its own.

So the interface keeps its processor, cancelling works at once, and what was done is on disk: the next job with the same
settings goes on from there. The process tells of its progress by lines of JSON on its standard output
(`reporters.Events`); the end of its standard input stops it, also when the app is killed.
"""

from __future__ import annotations

import hashlib
import json
import queue
import subprocess
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, ClassVar

from dr_transformer.data.mnist import cache_folder
from dr_transformer.engine.jobs import Background
from dr_transformer.errors import InputError
from dr_transformer.paths import module_command, module_environment
from dr_transformer.training.results import SCHEMA, Row
from dr_transformer.training.runs import Sources
from dr_transformer.training.settings import Settings, task_of

_POLL = 0.2  # seconds after which it is looked whether anybody still waits
_TO_STOP = 8.0  # seconds the process has to save its run when it is to stop


@dataclass(eq=False)
class TrainingJob(Background):
    """All `attentions` with all `seeds`, one after the other.

    `rows` are the finished runs, those of earlier jobs included. `current` is the attention and seed of the run under
    way, `iteration` of `n_iterations` its state, `curve` and `train` its curves so far, as in a `Row`. `messages` are
    sentences for people. All are replaced whole, never changed, so that another thread may read them at any time.
    """

    AT_ONCE: ClassVar = True  # a process of its own computes

    settings: Settings
    attentions: tuple[str, ...]
    seeds: tuple[int, ...]
    sources: Sources = field(default_factory=Sources)
    preset: str = "minute"
    threads: int = 1
    folder: Path | None = None
    rows: tuple[Row, ...] = ()
    current: tuple[str, int] | None = None
    iteration: int = 0
    n_iterations: int = 0
    curve: dict[str, list[Any]] = field(default_factory=dict)
    train: dict[str, Any] = field(default_factory=dict)
    messages: tuple[str, ...] = ()
    _run_seconds: float = 0.0

    @property
    def n_runs(self) -> int:
        """Return how many runs there are in all."""
        return len(self.attentions) * len(self.seeds)

    @property
    def progress(self) -> float:
        """The share that is done, 0 to 1."""
        under_way = self.iteration / self.n_iterations if self.n_iterations else 0.0
        return min(1.0, (len(self.rows) + under_way) / self.n_runs)

    @property
    def seconds_left(self) -> float | None:
        """Return how long the rest will take at the pace of the run under way, or of the last; None before
        there is one.
        """
        if self.iteration and self.n_iterations:
            one = self._run_seconds * self.n_iterations / self.iteration
        elif self.rows:
            one = self.rows[-1].seconds
        else:
            return None
        return one * self.n_runs * (1 - self.progress)

    @property
    def n_bytes(self) -> int:
        """Memory held, about."""
        return 20_000 * (len(self.rows) + 1)

    def _work(self) -> None:
        """Go on where the results on disk leave off."""
        self.rows, self.messages = (), ()
        self._begin(None)
        with tempfile.TemporaryFile() as said, self._started(said) as process:
            lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
            reader = threading.Thread(target=_read, args=(process, lines), name="training", daemon=True)
            reader.start()
            try:
                self._follow(lines)
            finally:
                _stop(process)
                reader.join()
                self._begin(None)
            if process.returncode:
                raise InputError(_last_sentence(said, process.returncode))
        self.complete = True

    def _started(self, said: IO[bytes]) -> subprocess.Popen[bytes]:
        command = [*module_command("dr_transformer"), *self._arguments()]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=said, env=module_environment())

    def _arguments(self) -> list[str]:
        task = task_of(self.settings)
        flags = {
            "preset": self.preset,
            "attention": ",".join(self.attentions),
            "seeds": ",".join(map(str, self.seeds)),
            "out": self._out(task),
            "threads": self.threads,
            **{name: value for name, value in vars(self.sources).items() if value is not None},
        }
        arguments = ["train", task, "--events"]
        for name, value in flags.items():
            arguments.append(f"--{name.replace('_', '-')}={value}")
        for name, value in self.settings.to_dict().items():
            flag = name.replace("_", "-")
            arguments.append(f"--{'' if value else 'no-'}{flag}" if isinstance(value, bool) else f"--{flag}={value}")
        return arguments

    def _out(self, task: str) -> Path:
        """One file for all jobs that differ in seeds and variants alone."""
        content = json.dumps([task, self.settings.to_dict(), {n: str(v) for n, v in vars(self.sources).items()}])
        name = f"{task}-{SCHEMA}-{hashlib.sha256(content.encode()).hexdigest()[:16]}.jsonl"
        folder = self.folder
        try:
            folder = cache_folder() / "training" if folder is None else folder
            folder.mkdir(parents=True, exist_ok=True)
        except (OSError, RuntimeError) as error:  # RuntimeError: there is no home folder
            raise InputError(f"there is no folder to keep results in ({error}); set XDG_CACHE_HOME to one.") from error
        return folder / name

    def _follow(self, lines: queue.SimpleQueue[bytes | None]) -> None:
        """Take in what the process tells until it ends. Raises `Cancelled`."""
        while True:
            self._check()
            try:
                line = lines.get(timeout=_POLL)
            except queue.Empty:
                continue
            if line is None:
                return
            event = json.loads(line)
            getattr(self, f"_on_{event.pop('event')}")(**event)

    def _on_said(self, sentence: str) -> None:
        self.messages = (*self.messages, sentence)

    def _on_found(self, rows: list[dict[str, Any]]) -> None:
        self.rows = tuple(Row(**row) for row in rows)

    def _on_began(self, attention: str, seed: int, **_: Any) -> None:
        self._begin((attention, seed))

    def _on_step(
        self, iteration: int, n_iterations: int, seconds: float, curve: dict[str, Any], train: dict[str, Any]
    ) -> None:
        self.curve, self.train, self._run_seconds = curve, train, seconds
        self.iteration, self.n_iterations = iteration, n_iterations

    def _on_finished(self, row: dict[str, Any]) -> None:
        self._begin(None)
        self.rows = (*self.rows, Row(**row))

    def _begin(self, current: tuple[str, int] | None) -> None:
        self.iteration, self.n_iterations = 0, 0
        self.current, self.curve, self.train = current, {}, {}


def _read(process: subprocess.Popen[bytes], lines: queue.SimpleQueue[bytes | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(None)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Let it save its run and end; or end it."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(_TO_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_sentence(said: IO[bytes], status: int) -> str:
    said.seek(0)
    lines = [line.strip() for line in said.read().decode(errors="replace").splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    if status == 2 and last.startswith("dr-transformer: "):
        return last.removeprefix("dr-transformer: ")
    reason = f" ({last})" if last else ""
    return f"the training process ended with status {status}{reason}; start it again: it goes on from its last save."
