import hashlib
import io
import re
import zipfile

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from dr_transformer import data_files
from dr_transformer.data import load, load_bytes
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


# --- what is accepted -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_table(order):
    dataset = load_bytes("a.npy", npy(np.asarray(TABLE, order=order)))
    assert np.array_equal(dataset.Y, TABLE)
    assert dataset.Y.dtype == np.float64
    assert dataset.Y.flags.writeable
    assert (dataset.labels, dataset.image_shape, dataset.images) == (None, None, None)
    assert dataset.source == "Your file a.npy: all 4."


def test_key_is_of_the_bytes():
    content = npy(TABLE)
    sha = hashlib.sha256(content).hexdigest()
    assert load_bytes("a.npy", content).key == f"file-4-42-npy-{sha}"
    assert load_bytes("a.npy", content, 2, 7).key == f"file-2-7-npy-{sha}"


def test_path_and_bytes_are_the_same(tmp_path):
    path = tmp_path / "My Data.NPY"
    path.write_bytes(npy(TABLE))
    one, other, uploaded = load(path), load(str(path)), load_bytes("My Data.NPY", path.read_bytes())
    assert one.key == other.key == uploaded.key
    assert one.name == "My Data.NPY"
    assert str(tmp_path) not in one.source


def test_npy_images():
    images = np.arange(5 * 6 * 7, dtype=np.uint8).reshape(5, 6, 7)
    dataset = load_bytes("a.npy", npy(images))
    assert dataset.Y.dtype == np.uint8
    assert dataset.Y.shape == (5, 42)
    assert np.array_equal(dataset.images, images)
    square = load_bytes("a.npy", npy(images[:, :, :6].reshape(5, 36)))
    assert square.image_shape == (6, 6)
    table = load_bytes("a.npy", npy(images.reshape(5, 42)))
    assert (table.image_shape, table.Y.dtype) == (None, np.float32)


def test_float_images_are_stretched_for_the_eye_only():
    images = np.linspace(-1, 3, 2 * 4 * 4).reshape(2, 4, 4)
    dataset = load_bytes("a.npy", npy(images))
    assert np.array_equal(dataset.Y, images.reshape(2, 16))
    assert dataset.images.ravel()[[0, -1]].tolist() == [0, 255]
    assert np.all(np.diff(dataset.images.ravel().astype(int)) >= 0)
    assert load_bytes("a.npy", npy(np.ones((2, 3, 3)))).images.max() == 0
    assert load_bytes("a.npy", npy(np.array([[[-1.7e308]], [[1.7e308]]]))).images.ravel().tolist() == [0, 255]


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("bool", "f4"), ("int8", "f4"), (">i4", "f4"), ("f2", "f4"), (">f4", "f4"), (">f8", "f8"), ("longdouble", "f8")],
)
def test_dtypes(dtype, expected):
    dataset = load_bytes("a.npy", npy(np.array([[0, 1], [1, 1]]).astype(dtype)))
    assert dataset.Y.dtype == np.dtype(expected)
    assert dataset.Y.tolist() == [[0, 1], [1, 1]]


def test_large_integers_are_float64():
    dataset = load_bytes("a.npy", npy(np.array([[2**24 + 1, -(2**63)], [0, 0]], np.int64)))
    assert dataset.Y.tolist() == [[16777217.0, -(2.0**63)], [0.0, 0.0]]


@pytest.mark.parametrize("name", ["Y", "X", "data", "images", "embedding", "anything"])
@pytest.mark.parametrize("label", ["label", "labels", "y"])
def test_npz(name, label):
    content = npz(**{name: TABLE, label: np.array(["b", "a", "b", "c"]), "other": np.arange(3)})
    dataset = load_bytes("a.npz", content)
    assert np.array_equal(dataset.Y, TABLE)
    assert dataset.labels.tolist() == [1, 0, 1, 2]
    assert dataset.labels.dtype == np.int64
    assert dataset.class_names == ("a", "b", "c")


def test_npz_prefers_in_order():
    dataset = load_bytes("a.npz", npz(embedding=TABLE[:, :2], X=TABLE, zzz=TABLE[:3]))
    assert dataset.Y.shape == (4, 3)
    assert dataset.labels is None


def test_npz_survives_objects_it_does_not_need():
    dataset = load_bytes("a.npz", npz(X=TABLE, meta=np.array([{"a": 1}], object)))
    assert np.array_equal(dataset.Y, TABLE)


@pytest.mark.parametrize(
    ("labels", "codes", "names"),
    [
        (np.array([3, 10, 3, 9]), [0, 2, 0, 1], ("3", "9", "10")),
        (np.array([[1.0], [0.0], [1.0], [0.0]]), [1, 0, 1, 0], ("0", "1")),
        (np.array([True, False, True, True]), [1, 0, 1, 1], ("False", "True")),
        (np.array([b"\xc3\xa4", b"o", b"o", b"o"]), [1, 0, 0, 0], ("o", "ä")),
    ],
)
def test_labels(labels, codes, names):
    dataset = load_bytes("a.npz", npz(X=TABLE, y=labels))
    assert dataset.labels.tolist() == codes
    assert dataset.class_names == names


def test_subset_of_a_file_is_balanced_and_in_order():
    Y = np.arange(40.0).reshape(20, 2)
    dataset = load_bytes("a.npz", npz(X=Y, y=np.repeat([0, 1], [17, 3])), 8, 1)
    assert np.bincount(dataset.labels).tolist() == [5, 3]
    assert np.array_equal(dataset.Y, Y[dataset.index])
    assert np.all(np.diff(dataset.index) > 0)
    plain = load_bytes("a.npy", npy(Y), 8, 1)
    assert plain.n_samples == len(set(plain.index.tolist())) == 8
    with pytest.raises(InputError, match=r"n_samples = 21 is more than the 20 tokens of a.npy; choose at most 20\."):
        load_bytes("a.npy", npy(Y), 21)


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


# --- what is refused --------------------------------------------------------------------------------------------------


class Trap:
    """Unpickling this would raise another error than `InputError`."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('unpickled')",))


BAD_ARRAYS = {
    "one token": (np.ones((1, 3)), "at least two tokens"),
    "no token": (np.ones((0, 3)), "at least two tokens"),
    "no feature": (np.ones((3, 0)), "at least two tokens"),
    "scalar": (np.float64(3), "reshape it"),
    "one dimension": (np.ones(5), "reshape it"),
    "four dimensions": (np.ones((2, 3, 3, 3)), "reshape it"),
    "nan": (np.array([[1, 2], [3, np.nan]]), "nan in row 2, column 2"),
    "infinite": (np.array([[1, -np.inf], [3, 4]]), "-inf in row 1, column 2"),
    "complex": (np.ones((2, 2), complex), "must hold real numbers"),
    "text": (np.array([["a", "b"], ["c", "d"]]), "must hold real numbers"),
    "dates": (np.zeros((2, 2), "M8[s]"), "must hold real numbers"),
    "records": (np.zeros((2, 2), [("a", "f8")]), "must hold real numbers"),
    "unicode records": (np.zeros((2, 2), [("é‰", "f8")]), "must hold real numbers|named fields"),
}


@pytest.mark.parametrize(("array", "message"), BAD_ARRAYS.values(), ids=BAD_ARRAYS)
@pytest.mark.filterwarnings("ignore:Stored array in format 3.0")
def test_bad_arrays(array, message):
    assert re.search(message, refused("a.npy", npy(array)))


def test_objects_are_never_unpickled():
    content = npy(np.array([Trap(), Trap()], object), allow_pickle=True)
    assert "never unpickled" in refused("a.npy", content)
    ragged = np.array([np.ones(2), np.ones(3)], object)
    assert "never unpickled" in refused("a.npz", npz(X=ragged))
    assert "never unpickled" in refused("a.npz", npz(X=TABLE, y=np.array(["a", None, "b", "c"], object)))


def test_array_larger_than_memory_is_not_allocated():
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**40, 784)})
    assert "too large" in refused("a.npy", header.getvalue())
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (-5, 784)})
    refused("a.npy", header.getvalue())


def test_zip_bomb_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(data_files, "MAX_BYTES", 1_000_000)
    content = npz(X=np.zeros((2000, 784), np.uint8))
    assert len(content) < 10_000
    assert "too large" in refused("a.npz", content)


def zip_of(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "."), content)
    return buffer.getvalue()


DAMAGED = {
    "empty npy": ("a.npy", b""),
    "empty npz": ("a.npz", b""),
    "empty csv": ("a.csv", b""),
    "empty parquet": ("a.parquet", b""),
    "text as npy": ("a.npy", b"x,y\n1,2\n"),
    "text as npz": ("a.npz", b"x,y\n1,2\n"),
    "text as parquet": ("a.parquet", b"x,y\n1,2\n"),
    "npy as csv": ("a.csv", npy(TABLE)),
    "npz as npy": ("a.npy", npz(X=TABLE)),
    "npy as npz": ("a.npz", npy(TABLE)),
    "npy magic only": ("a.npy", b"\x93NUMPY\x01\x00"),
    "npy of the future": ("a.npy", b"\x93NUMPY\x09\x00" + bytes(100)),
    "npy with a wrong header": ("a.npy", b"\x93NUMPY\x01\x00\x10\x00{'shape': (2,2} \n"),
    "npy cut short": ("a.npy", npy(TABLE)[:-8]),
    "npz cut short": ("a.npz", npz(X=TABLE)[:-30]),
    "npz with a flipped byte": ("a.npz", zip_of(X_npy=npy(TABLE)).replace(b"NUMPY", b"NUMPX")),
    "npz with a flipped number": ("a.npz", zip_of(X_npy=npy(TABLE)).replace(np.float64(9).tobytes(), b"8" * 8)),
    "npz with objects only": ("a.npz", npz(stuff=np.array([None, 1], object))),
    "npz with a password": (
        "a.npz",
        zip_of(X_npy=npy(TABLE)).replace(b"PK\x01\x02\x14\x03\x14\0\0", b"PK\x01\x02\x14\x03\x14\0\1"),
    ),
    "zip that is no npz": ("a.npz", zip_of(readme_txt="hello")),
    "zip with a text called npy": ("a.npz", zip_of(X_npy="hello")),
    "empty zip": ("a.npz", zip_of()),
    "two arrays": ("a.npz", npz(a=TABLE, b=TABLE)),
    "no array with rows": ("a.npz", npz(a=np.ones(3))),
    "too few labels": ("a.npz", npz(X=TABLE, y=np.arange(3))),
    "one-hot labels": ("a.npz", npz(X=TABLE, y=np.eye(4))),
    "fractional labels": ("a.npz", npz(X=TABLE, y=np.array([0.5, 1, 2, 3]))),
    "labels with nan": ("a.npz", npz(X=TABLE, y=np.array([np.nan, 1, 2, 3]))),
    "complex labels": ("a.npz", npz(X=TABLE, y=np.ones(4, complex))),
    "broken bytes as labels": ("a.npz", npz(X=TABLE, y=np.array([b"\xff", b"a", b"a", b"a"]))),
    "too many labels": ("a.npz", npz(X=np.ones((300, 2)), y=np.arange(300))),
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
    "unknown ending": ("a.txt", b"1,2\n3,4\n"),
    "no ending": ("npy", npy(TABLE)),
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
    assert "has 0 rows of data" in refused("a.csv", b"x,y\n")
    assert "holds the arrays: a, b; name the one to take Y" in refused("a.npz", npz(a=TABLE, b=TABLE))
    assert "(24 of 96 bytes" in refused("a.npy", npy(TABLE)[: -96 + 24])


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(list(data_files.READERS)), st.binary(max_size=200), st.data())
def test_no_bytes_raise_anything_but_input_error(suffix, noise, data):
    good = {".npy": npy(TABLE), ".npz": npz(X=TABLE, y=np.arange(4)), ".csv": b"x,y,label\n1,2,a\n3,4,b\n"}
    content = bytearray(good.get(suffix) or parquet_bytes({"x": [1, 2, 3], "label": ["a", "b", "a"]}))
    at = data.draw(st.integers(0, len(content)))
    content[at : at + len(noise)] = noise
    try:
        dataset = load_bytes(f"a{suffix}", bytes(content))
    except InputError:
        return
    assert dataset.n_samples >= 2
    assert np.isfinite(dataset.Y).all()


def test_paths(tmp_path):
    with pytest.raises(InputError, match=r"there is no such file"):
        load(tmp_path / "missing.npy")
    with pytest.raises(InputError, match=r"is a folder; give a file in it"):
        load(tmp_path)
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(InputError, match=r"is a folder"):
        load(tmp_path / "folder.npy")
    for odd in ("\0.npy", "x" * 5000 + ".npy", "~nobody_of_this_name/a.npy"):
        with pytest.raises(InputError, match=r"cannot be opened"):
            load(odd)


def test_file_too_large(tmp_path, monkeypatch):
    path = tmp_path / "a.npy"
    path.write_bytes(npy(TABLE))
    monkeypatch.setattr(data_files, "MAX_BYTES", 10)
    with pytest.raises(InputError, match="GiB; give a part of it"):
        load(path)
    assert "GiB; give a part of it" in refused("a.npy", npy(TABLE))
