"""Runs in the background: shared, stopped when nobody waits for them any more, cached within a memory budget.

Keys are settings (`Dataset.key` and the frozen `Config`), never the bytes of large arrays. A `Runner` is shared by all
sessions of an app; it holds no session's data but the results, which depend on the settings alone.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

from dr_transformer.config import Config
from dr_transformer.data import Dataset
from dr_transformer.run import Run


class Runner:
    """Starts runs, shares equal ones, stops those nobody waits for, forgets the longest unused over the budget."""

    def __init__(self, max_bytes: int = 2**30) -> None:
        self._max_bytes = max_bytes
        self._runs: OrderedDict[Hashable, Run] = OrderedDict()
        self._lock = threading.Lock()

    def submit(self, dataset: Dataset, config: Config, owner: Hashable) -> Run:
        """The run with these settings, started, or taken up again, if need be.

        The owner's earlier run is given up: unless another owner waits for it, it stops at its next sub-step.
        """
        key = (dataset.key, config)
        with self._lock:
            run = self._runs.setdefault(key, Run(dataset, config))
            self._runs.move_to_end(key)
            self._release(owner, keep=run)
            run.owners.add(owner)
            self._trim()
            self._start(run)
        return run

    def release(self, owner: Hashable) -> None:
        """The owner waits for nothing any more."""
        with self._lock:
            self._release(owner, keep=None)

    def _start(self, run: Run) -> None:
        if not run.working and not run.finished:
            run.working = True
            threading.Thread(target=self._work, args=(run,), name="run", daemon=True).start()

    def _work(self, run: Run) -> None:
        run.work()
        with self._lock:
            run.working = False
            if run.owners:  # somebody came back while it stopped
                self._start(run)

    def _release(self, owner: Hashable, keep: Run | None) -> None:
        for run in self._runs.values():
            if run is not keep:
                run.owners.discard(owner)

    def _trim(self) -> None:
        held = sum(run.n_bytes for run in self._runs.values())
        for key, run in list(self._runs.items())[:-1]:
            if held <= self._max_bytes:
                break
            if not run.working:  # a page that still shows it has its own reference
                held -= run.n_bytes
                del self._runs[key]
