"""Quality figures on disk, one small file for each setting, so that a sweep is paid for once.

A file is named by the SHA-256 of the settings, holds them too, and is believed only if they are the ones asked for. It
appears whole or not at all. What cannot be read is computed again; what cannot be written is not kept: a cache never
fails. The longest unused files go once there are more than `max_files`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dr_transformer.data.mnist import cache_folder
from dr_transformer.paths import in_place_of
from dr_transformer.quality.metrics import METRICS
from dr_transformer.quality.scores import Quality

CACHE_VARIABLE = "DR_TRANSFORMER_CACHE"
MAX_FILES = 20_000  # of about 2 kB each
_TRIM_EVERY = 100  # writes: a look at 20 000 files takes a tenth of a second
_STALE = 3600.0  # seconds after which a temporary file is no one's


class SweepCache:
    """Figures by settings, in `folder`.

    By default in `sweep` of the folder that the environment variable `DR_TRANSFORMER_CACHE` names, or else beside the
    downloads (`data.mnist.cache_folder`).
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, max_files: int = MAX_FILES) -> None:
        self._max_files = max_files
        self._writes = 0
        self.folder: Path | None
        try:
            self.folder = _default_folder() if folder is None else Path(folder)
        except RuntimeError:  # there is no home folder
            self.folder = None

    def get(self, settings: Mapping[str, Any]) -> Quality | None:
        """What was kept for these settings (plain values, fit for JSON), if it is there and whole."""
        path = self.path(settings)
        if path is None:
            return None
        try:
            content = json.loads(path.read_bytes())
            if content["settings"] != dict(settings):
                return None
            found = _quality(content)
            os.utime(path)  # used now, so the last to go
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return found

    def put(self, settings: Mapping[str, Any], quality: Quality) -> None:
        """Keep figures for these settings."""
        path = self.path(settings)
        if path is None:
            return
        content = {
            "settings": dict(settings),
            "figures": quality.figures,
            "missing": quality.missing,
            "n_samples": quality.n_samples,
            "n_total": quality.n_total,
            "random_state": quality.random_state,
        }
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with in_place_of(path, shared=True) as partial:
                partial.write_bytes(json.dumps(content, allow_nan=False).encode())
            if self._writes % _TRIM_EVERY == 0:
                self._trim(path.parent)
            self._writes += 1

    def path(self, settings: Mapping[str, Any]) -> Path | None:
        """The file of these settings; None if there is no folder to keep it in."""
        if self.folder is None:
            return None
        canonical = json.dumps(dict(settings), sort_keys=True, allow_nan=False)
        return self.folder / f"{hashlib.sha256(canonical.encode()).hexdigest()}.json"

    def _trim(self, folder: Path) -> None:
        used: list[tuple[float, Path]] = []
        for path in folder.iterdir():
            with contextlib.suppress(OSError):  # another process may trim too
                age = path.stat().st_mtime
                if path.suffix == ".json":
                    used.append((age, path))
                elif path.suffix == ".part" and age < time.time() - _STALE:
                    path.unlink()
        for _, path in sorted(used)[: max(0, len(used) - self._max_files)]:
            with contextlib.suppress(OSError):
                path.unlink()


def _default_folder() -> Path:
    given = os.environ.get(CACHE_VARIABLE)
    return (Path(given).expanduser() if given else cache_folder()) / "sweep"


def _quality(content: Any) -> Quality:
    """The figures in a file's content; raises one of what `get` catches if they are not what they should be."""
    figures, missing = content["figures"], content["missing"]
    if list(figures) != list(METRICS) or set(missing) != {name for name in METRICS if figures[name] is None}:
        raise ValueError("other metrics than this version's")
    if not all(value is None or (type(value) is float and math.isfinite(value)) for value in figures.values()):
        raise ValueError("not numbers")
    if not all(isinstance(reason, str) for reason in missing.values()):
        raise ValueError("not reasons")
    counts = [content[name] for name in ("n_samples", "n_total", "random_state")]
    if not all(type(count) is int for count in counts):
        raise ValueError("not counts")
    return Quality(figures, missing, *counts)
