"""The user's own files into arrays: .npy, .npz, .csv and .parquet.

Whatever a user gives, the outcome is an array or an `InputError`; nothing is ever unpickled, and no array is allocated
before its declared size has been checked.
"""

from __future__ import annotations

import csv
import io
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import IO, Any, cast

import numpy as np

from dr_transformer.errors import InputError

MAX_BYTES = 4 * 2**30
"""No file and no array in one may be larger, in bytes: a small zip file may declare a very large array."""
MAX_CLASSES = 256
"""More distinct labels than this are identifiers or measurements, not classes."""
DATA_NAMES = ("Y", "X", "data", "images", "embedding")
LABEL_NAMES = ("label", "labels", "y")
_LABEL_COLUMNS = ("label", "labels")
_EXACT_IN_FLOAT32 = 2**24


@dataclass(frozen=True, eq=False)
class Table:
    """What a user's file holds: `Y` (n, d) finite numbers, `labels` int64 (n,) into `class_names`, or None."""

    Y: np.ndarray
    labels: np.ndarray | None
    class_names: tuple[str, ...]
    image_shape: tuple[int, int] | None


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


# --- NumPy files ------------------------------------------------------------------------------------------------------


def _read_npy(filename: str, content: bytes) -> Table:
    Y, image_shape = _tokens(filename, _read_array(filename, io.BytesIO(content)))
    return Table(Y, None, (), image_shape)


def _read_npz(filename: str, content: bytes) -> Table:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {PurePath(name).stem: name for name in archive.namelist() if name.endswith(".npy")}
        shapes: dict[str, tuple[int, ...] | InputError] = {}
        for stem, name in members.items():
            with archive.open(name) as stream:
                try:
                    shapes[stem] = _read_array_header(f"{stem} in {filename}", stream)[0]
                except InputError as refusal:  # matters only if this is the array to take
                    shapes[stem] = refusal

        def read(stem: str) -> np.ndarray:
            with archive.open(members[stem]) as stream:
                return _read_array(f"{stem} in {filename}", stream)

        Y, image_shape = _tokens(filename, read(_data_name(filename, shapes)))
        label = next((name for name in LABEL_NAMES if name in members), None)
        labels, class_names = factorise(filename, read(label), len(Y)) if label else (None, ())
    return Table(Y, labels, class_names, image_shape)


def _data_name(filename: str, shapes: dict[str, tuple[int, ...] | InputError]) -> str:
    """Which array holds the tokens: the first of `DATA_NAMES` with two or three dimensions, or the only such array."""
    refusals = {stem: shape for stem, shape in shapes.items() if isinstance(shape, InputError)}
    fitting = [stem for stem, shape in shapes.items() if isinstance(shape, tuple) and len(shape) in (2, 3)]
    fitting = [stem for stem in fitting if stem not in LABEL_NAMES]
    for name in DATA_NAMES:
        if name in fitting:
            return name
        if name in refusals:
            raise refusals[name]
    if len(fitting) == 1:
        return fitting[0]
    if refusals and not fitting:
        raise next(iter(refusals.values()))
    found = ", ".join(shapes) or "none"
    raise InputError(
        f"{filename} must hold one array of tokens with two or three dimensions, but holds the arrays: {found[:200]}; "
        "name the one to take Y."
    )


def _read_array_header(filename: str, stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, Fortran order and dtype of the .npy at the start of `stream`, refusing what must not be read further."""
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    else:  # version 3 exists only for named fields
        raise InputError(f"{filename} holds records with named fields; save one plain array of numbers.")
    if dtype.hasobject:
        raise InputError(
            f"{filename} holds Python objects (rows of different lengths, or text of dtype object), which are never "
            "unpickled; save a plain array of numbers, and text as dtype str."
        )
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize > MAX_BYTES:
        raise InputError(f"{filename} declares an array of shape {shape}, which is too large; give a part of it.")
    return shape, fortran, dtype


def _read_array(filename: str, stream: IO[bytes]) -> np.ndarray:
    shape, fortran, dtype = _read_array_header(filename, stream)
    size = math.prod(shape) * dtype.itemsize
    content = stream.read(size)
    if len(content) < size:
        raise InputError(
            f"{filename} ends early ({len(content)} of {size} bytes of the array); it was cut short, so save or copy "
            "it again."
        )
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")


# --- tables -----------------------------------------------------------------------------------------------------------


def _read_csv(filename: str, content: bytes) -> Table:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    first_line = content.lstrip(b"\xef\xbb\xbf\r\n").split(b"\n", 1)[0].decode("utf-8").strip("\r")
    delimiter = max(",;\t", key=first_line.count)
    fields = [field.strip() for field in next(csv.reader([first_line], delimiter=delimiter), [])]
    table = arrow_csv.read_csv(
        pa.BufferReader(content),
        # One block for the whole file (Arrow's limit is 2 GiB): a column's type then depends on all of its rows.
        arrow_csv.ReadOptions(block_size=min(len(content) + 1, 2**30), autogenerate_column_names=_is_data(fields)),
        arrow_csv.ParseOptions(delimiter=delimiter),
    )
    return _from_arrow(filename, table)


def _is_data(fields: list[str]) -> bool:
    """Whether the first line is a row of numbers already; 0, 1, 2, … are the names pandas gives nameless columns."""
    try:
        numbers = [float(field) for field in fields if field]
    except ValueError:
        return False
    return len(numbers) == 1 or numbers != list(range(len(numbers)))


def _read_parquet(filename: str, content: bytes) -> Table:
    import pyarrow as pa
    from pyarrow import parquet

    source = parquet.ParquetFile(pa.BufferReader(content))
    if source.metadata.num_rows * source.metadata.num_columns * 8 > MAX_BYTES:
        raise InputError(f"{filename} declares more than {MAX_BYTES // 2**30} GiB of numbers; give a part of it.")
    table = source.read()
    index = (table.schema.pandas_metadata or {}).get("index_columns", [])
    return _from_arrow(filename, table.drop_columns([name for name in index if name in table.column_names]))


def _from_arrow(filename: str, table: Any) -> Table:
    names = [str(name).strip() for name in table.column_names]
    repeated = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if repeated is not None:
        raise InputError(f"{filename} has two columns named {repeated!r}; give each column its own name.")
    columns = dict(zip(names, table.columns, strict=True))
    label = next((name for name in names if name.lower() in _LABEL_COLUMNS), None)
    label_column = columns.pop(label) if label is not None else None
    if table.num_rows < 2:
        raise InputError(f"{filename} has {table.num_rows} rows of data; at least two tokens (rows) are needed.")
    arrays = {name: _column(filename, name, column) for name, column in columns.items()}
    if "" in arrays and np.array_equal(arrays[""], np.arange(table.num_rows)):
        del arrays[""]  # the row numbers that pandas writes into a first column without a name
    if not arrays:
        raise InputError(f"{filename} has no column of numbers beside the labels; add at least one.")
    Y, image_shape = _tokens(filename, _pixels(np.column_stack(list(arrays.values()))))
    if label_column is None:
        return Table(Y, None, (), image_shape)
    labels, class_names = factorise(filename, _label_column(filename, label_column), len(Y))
    return Table(Y, labels, class_names, image_shape)


def _column(filename: str, name: str, column: Any) -> np.ndarray:
    """One Arrow column of numbers as an array, or an `InputError` that names it."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    elif not (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) or kind == pa.null()
    ):
        values = (value for value in column.to_pylist() if value is not None and not _is_number(value))
        raise InputError(
            f"column {name!r} of {filename} must hold numbers, but holds {str(next(values, kind))[:40]!r}; name it "
            "label if it holds the classes, otherwise remove it."
        )
    if column.null_count:
        row = column.is_null().to_pylist().index(True) + 1
        raise InputError(
            f"column {name!r} of {filename} has no number in row {row} of the data; fill the gap or remove the row."
        )
    return cast(np.ndarray, column.to_numpy())


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _label_column(filename: str, column: Any) -> np.ndarray:
    import pyarrow as pa

    if column.null_count:
        row = column.is_null().to_pylist().index(True) + 1
        raise InputError(f"the label of row {row} of {filename} is missing; fill the gap or remove the label column.")
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_boolean(column.type):
        return cast(np.ndarray, column.to_numpy())
    return np.array([str(value) for value in column.to_pylist()])


def _pixels(numbers: np.ndarray) -> np.ndarray:
    """Text cannot say that it holds pixels: whole numbers in 0…255, in a square of 8 × 8 or more, are taken as such."""
    square = math.isqrt(numbers.shape[1]) ** 2 == numbers.shape[1] >= 64
    if square and numbers.dtype.kind in "iu" and numbers.min() >= 0 and numbers.max() <= 255:
        return numbers.astype(np.uint8)
    return numbers


# --- what all formats share -------------------------------------------------------------------------------------------


def _tokens(filename: str, array: np.ndarray) -> tuple[np.ndarray, tuple[int, int] | None]:
    """Rows as the model takes them, (n, d) uint8 pixels or float32 or float64, and the shape of one image if any."""
    shape = array.shape
    if array.ndim not in (2, 3):
        raise InputError(
            f"{filename} must hold an array (tokens, features) or (tokens, height, width), but its shape is {shape}; "
            "reshape it."
        )
    if shape[0] < 2 or 0 in shape:
        raise InputError(
            f"{filename} has the shape {shape}; at least two tokens (rows) with one number each are needed."
        )
    Y = _numeric(filename, array.reshape(shape[0], -1), keep_pixels=array.ndim == 3)
    if array.ndim == 3:
        return Y, (shape[1], shape[2])
    side = math.isqrt(shape[1])
    return Y, (side, side) if Y.dtype == np.uint8 else None


def _numeric(filename: str, rows: np.ndarray, keep_pixels: bool) -> np.ndarray:
    if rows.dtype == np.uint8 and (keep_pixels or math.isqrt(rows.shape[1]) ** 2 == rows.shape[1] >= 4):
        return np.array(rows)  # a copy: arrays over a file's bytes are read-only
    if rows.dtype.kind not in "biuf":
        raise InputError(f"{filename} must hold real numbers, but its dtype is {rows.dtype}; convert it to float32.")
    if rows.dtype.kind == "f":
        Y = rows.astype(np.float32 if rows.dtype.itemsize <= 4 else np.float64)
    else:
        large = rows.dtype.kind != "b" and max(abs(int(rows.min())), abs(int(rows.max()))) > _EXACT_IN_FLOAT32
        Y = rows.astype(np.float64 if large else np.float32)
    finite = np.isfinite(Y)
    if not finite.all():
        row, column = np.argwhere(~finite)[0] + 1
        raise InputError(
            f"{filename} has {Y[row - 1, column - 1]} in row {row}, column {column} of the data; every number must be "
            "finite, so fill the gap or remove the row."
        )
    return Y


def factorise(filename: str, values: np.ndarray, n: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels as int64 (n,) positions in the sorted class names, and these names."""
    if values.shape == (n, 1):
        values = values[:, 0]
    if values.shape != (n,):
        raise InputError(f"{filename} has labels of shape {values.shape} for {n} tokens; give one label for each.")
    if values.dtype.kind == "f":
        if not (np.isfinite(values).all() and (values == np.rint(values)).all()):
            raise InputError(f"the labels of {filename} must be classes: text or whole numbers; leave others out.")
        values = values.astype(np.int64 if np.abs(values).max() < 2**53 else np.float64)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8")
    if values.dtype.kind not in "biufU":
        raise InputError(f"the labels of {filename} must be text or whole numbers, but are {values.dtype}.")
    classes, labels = np.unique(values, return_inverse=True)
    if len(classes) > MAX_CLASSES:
        raise InputError(
            f"{filename} has {len(classes)} different labels, more than the {MAX_CLASSES} that can be told apart; give "
            "coarser classes or leave the labels out."
        )
    return labels.astype(np.int64), tuple(str(name) for name in classes)


READERS: dict[str, Callable[[str, bytes], Table]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
"""How to read a user's file, by its ending."""
