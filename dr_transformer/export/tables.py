"""Embeddings as tables for other programs: NPZ, CSV and Parquet, with labels and, but for CSV, settings.

A CSV has no place for settings that its readers, this app's among them, would pass over, so they go beside it, in a
session file (`session_file.py`), which the app and a person can read. All three load again by `data.dataset.load`.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv, parquet

from dr_transformer.data.dataset import Dataset
from dr_transformer.data.reading.text import FORMULA, is_number
from dr_transformer.errors import InputError
from dr_transformer.export.metadata import KEYWORD
from dr_transformer.types import Floats

FORMATS = (".npz", ".csv", ".parquet")


def encode(suffix: str, embedding: Floats, dataset: Dataset, settings: Mapping[str, Any]) -> bytes:
    """The file of this ending: `embedding` (n, k), as it is, and the labels of the data set that it is of.

    .npz: arrays `embedding`, `labels`, `index` (each token's position in the full set) and `settings` (JSON).
    .csv: columns latent_0, latent_1, … and label; each number in the fewest digits that give it back exactly.
    .parquet: the same columns, the position as pandas' index `token`, settings under the schema's key dr-transformer.
    Labels are the names of the classes, as whole numbers where all names are such. Raises `InputError`.
    """
    if embedding.ndim != 2 or len(embedding) != dataset.n_samples:
        raise InputError(f"the embedding must have {dataset.n_samples} rows, but its shape is {embedding.shape}.")
    writers = {".npz": _npz, ".csv": _csv, ".parquet": _parquet}
    if suffix.lower() not in writers:
        raise InputError(f"cannot write {suffix!r}: the ending must be {', '.join(FORMATS[:-1])} or {FORMATS[-1]}.")
    return writers[suffix.lower()](embedding, dataset, json.dumps(settings, separators=(",", ":")))


def label_values(dataset: Dataset) -> npt.NDArray[Any] | None:
    """Each token's class by its name (n,): text, or int64 where every name is a whole number; None without labels."""
    if dataset.labels is None:
        return None
    names = np.array(dataset.class_names)
    if all(re.fullmatch("0|-?[1-9][0-9]{0,17}", name) for name in dataset.class_names):  # int64, and back the same
        names = names.astype(np.int64)
    return names[dataset.labels]


def _npz(embedding: Floats, dataset: Dataset, settings: str) -> bytes:
    arrays = {"embedding": embedding, "labels": label_values(dataset), "index": dataset.index}
    target = io.BytesIO()
    kept: dict[str, Any] = {name: array for name, array in arrays.items() if array is not None}
    np.savez(target, settings=np.array(settings), **kept)
    return target.getvalue()


def _columns(embedding: Floats, dataset: Dataset) -> dict[str, Any]:
    columns: dict[str, Any] = {f"latent_{i}": np.ascontiguousarray(column) for i, column in enumerate(embedding.T)}
    labels = label_values(dataset)
    return columns if labels is None else columns | {"label": labels}


def _csv(embedding: Floats, dataset: Dataset, settings: str) -> bytes:
    del settings
    target = io.BytesIO()
    columns = _columns(embedding, dataset)
    if "label" in columns and columns["label"].dtype.kind == "U":
        columns["label"] = [guarded(name) for name in columns["label"].tolist()]
    csv.write_csv(pa.table(columns), target)
    return target.getvalue()


def guarded(text: str) -> str:
    """Text for a cell of a .csv that no spreadsheet takes for a formula: with an apostrophe, which `load` takes off."""
    return f"'{text}" if text[:1] in FORMULA and not is_number(text) else text


def _parquet(embedding: Floats, dataset: Dataset, settings: str) -> bytes:
    import pandas as pd  # a quarter of a second, of a terminal that may want something else

    frame = pd.DataFrame(_columns(embedding, dataset), index=pd.Index(dataset.index, name="token"))
    table = pa.Table.from_pandas(frame, preserve_index=True)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), KEYWORD.encode(): settings.encode()})
    target = io.BytesIO()
    parquet.write_table(table, target, compression="zstd")
    return target.getvalue()
