"""The bytes of small files as a user may give them, and what is said of those that cannot be read."""

import io

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from dr_transformer.data.dataset import load_bytes
from dr_transformer.errors import InputError

TABLE = np.array([[1.5, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0], [0.0, 0.0, 1.0]])


def npy(array, **kwargs):
    buffer = io.BytesIO()
    np.save(buffer, array, **kwargs)
    return buffer.getvalue()


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def parquet_bytes(columns, names=None):
    buffer = io.BytesIO()
    table = pa.table(columns) if names is None else pa.Table.from_arrays(columns, names=names)
    parquet.write_table(table, buffer)
    return buffer.getvalue()


def refused(filename, content):
    """The one sentence with which a file is refused."""
    with pytest.raises(InputError) as error:
        load_bytes(filename, content)
    sentence = str(error.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert filename in sentence
    return sentence
