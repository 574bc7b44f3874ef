"""Embeddings as NPZ, CSV and Parquet: opened by other libraries, and by the app's own reader."""

import csv
import io
import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from dr_transformer import Config, Dataset, InputError, load
from dr_transformer.config import BaselineConfig, ViewConfig
from dr_transformer.data.dataset import load_bytes
from dr_transformer.export.files import settings
from dr_transformer.export.metadata import KEYWORD
from dr_transformer.export.settings import from_json
from dr_transformer.export.tables import FORMATS, encode, label_values

DATA = load("digits", 60)
SETTINGS = settings(Config(alpha=12.5), DATA, view=ViewConfig(view="pca"), baselines=BaselineConfig(n_neighbors=7))


def table(names: list[str] | None, n: int = 40) -> Dataset:
    """A user's file with these classes, in turn, or none."""
    rows = [f"{i}.5,{i * i}" + ("" if names is None else f",{names[i % len(names)]}") for i in range(n)]
    return load_bytes("mine.csv", ("a,b" + ("" if names is None else ",label") + "\n" + "\n".join(rows)).encode())


def embedding(n: int, k: int, dtype: type) -> np.ndarray:
    """Numbers of all sizes, so that too few digits would show."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(n, k)) * 10.0 ** rng.integers(-30, 30, (n, k))).astype(dtype)


def test_no_label_is_a_formula_to_a_spreadsheet_and_all_come_back() -> None:
    names = ["=1+1", "@x", "-x", "+x", "plain", "'quoted", "-5,5"]
    rows = "\n".join(f'{i}.5,{i * i},"{names[i % 7]}"' for i in range(21))
    data = load_bytes("mine.csv", f"a,b,label\n{rows}".encode())
    assert sorted(data.class_names) == sorted(names)
    content = encode(".csv", embedding(21, 2, np.float64), data, SETTINGS)
    cells = [row[-1] for row in csv.reader(io.StringIO(content.decode()))][1:]
    assert cells[:7] == ["'=1+1", "'@x", "'-x", "'+x", "plain", "'quoted", "-5,5"]
    again = load_bytes("latents.csv", content)
    assert (again.class_names, again.labels.tolist()) == (data.class_names, data.labels.tolist())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("k", [1, 2, 16])
def test_every_number_comes_back_through_the_apps_reader(suffix: str, k: int, dtype: type) -> None:
    X = embedding(60, k, dtype)
    again = load_bytes(f"latents{suffix}", encode(suffix, X, DATA, SETTINGS))
    assert again.Y.shape == (60, k)
    np.testing.assert_array_equal(again.Y.astype(dtype), X)
    assert DATA.labels is not None
    np.testing.assert_array_equal(again.labels, DATA.labels)
    assert again.class_names == DATA.class_names


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(
    "names",
    [None, ["cat", "dog, large", 'a "b"', "ß"], ["01", "1"], ["-3", "0", "12"], ["3.5x", "7"], ["١", "2"]],
    ids=str,
)
def test_classes_keep_their_names(suffix: str, names: list[str] | None) -> None:
    given = names if names is None or "," not in "".join(names) else ["cat", '"dog, large"', '"a ""b"""', "ß"]
    data = table(given)
    again = load_bytes(f"latents{suffix}", encode(suffix, embedding(40, 2, np.float32), data, SETTINGS))
    if names is None:
        assert again.labels is None
        return
    assert again.labels is not None
    assert data.labels is not None
    assert [again.class_names[i] for i in again.labels] == [data.class_names[i] for i in data.labels]


def test_what_another_program_finds_in_an_npz() -> None:
    X = embedding(60, 3, np.float32)
    with np.load(io.BytesIO(encode(".npz", X, DATA, SETTINGS)), allow_pickle=False) as file:
        assert set(file.files) == {"embedding", "labels", "index", "settings"}
        np.testing.assert_array_equal(file["embedding"], X)
        np.testing.assert_array_equal(file["labels"], DATA.labels)
        np.testing.assert_array_equal(file["index"], DATA.index)
        assert json.loads(str(file["settings"])) == SETTINGS


def test_what_another_program_finds_in_a_csv() -> None:
    X = embedding(60, 2, np.float64)
    header, *rows = csv.reader(io.StringIO(encode(".csv", X, DATA, SETTINGS).decode()))
    assert header == ["latent_0", "latent_1", "label"]
    np.testing.assert_array_equal(np.array([row[:2] for row in rows], dtype=np.float64), X)
    assert [int(row[2]) for row in rows] == list(DATA.labels)  # type: ignore[arg-type]


def test_what_another_program_finds_in_a_parquet() -> None:
    X = embedding(60, 2, np.float32)
    content = encode(".parquet", X, DATA, SETTINGS)
    found = pq.read_table(io.BytesIO(content))
    assert found.column_names == ["latent_0", "latent_1", "label", "token"]
    kept = from_json(found.schema.metadata[KEYWORD.encode()], "latents.parquet")
    assert (kept.config, kept.view, kept.data_key) == (Config(alpha=12.5), ViewConfig(view="pca"), DATA.key)
    assert kept.baselines == BaselineConfig(n_neighbors=7)
    frame = pd.read_parquet(io.BytesIO(content))
    assert frame.index.name == "token"
    np.testing.assert_array_equal(frame.index, DATA.index)
    np.testing.assert_array_equal(frame[["latent_0", "latent_1"]].to_numpy(), X)
    np.testing.assert_array_equal(frame["label"], DATA.labels)


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_same_embedding_gives_the_same_bytes(suffix: str) -> None:
    X = embedding(60, 2, np.float32)
    assert encode(suffix, X, DATA, SETTINGS) == encode(suffix, X.copy(), DATA, SETTINGS)


def test_labels_are_whole_numbers_only_if_all_are() -> None:
    for names, kind in ((["1", "2"], "i"), (["1", "two"], "U"), (["007", "7"], "U"), (["-0", "3"], "U")):
        values = label_values(Dataset(**(DATA.__dict__ | {"labels": np.arange(60) % 2, "class_names": tuple(names)})))
        assert values is not None
        assert values.dtype.kind == kind
        assert [str(value) for value in values[:2]] == names


def test_what_cannot_be_written() -> None:
    with pytest.raises(InputError, match="must have 60 rows"):
        encode(".csv", embedding(59, 2, np.float32), DATA, SETTINGS)
    with pytest.raises(InputError, match=r"the ending must be \.npz, \.csv or \.parquet"):
        encode(".xlsx", embedding(60, 2, np.float32), DATA, SETTINGS)
