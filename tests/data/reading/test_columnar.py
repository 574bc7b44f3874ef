import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import feather

from dr_transformer.data.dataset import from_arrays, load_bytes
from dr_transformer.data.reading.apart import read_apart
from dr_transformer.data.reading.rows import Choice
from dr_transformer.errors import InputError
from tests.helpers.user_files import TABLE, parquet_bytes, refused


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
    "empty parquet": ("a.parquet", b""),
    "text as parquet": ("a.parquet", b"x,y\n1,2\n"),
    "parquet with text alone": ("a.parquet", parquet_bytes({"name": ["a", "b"]})),
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


VECTORS = np.random.RandomState(0).rand(6, 4).astype(np.float32)


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.large_list(pa.float64()), pa.list_(pa.float32(), 4)])
@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".arrow"])
def test_lists_are_embeddings(kind, suffix):
    columns = {
        "id": pa.array([f"doc {i}" for i in range(6)]),
        "embedding": pa.array(VECTORS.tolist(), kind),
        "projection_x": pa.array(np.arange(6.0)),
        "label": pa.array([0, 1] * 3),
    }
    out = io.BytesIO()
    if suffix == ".parquet":
        out.write(parquet_bytes(columns))
    elif suffix == ".feather":
        feather.write_feather(pa.table(columns), out)
    else:
        table = pa.table(columns)
        with pa.ipc.new_stream(out, table.schema) as stream:
            stream.write_table(table)
    dataset = load_bytes(f"a{suffix}", out.getvalue())
    assert np.array_equal(dataset.Y, VECTORS)
    assert dataset.labels.tolist() == [0, 1] * 3
    assert dataset.messages == (
        "6 tokens × 4 features; labels from 'label'; dropped: 'id' (identifiers), 'projection_x' (beside embedding); "
        "features from 'embedding'.",
    )


def test_pictures_are_tokens_or_show_them():
    pixels = np.random.RandomState(0).randint(0, 256, (6, 7, 5), np.uint8)

    def png(array):
        out = io.BytesIO()
        Image.fromarray(array).save(out, "PNG")
        return {"bytes": out.getvalue(), "path": None}

    columns = {"image": [png(image) for image in pixels], "label": [1, 0] * 3}
    dataset = load_bytes("a.parquet", parquet_bytes(columns))
    assert np.array_equal(dataset.Y, pixels.reshape(6, 35))
    assert np.array_equal(dataset.images, pixels)
    shown = load_bytes("a.parquet", parquet_bytes(columns | {"embedding": VECTORS.tolist()}))
    assert np.array_equal(shown.Y, VECTORS)
    assert np.array_equal(shown.images, pixels)
    some = load_bytes("a.parquet", parquet_bytes(columns | {"embedding": VECTORS.tolist()}), 4)
    assert np.array_equal(some.images, pixels[some.index])
    columns["image"][2] = {"bytes": b"nothing", "path": None}
    assert "image 3 of a.parquet cannot be read" in refused("a.parquet", parquet_bytes(columns))


def test_one_long_label_is_a_small_file_and_little_memory():
    label = pa.DictionaryArray.from_arrays(pa.array(np.zeros(20_000, np.int32)), pa.array(["x" * 20_000]))
    content = parquet_bytes({"x": np.arange(20_000.0), "label": label.cast(pa.string())})  # 400 MB of text
    assert len(content) < 500_000
    with pytest.raises(InputError, match=r"a label of a\.parquet has 20000 letters"):
        read_apart("a.parquet", content, Choice(), 2**22)


def test_bytes_and_decimals():
    import decimal

    columns = {"x": [decimal.Decimal("1.25"), decimal.Decimal("2.5")] * 2, "label": [b"a", b"caf\xc3\xa9"] * 2}
    dataset = load_bytes("a.parquet", parquet_bytes(columns))
    assert dataset.Y.tolist() == [[1.25], [2.5]] * 2
    assert dataset.class_names == ("a", "café")


def test_what_is_in_memory():
    import torch
    from scipy import sparse

    frame = pd.DataFrame(TABLE, columns=list("abc")).assign(species=["u", "v"] * 2)
    given = [TABLE.tolist(), torch.tensor(TABLE, requires_grad=True), sparse.csr_array(TABLE), pa.table(frame), frame]
    for each in given:
        dataset = from_arrays(each)
        assert np.array_equal(dataset.Y, TABLE), type(each)
    assert from_arrays(frame).class_names == ("u", "v")
    mine = TABLE.copy()
    assert not np.shares_memory(from_arrays(mine).Y, mine)
