"""The one exception a user of the package can cause: a sentence that says what is wrong and what to do."""

from __future__ import annotations

import errno
import reprlib
from pathlib import Path
from typing import Any

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What an `OSError` says when a file cannot be written on: a full disk, a quota, a limit, a broken device."""
_LONGEST = 60  # letters of a value that a sentence quotes


class InputError(ValueError):
    """Bad input. The message is one clear sentence, fit to be shown to a person as it is.

    `columns` are those of a table that cannot be used as it is, but perhaps without some of them.
    """

    columns: tuple[str, ...] = ()


def cannot_write(path: Path, error: OSError) -> InputError:
    """The `InputError` for a file that `error` did not let us open."""
    reason = {
        FileNotFoundError: "its folder does not exist",
        IsADirectoryError: "it is a folder",
        PermissionError: "permission is denied",
        NotADirectoryError: "its folder is a file",
    }.get(type(error), str(error.strerror))
    return InputError(f"cannot write {str(path)!r}: {reason}; choose another path.")


def quoted(value: Any) -> str:
    """Return a value as a sentence quotes it: short."""
    try:
        text = reprlib.repr(value)
    except ValueError:  # a whole number of more digits than Python writes
        text = "a number of thousands of digits"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def brief(error: BaseException) -> str:
    """Return the last line of an exception's message, short enough for a sentence."""
    lines = [line.strip("<>. ") for line in str(error).splitlines() if line.strip()]
    text = lines[-1] if lines else type(error).__name__
    return text if len(text) <= 160 else text[:157] + "…"
