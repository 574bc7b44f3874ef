import io

import numpy as np
import pyarrow as pa
import pytest

from dr_transformer.data.dataset import load_bytes
from tests.helpers.user_files import TABLE, npy, parquet_bytes, refused


@pytest.mark.parametrize(
    "text",
    [
        "x,y,label\n1,2.5,b\n3,4,a\n5,6,b\n",
        "\ufeffx;y;Label\r\n1;2.5;b\r\n3;4;a\r\n5;6;b\r\n",
        "label\tx\ty\nb\t1\t2.5\na\t3\t4\nb\t5\t6",
        '"x", "y"," label"\n1, 2.5,b\n3,4,a\n\n5,6,b\n',
        ",x,y,label\n0,1,2.5,b\n1,3,4,a\n2,5,6,b\n",
    ],
)
def test_csv(text):
    dataset = load_bytes("a.csv", text.encode())
    assert dataset.Y.tolist() == [[1, 2.5], [3, 4], [5, 6]]
    assert dataset.labels.tolist() == [1, 0, 1]
    assert dataset.class_names == ("a", "b")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2\n3,4\n", [[1, 2], [3, 4]]),
        ("1.5\n2\n3\n", [[1.5], [2], [3]]),
        ("a\n2\n3\n", [[2], [3]]),
        ("0,1\n3,4\n5,6\n", [[3, 4], [5, 6]]),
        (",0,1\n0,3,4\n1,5,6\n", [[3, 4], [5, 6]]),
        ("-1e3,nan_is_not_here\n3,4\n5,6\n", [[3, 4], [5, 6]]),
        ("a,b\n1,true\n2,false\n", [[1, 1], [2, 0]]),
        ("a,b\n99999999999999999999999,1\n2,3\n", [[1e23, 1], [2, 3]]),
    ],
)
def test_csv_headers(text, expected):
    assert load_bytes("a.csv", text.encode()).Y.tolist() == expected


def test_csv_type_is_of_the_whole_column():
    rows = ["x"] + ["1"] * 300_000 + ["1.5"]
    dataset = load_bytes("a.csv", "\n".join(rows).encode())
    assert dataset.n_samples == 300_001
    assert dataset.Y[-1, 0] == 1.5


def test_csv_of_pixels_is_images():
    pixels = np.random.RandomState(0).randint(0, 256, (3, 784))
    header = ",".join(["label", *(f"pixel{i}" for i in range(784))])
    text = "\n".join([header, *(f"{i},{','.join(map(str, row))}" for i, row in enumerate(pixels))])
    dataset = load_bytes("train.csv", text.encode())
    assert dataset.Y.dtype == np.uint8
    assert np.array_equal(dataset.images, pixels.reshape(3, 28, 28))
    assert dataset.labels.tolist() == [0, 1, 2]


def test_parquet():
    columns = {"label": ["b", "a", "b"], "x": [1, 2, 3], "y": [0.5, 1.5, 2.5]}
    dataset = load_bytes("a.parquet", parquet_bytes(columns))
    assert dataset.Y.tolist() == [[1, 0.5], [2, 1.5], [3, 2.5]]
    assert dataset.labels.tolist() == [1, 0, 1]


def test_parquet_of_pandas():
    import pandas as pd

    frame = pd.DataFrame({"x": [1.0, 2, 3], "label": pd.Categorical(["q", "p", "q"])}, index=[7, 8, 9])
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    dataset = load_bytes("a.parquet", buffer.getvalue())
    assert dataset.Y.tolist() == [[1], [2], [3]]
    assert dataset.class_names == ("p", "q")


DAMAGED = {
    "empty csv": ("a.csv", b""),
    "empty parquet": ("a.parquet", b""),
    "text as parquet": ("a.parquet", b"x,y\n1,2\n"),
    "npy as csv": ("a.csv", npy(TABLE)),
    "csv header only": ("a.csv", b"x,y\n"),
    "csv one row": ("a.csv", b"x,y\n1,2\n"),
    "csv one line": ("a.csv", b"1,2"),
    "csv blank lines": ("a.csv", b"\n\n\n"),
    "csv with text": ("a.csv", b"x,y\n1,2\n3,red\n"),
    "csv with a gap": ("a.csv", b"x,y\n1,2\n3,\n"),
    "csv with a gap in the first row": ("a.csv", b"1,,2\n3,4,5\n6,7,8\n"),
    "csv with nan": ("a.csv", b"x,y\n1,2\n3,NaN\n"),
    "csv with inf": ("a.csv", b"x,y\n1,2\n3,inf\n"),
    "csv too large for a float": ("a.csv", b"x,y\n1,2\n3,1" + b"0" * 400 + b"\n"),
    "csv with a longer row": ("a.csv", b"x,y\n1,2\n3,4,5\n"),
    "csv with a shorter row": ("a.csv", b"x,y\n1,2\n3\n"),
    "csv with longer rows than its header": ("a.csv", b"x,y\n1,2,3\n4,5,6\n"),
    "csv duplicated columns": ("a.csv", b"x,x\n1,2\n3,4\n"),
    "csv labels only": ("a.csv", b"label\na\nb\n"),
    "csv missing label": ("a.csv", b"x,label\n1,1\n2,\n3,1\n"),
    "csv fractional label": ("a.csv", b"x,label\n1,1.5\n2,2\n"),
    "csv in utf-16": ("a.csv", "x,y\n1,2\n3,4\n".encode("utf-16")),
    "csv of null bytes": ("a.csv", bytes(100)),
    "csv with an open quote": ("a.csv", b'x,y\n1,"2\n3,4\n'),
    "parquet with text": ("a.parquet", parquet_bytes({"x": [1, 2], "name": ["a", "b"]})),
    "parquet with a gap": ("a.parquet", parquet_bytes({"x": [1, None, 3]})),
    "parquet with lists": ("a.parquet", parquet_bytes({"x": [[1, 2], [3]]})),
    "parquet without rows": ("a.parquet", parquet_bytes({"x": pa.array([], pa.float64())})),
    "parquet without columns": ("a.parquet", parquet_bytes({})),
    "parquet of nothing": ("a.parquet", parquet_bytes({"x": pa.nulls(3)})),
    "parquet duplicated columns": ("a.parquet", parquet_bytes([pa.array([1, 2]), pa.array([3, 4])], ["x", "x"])),
    "parquet cut short": ("a.parquet", parquet_bytes({"x": [1, 2, 3]})[:-9]),
}


@pytest.mark.parametrize(("filename", "content"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_files(filename, content):
    refused(filename, content)


def test_sentences_name_the_place():
    assert refused("a.csv", b"x,y\n1,2\n3,red\n") == (
        "column 'y' of a.csv must hold numbers, but holds 'red'; name it label if it holds the classes, otherwise "
        "remove it."
    )
    assert "column 'y' of a.csv has no number in row 2" in refused("a.csv", b"x,y\n1,2\n3,\n")
    assert "two columns named 'x'" in refused("a.csv", b"x,x\n1,2\n3,4\n")
    assert "the label of row 2 of a.csv is missing" in refused("a.csv", b"x,label\n1,1\n2,\n3,1\n")
    assert "has no rows of data" in refused("a.csv", b"x,y\n")
