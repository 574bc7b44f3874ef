"""Only one process makes a run: the others that are asked for it wait, and find it made."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from dr_transformer.errors import InputError

try:
    import fcntl
except ImportError:  # a system without these locks: whoever starts a run twice there makes it twice
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Whether this process has the run of this lock file now; if so, until the end of the block, or of the process.

    Raises `InputError` if the file cannot be made.
    """
    if fcntl is None:
        yield True
        return
    try:
        opened = path.open("ab", buffering=0)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"nothing can be written beside the results ({reason}); choose another folder.") from error
    with opened as file:
        if not _lock(file, path):
            yield False
            return
        try:
            yield True
        finally:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(file: FileIO) -> Iterator[None]:
    """Wait until no other process has the file locked, and lock it."""
    if fcntl is None:
        yield
        return
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _lock(file: FileIO, path: Path) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever had it may have removed the file meanwhile: then this is the lock of nothing.
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False
