"""Users' tables: .csv and .parquet, one token per row, one number per column, and perhaps a column of labels."""

from __future__ import annotations

import csv
import math
from typing import Any, cast

import numpy as np

from dr_transformer.data.arrays import MAX_BYTES, Table, factorise, tokens
from dr_transformer.errors import InputError

_LABEL_COLUMNS = ("label", "labels")


def read_csv(filename: str, content: bytes) -> Table:
    """Text in UTF-8, split at the commas, semicolons or tabs of its first line, which may name the columns.

    Raises `InputError` for gaps, repeated names, text that is no label, and whatever `tokens` and `factorise` refuse;
    and what Arrow raises for damage.
    """
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
    """Tell whether the first line is a row of numbers already; 0, 1, 2, … are the names pandas gives nameless
    columns.
    """
    try:
        numbers = [float(field) for field in fields if field]
    except ValueError:
        return False
    return len(numbers) == 1 or numbers != list(range(len(numbers)))


def read_parquet(filename: str, content: bytes) -> Table:
    """The columns of a .parquet, without the index that pandas stores among them.

    Raises `InputError` as `read_csv` does and for a declared size over `MAX_BYTES`, and what Arrow raises for damage.
    """
    import pyarrow as pa
    from pyarrow import parquet

    source = parquet.ParquetFile(pa.BufferReader(content))
    if source.metadata.num_rows * source.metadata.num_columns * 8 > MAX_BYTES:
        raise InputError(f"{filename} declares more than {MAX_BYTES // 2**30} GiB of numbers; give a part of it.")
    table = source.read()
    index = (table.schema.pandas_metadata or {}).get("index_columns", [])
    return _from_arrow(filename, table.drop_columns([name for name in index if name in table.column_names]))


def _from_arrow(filename: str, table: Any) -> Table:
    """An Arrow table's columns of numbers side by side, `Y` (n, d), and its label column, or an `InputError`."""
    names = [str(name).strip() for name in table.column_names]
    repeated = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if repeated is not None:
        raise InputError(f"{filename} has two columns named {repeated!r}; give each column its own name.")
    columns = dict(zip(names, table.columns, strict=True))
    label = next((name for name in names if name.lower() in _LABEL_COLUMNS), None)
    label_column = columns.pop(label) if label is not None else None
    if table.num_rows < 2:
        has = "1 row" if table.num_rows == 1 else "no rows"
        raise InputError(f"{filename} has {has} of data; at least two tokens (rows) are needed.")
    arrays = {name: _column(filename, name, column) for name, column in columns.items()}
    if "" in arrays and np.array_equal(arrays[""], np.arange(table.num_rows)):
        del arrays[""]  # the row numbers that pandas writes into a first column without a name
    if not arrays:
        raise InputError(f"{filename} has no column of numbers beside the labels; add at least one.")
    Y, image_shape = tokens(filename, _pixels(np.column_stack(list(arrays.values()))))
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
    """The Arrow column of labels as numbers or text (n,), or an `InputError` if one is missing."""
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
