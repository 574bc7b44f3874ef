"""Scores on disk by their settings, in one SQLite database, so that a sweep is paid for once.

What cannot be read is computed again, what cannot be written is not kept, and a damaged database is begun again: a
cache never fails. The longest unused scores go once there are more than `max_cells`.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dr_transformer.data.mnist import cache_folder
from dr_transformer.quality.metrics import METRICS
from dr_transformer.quality.scores import Quality

CACHE_VARIABLE = "DR_TRANSFORMER_CACHE"
MAX_CELLS = 20_000  # of about 2 kB each
_WAIT = 5.0  # seconds for another process that is writing


class SweepCache:
    """Scores by settings, in the file `path`.

    By default that is `sweep.sqlite` in the folder that the environment variable `DR_TRANSFORMER_CACHE` names, or else
    beside the downloads (`data.mnist.cache_folder`).
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, max_cells: int = MAX_CELLS) -> None:
        self._max_cells = max_cells
        self.path: Path | None
        try:
            self.path = _default_path() if path is None else Path(path)
        except RuntimeError:  # there is no home folder
            self.path = None

    def get(self, settings: Mapping[str, Any]) -> Quality | None:
        """Return what was kept for these settings (plain values, fit for JSON), if it is there."""
        with contextlib.suppress(OSError, sqlite3.Error, ValueError, TypeError), self._opened() as cells:
            key = _key(settings)
            row = cells.execute("SELECT quality FROM cells WHERE settings = ?", [key]).fetchone()
            if row is not None:
                cells.execute("UPDATE cells SET used = ? WHERE settings = ?", [time.time(), key])
                found = Quality(**json.loads(row[0]))
                return found if list(found.figures) == list(METRICS) else None  # another version's metrics
        return None

    def put(self, settings: Mapping[str, Any], quality: Quality) -> None:
        """Keep scores for these settings."""
        with contextlib.suppress(OSError, sqlite3.Error), self._opened() as cells:
            row = [_key(settings), json.dumps(asdict(quality), allow_nan=False), time.time()]
            cells.execute("INSERT OR REPLACE INTO cells VALUES (?, ?, ?)", row)
            cells.execute(
                "DELETE FROM cells WHERE settings IN (SELECT settings FROM cells ORDER BY used DESC LIMIT -1 OFFSET ?)",
                [self._max_cells],
            )

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """Yield the database, whose changes are kept if nothing is raised."""
        if self.path is None:
            raise FileNotFoundError
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with contextlib.closing(sqlite3.connect(self.path, _WAIT)) as cells, cells:
                cells.execute("PRAGMA synchronous = OFF")  # do not wait for the disk: what is lost is computed again
                cells.execute("CREATE TABLE IF NOT EXISTS cells (settings TEXT PRIMARY KEY, quality TEXT, used REAL)")
                cells.execute("CREATE INDEX IF NOT EXISTS by_use ON cells (used)")
                yield cells
        except sqlite3.DatabaseError as error:  # a file of another kind has another code, and stays
            if error.sqlite_errorcode == sqlite3.SQLITE_CORRUPT:
                self.path.unlink()
            raise


def _key(settings: Mapping[str, Any]) -> str:
    return json.dumps(dict(settings), sort_keys=True, allow_nan=False)


def _default_path() -> Path:
    given = os.environ.get(CACHE_VARIABLE)
    return (Path(given).expanduser() if given else cache_folder()) / "sweep.sqlite"
