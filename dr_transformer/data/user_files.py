"""The user's own files into arrays: which reader takes a file, and one sentence for whatever it cannot read.

`arrays.py` reads .npy and .npz, `tables.py` .csv and .parquet; `rows.py` has what both must give.
Whatever a user gives, the outcome is an array or an `InputError`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath

from dr_transformer.data.arrays import (
    DATA_NAMES,
    LABEL_NAMES,
    MAX_BYTES,
    MAX_CLASSES,
    Table,
    factorise,
    read_npy,
    read_npz,
    tokens,
)
from dr_transformer.data.tables import read_csv, read_parquet
from dr_transformer.errors import InputError

__all__ = [
    "DATA_NAMES",
    "LABEL_NAMES",
    "MAX_BYTES",
    "MAX_CLASSES",
    "READERS",
    "Table",
    "brief",
    "factorise",
    "read_table",
    "tokens",
]

READERS: dict[str, Callable[[str, bytes], Table]] = {
    ".npy": read_npy,
    ".npz": read_npz,
    ".csv": read_csv,
    ".parquet": read_parquet,
}
"""How to read a user's file, by its ending."""


def read_table(filename: str, content: bytes) -> Table:
    """Read a user's file from its bytes; the ending of `filename` says how.

    Raises `InputError` for whatever is not two or more rows of finite numbers.
    """
    suffix = PurePath(filename).suffix.lower()
    if suffix not in READERS:
        raise InputError(f"{filename} has no ending that says how to read it; give one of {', '.join(READERS)}.")
    if not content:
        raise InputError(f"{filename} is empty; save it again with at least two rows.")
    if len(content) > MAX_BYTES:
        raise InputError(f"{filename} has more than {MAX_BYTES // 2**30} GiB; give a part of it.")
    try:
        return READERS[suffix](filename, content)
    except InputError:
        raise
    except Exception as error:  # NumPy, zipfile, zlib and Arrow raise a dozen kinds for a damaged file
        raise InputError(
            f"{filename} cannot be read as {suffix} ({brief(error)}); it may be damaged or of another format, so save "
            "it again."
        ) from error


def brief(error: BaseException) -> str:
    """The last line of an exception's message, short enough for a sentence."""
    lines = [line.strip("<>. ") for line in str(error).splitlines() if line.strip()]
    text = lines[-1] if lines else type(error).__name__
    return text if len(text) <= 160 else text[:157] + "…"
