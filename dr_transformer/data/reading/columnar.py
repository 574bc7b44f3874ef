"""Tables of Arrow: .parquet, .feather and .arrow, with lists of numbers and images as the Hugging Face hub has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dr_transformer.data.reading.columns import Columns, unique_names
from dr_transformer.data.reading.pictures import decode
from dr_transformer.errors import InputError, quoted


def read_parquet(filename: str, content: bytes | Path, max_bytes: int) -> Columns:
    """The columns of a .parquet (its bytes, or where it is), without the index that pandas stores among them.

    Raises `InputError` for a declared size over `max_bytes`, and what Arrow raises for damage.
    """
    import pyarrow as pa
    from pyarrow import parquet

    def source() -> Any:
        return content if isinstance(content, Path) else pa.BufferReader(content)

    metadata = parquet.read_metadata(source())
    declared = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    if max(declared, metadata.num_rows * metadata.num_columns) > max_bytes:
        raise InputError(f"{filename} declares more than {max_bytes // 2**20} MB; give a part of it.")
    leaves = [metadata.schema.column(i) for i in range(metadata.num_columns)]
    # Text stays as the dictionary that it is stored as: one long label of a million rows is a small file
    text = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY" and "." not in leaf.path]
    return from_arrow(filename, parquet.read_table(source(), read_dictionary=text, pre_buffer=False), max_bytes)


def read_arrow(filename: str, content: bytes, max_bytes: int) -> Columns:
    """The columns of a .feather or .arrow, a file or a stream, as `read_parquet` those of its own."""
    import pyarrow as pa

    if content[:6] == b"ARROW1":
        table = pa.ipc.open_file(pa.BufferReader(content)).read_all()
    elif content[:4] == b"FEA1":
        from pyarrow import feather

        table = feather.read_table(pa.BufferReader(content))
    else:
        table = pa.ipc.open_stream(pa.BufferReader(content)).read_all()
    return from_arrow(filename, table, max_bytes)


def from_arrow(filename: str, table: Any, max_bytes: int) -> Columns:
    """An Arrow table's columns: of single values, of lists, and of images."""
    import pyarrow as pa

    index = (table.schema.pandas_metadata or {}).get("index_columns", [])
    table = table.drop_columns([name for name in index if isinstance(name, str) and name in table.column_names])
    names, nameless = unique_names(filename, [str(name) for name in table.column_names])
    table = table.rename_columns(names)
    vectors: dict[str, np.ndarray] = {}
    pictures, image, ragged = None, None, {}
    for name, kind in zip(names, table.schema.types, strict=True):
        if isinstance(kind, pa.BaseExtensionType):  # fixed-shape tensors
            kind = kind.storage_type
        if pa.types.is_struct(kind) and {field.name for field in kind} >= {"bytes"} and image is None:
            image = name
        elif _is_list(kind):
            vectors[name] = _lists(filename, name, table[name], max_bytes)
        elif pa.types.is_nested(kind):
            ragged[name] = "nested values"
    if image is not None:
        stored = table[image].combine_chunks()
        pictures = decode(filename, (row["bytes"] if row else None for row in _structs(stored)), len(table), max_bytes)
    flat = table.drop_columns([*vectors, *ragged, *([image] if image else [])])
    n, has_columns = len(table), bool(flat.column_names)
    del table  # each column is let go once pandas has it
    frame = flat.to_pandas(split_blocks=True, self_destruct=True, ignore_metadata=True, date_as_object=False)
    if not has_columns:
        frame = frame.reindex(range(n))
    said = tuple(f"{quoted(name)} is left out ({why})" for name, why in ragged.items())
    return Columns(frame, vectors, pictures, nameless, said=said)


def _structs(column: Any) -> Any:
    for value in column:
        yield value.as_py()


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not is_list:
        return False
    inner = kind.value_type
    return _is_list(inner) or pa.types.is_integer(inner) or pa.types.is_floating(inner) or pa.types.is_boolean(inner)


def _lists(filename: str, name: str, column: Any, max_bytes: int) -> np.ndarray:
    """A column of lists of numbers, all of one length, as (n, k); lists of lists are laid out flat."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array = column.combine_chunks()
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    array = getattr(array, "storage", array)
    if array.null_count:
        row = array.is_null().to_pylist().index(True) + 1
        raise InputError(
            f"column {quoted(name)} of {filename} has no list in row {row} of the data; fill the gap or remove the row."
        )
    n = len(array)
    while _is_list(array.type):
        lengths = pc.list_value_length(array).unique()
        if len(lengths) > 1:
            raise InputError(
                f"column {quoted(name)} of {filename} has lists of different lengths; all must have the same one."
            )
        array = array.flatten()
    numbers = array.to_numpy(zero_copy_only=False)
    if numbers.nbytes > max_bytes:
        raise InputError(f"{filename} holds more than {max_bytes // 2**20} MB of numbers; give a part of it.")
    if n == 0 or len(numbers) % n or not len(numbers):
        raise InputError(f"column {quoted(name)} of {filename} has no numbers; give lists of at least one.")
    return numbers.reshape(n, -1)
