"""Scores on disk by their settings, in one SQLite database, so that a sweep is paid for once.

What cannot be read is computed again, what cannot be written is not kept, and a damaged database is begun again: a
cache never fails. Each score has a checksum over its settings and itself, for a disk that ended half way keeps pages of
either time. The longest unused scores go once there are more than `max_cells`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dr_transformer.data.mnist import cache_folder
from dr_transformer.quality.metrics import METRICS
from dr_transformer.quality.scores import Quality

CACHE_VARIABLE = "DR_TRANSFORMER_CACHE"
MAX_CELLS = 20_000  # of about 2 kB each
_DIGEST = 32  # letters
_NEXT = "(SELECT COALESCE(MAX(used), 0) + 1 FROM cells)"  # a count of uses, for a clock may be set back
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
                cells.execute(f"UPDATE cells SET used = {_NEXT} WHERE settings = ?", [key])
                text = row[0][_DIGEST:]
                if _checked(key, text) != row[0]:
                    return None
                found = Quality(**json.loads(text))
                return found if list(found.figures) == list(METRICS) else None  # another version's metrics
        return None

    def put(self, settings: Mapping[str, Any], quality: Quality) -> None:
        """Keep scores for these settings."""
        with contextlib.suppress(OSError, sqlite3.Error), self._opened() as cells:
            key = _key(settings)
            row = [key, _checked(key, json.dumps(asdict(quality), allow_nan=False))]
            cells.execute(f"INSERT OR REPLACE INTO cells VALUES (?, ?, {_NEXT})", row)
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
            # What Python itself says, as of a text that is none, has no code.
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_CORRUPT:
                self.path.unlink()
            raise


def _key(settings: Mapping[str, Any]) -> str:
    return json.dumps(dict(settings), sort_keys=True, allow_nan=False)


def _checked(key: str, text: str) -> str:
    """Return the text after a checksum of `_DIGEST` letters, over the key too."""
    return hashlib.blake2b(f"{key}\n{text}".encode(), digest_size=_DIGEST // 2).hexdigest() + text


def _default_path() -> Path:
    given = os.environ.get(CACHE_VARIABLE)
    return (Path(given).expanduser() if given else cache_folder()) / "sweep.sqlite"
