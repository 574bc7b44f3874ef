"""The bench as a job of `jobs.Runner`, for the app."""

from __future__ import annotations

from dataclasses import dataclass, field

from dr_transformer.bench.bench import Result, run_cases
from dr_transformer.bench.cases import cases
from dr_transformer.engine.jobs import Background


@dataclass(eq=False)
class BenchJob(Background):
    """`results` grows while it is measured; `current` names what is measured now."""

    n_samples: int = 10_000
    results: list[Result] = field(default_factory=list)
    current: str = ""
    progress: float = 0.0

    def _work(self) -> None:
        """From the start: what was stopped begins anew."""
        self.results, self.progress = [], 0.0
        for progress, said in run_cases(list(cases(self.n_samples)), self._check):
            self.progress = progress
            if isinstance(said, Result):
                self.results.append(said)
            else:
                self.current = said
        self.complete = True
