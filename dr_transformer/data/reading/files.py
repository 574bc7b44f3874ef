"""The user's own files into tokens: which reader takes a file, and one sentence for whatever it cannot read."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePath

from dr_transformer.data.reading import arrays, cells, columnar, text
from dr_transformer.data.reading.columns import Columns, as_table
from dr_transformer.data.reading.rows import MAX_BYTES, Choice, Table, factorise
from dr_transformer.errors import InputError, brief, quoted

_Arrays = Callable[[str, bytes, Choice, int], Table]
_Columns = Callable[[str, bytes, int], Columns]
_TEXT = (".csv", ".tsv", ".txt")


ARRAYS: dict[str, _Arrays] = {
    ".npy": arrays.read_npy,
    ".npz": arrays.read_npz,
    ".mat": arrays.read_mat,
    ".safetensors": arrays.read_safetensors,
    ".h5ad": cells.read_h5ad,
}
TABLES: dict[str, _Columns] = {
    ".parquet": columnar.read_parquet,
    ".feather": columnar.read_arrow,
    ".arrow": columnar.read_arrow,
}
ENDINGS = (
    *(".csv", ".parquet", ".npy", ".npz", ".tsv", ".txt", ".csv.gz"),
    *(".feather", ".arrow", ".mat", ".safetensors", ".h5ad"),
)
"""The endings by which a user's file is known, the most common first."""


def ending(filename: str) -> str:
    """Return a file's ending in small letters, with what is before a .gz; "" if it has none."""
    suffixes = [suffix.lower() for suffix in PurePath(filename).suffixes]
    return "".join(suffixes[-2:]) if suffixes[-1:] == [".gz"] else "".join(suffixes[-1:])


def with_metadata(table: Table, filename: str, content: bytes) -> Table:
    """Take the labels of `table` from the Embedding Projector's metadata.tsv, a row a token. Raises `InputError`."""
    try:
        label, values = text.read_metadata(filename, content, len(table.Y))
    except InputError:
        raise
    except Exception as error:  # as `read_table`
        raise InputError(f"{filename} cannot be read as labels ({brief(error)}); save it again.") from error
    if values is None:
        return replace(table, said=(*table.said, f"{quoted(filename)} has no column of classes"))
    labels, class_names = factorise(filename, values, len(table.Y))
    return replace(table, labels=labels, class_names=class_names, label=label)


def read_table(filename: str, content: bytes | Path, choice: Choice | None = None, max_bytes: int = MAX_BYTES) -> Table:
    """Read a user's file from its bytes, or from where it is; the ending of `filename` says how.

    No array of it may have more than `max_bytes`. Raises `InputError` for whatever is not two or more rows of finite
    numbers.
    """
    choice = choice or Choice()
    suffix = ending(filename)
    packed = suffix.endswith(".gz")
    suffix = suffix.removesuffix(".gz")
    if suffix not in (*ARRAYS, *TABLES, *_TEXT):
        raise InputError(f"{filename} has no ending that says how to read it; give one of {', '.join(ENDINGS)}.")
    try:
        if isinstance(content, Path) and suffix == ".parquet":
            return as_table(filename, columnar.read_parquet(filename, content, max_bytes), choice)
        content = content.read_bytes() if isinstance(content, Path) else content
        if not content:
            raise InputError(f"{filename} is empty; save it again with at least two rows.")
        content = _unpacked(filename, content, max_bytes) if packed else content
        if len(content) > max_bytes:
            raise InputError(f"{filename} has more than {max_bytes // 2**20} MB; give a part of it.")
        if suffix in ARRAYS:
            return ARRAYS[suffix](filename, content, choice, max_bytes)
        if suffix in _TEXT:
            return as_table(filename, text.read_text(filename, content, choice.label), choice)
        return as_table(filename, TABLES[suffix](filename, content, max_bytes), choice)
    except InputError:
        raise
    except Exception as error:  # NumPy, zipfile, zlib, pandas and Arrow raise a dozen kinds for a damaged file
        if isinstance(error, MemoryError) or "out of memory" in str(error):
            raise InputError(f"{filename} takes more memory than there is for a file; give a part of it.") from None
        raise InputError(
            f"{filename} cannot be read as {suffix} ({brief(error)}); it may be damaged or of another format, so save "
            "it again."
        ) from error


def _unpacked(filename: str, content: bytes, max_bytes: int) -> bytes:
    with gzip.open(io.BytesIO(content)) as stream:
        found = stream.read(max_bytes + 1)
    if len(found) > max_bytes:
        raise InputError(f"{filename} has more than {max_bytes // 2**20} MB; give a part of it.")
    return found
