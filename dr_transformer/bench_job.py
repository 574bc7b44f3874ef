"""The bench as a job of `jobs.Runner`, for the app."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from dr_transformer.bench import Result, run_cases
from dr_transformer.bench_cases import cases
from dr_transformer.errors import InputError
from dr_transformer.jobs import Cancelled


@dataclass(eq=False)
class BenchJob:
    """`results` grows while it is measured; `current` names what is measured now."""

    n_samples: int = 10_000
    results: list[Result] = field(default_factory=list)
    current: str = ""
    progress: float = 0.0
    error: str | None = None
    complete: bool = False
    owners: set[Hashable] = field(default_factory=set)
    working: bool = False
    n_bytes: int = 0  # some numbers

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.complete or self.error is not None

    def work(self) -> None:
        """Measure everything, from the start. Never raises: see `error`."""
        self.results, self.progress = [], 0.0
        try:
            for progress, said in run_cases(list(cases(self.n_samples)), self._check):
                self.progress = progress
                if isinstance(said, Result):
                    self.results.append(said)
                else:
                    self.current = said
            self.complete = True
        except Cancelled:
            return
        except InputError as error:
            self.error = str(error)
        except MemoryError:
            self.error = "this machine has too little memory for the plain references; choose fewer tokens."

    def _check(self) -> None:
        if not self.owners:
            raise Cancelled
