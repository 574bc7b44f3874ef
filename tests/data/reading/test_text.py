import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from dr_transformer.data.dataset import load_bytes
from dr_transformer.errors import InputError
from tests.helpers.user_files import TABLE, npy, refused


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


DAMAGED = {
    "empty csv": ("a.csv", b""),
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
    "csv fractional label": ("a.csv", b"x,label\n1,1.5\n2,2\n"),
    "csv of null bytes": ("a.csv", bytes(100)),
    "csv with an open quote": ("a.csv", b'x,y\n1,"2\n3,4\n'),
}


@pytest.mark.parametrize(("filename", "content"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_files(filename, content):
    refused(filename, content)


def test_sentences_name_the_place():
    assert refused("a.csv", b"x,y\n1,2\n3,red\n") == (
        "column 'y' of a.csv holds numbers, but 'red' in row 2 of the data; mend or remove the row, or leave the "
        "column out."
    )
    assert "a.csv has no number in row 2, column 'y'" in refused("a.csv", b"x,y\n1,2\n3,\n")
    assert "two columns named 'x'" in refused("a.csv", b"x,x\n1,2\n3,4\n")
    assert "has no rows of data" in refused("a.csv", b"x,y\n")
    assert "'name' (text) left out" in refused("a.csv", b"name\na\nb\n")
    assert "is not text" in refused("a.csv", npy(TABLE))


def rows(*columns, by=","):
    """Lines of twenty rows; a column is what it holds in row i."""
    return "\n".join(by.join(column(i) for column in columns) for i in range(20))


HALVES = ("{}.5".format, "{}.25".format)
KINDS = "ab"
EXPECTED = np.array([[i + 0.5, i + 0.25] for i in range(20)])

# What people save: bytes, and which of (labels, dropped, said) the line names. All hold the numbers of `EXPECTED`.
WRITTEN = {
    "pandas index": ("Unnamed: 0,a,b\n" + rows(str, *HALVES), (), {"Unnamed: 0": "row numbers"}),
    "pandas index without a name": (",a,b\n" + rows(str, *HALVES), (), {"column 1": "row numbers"}),
    "a shuffled index": (
        ",a,b\n" + rows(lambda i: str(7 * i % 20), *HALVES),
        (),
        {"column 1": "row numbers, shuffled"},
    ),
    "R's row names, from 1": ('"","a","b"\n' + rows(lambda i: f'"{i + 1}"', *HALVES), (), {"column 1": "row numbers"}),
    "R's write.table": ("a b\n" + rows(lambda i: f'"{i + 1}"', *HALVES, by=" "), (), {"column 1": "row numbers"}),
    "names of rows": (",a,b\n" + rows("row {}".format, *HALVES), (), {"column 1": "row names"}),
    "identifiers": ("cell_id,a,b\n" + rows(lambda i: str(1000 + i * i), *HALVES), (), {"cell_id": "identifiers"}),
    "dates": ("when,a,b\n" + rows(lambda i: f"2024-01-{i + 1:02}", *HALVES), (), {"when": "dates"}),
    "text": ("a,b,name\n" + rows(*HALVES, "somebody {}".format), (), {"name": "text"}),
    "an empty column": ("a,b,c\n" + rows(*HALVES, lambda _: ""), (), {"c": "empty"}),
    "a separator at the end of a row": ("a;b\n" + rows(*HALVES, lambda _: "", by=";"), (), {}),
    "class": ("class,a,b\n" + rows(lambda i: KINDS[i % 2], *HALVES), ("class", KINDS), {}),
    "target": ("a,b,target\n" + rows(*HALVES, lambda i: str(i % 2)), ("target", "01"), {}),
    "y": ("a,b,y\n" + rows(*HALVES, lambda i: str(i % 2)), ("y", "01"), {}),
    "species": ("a,b,Species\n" + rows(*HALVES, lambda i: KINDS[i % 2]), ("Species", KINDS), {}),
    "a last column of classes": ("a,b,kind\n" + rows(*HALVES, lambda i: KINDS[i % 2]), ("kind", KINDS), {}),
    "classes without a header": (rows(*HALVES, lambda i: KINDS[i % 2]), ("column 3", KINDS), {}),
    "classes of 01 and 1": ("a,b,label\n" + rows(*HALVES, lambda i: ["01", "1"][i % 2]), ("label", ["01", "1"]), {}),
    "blanks after commas": ("a, b, label\n" + rows(*HALVES, lambda i: KINDS[i % 2], by=", "), ("label", KINDS), {}),
    "decimal commas": ("a;b\n" + rows("{},5".format, "{},25".format, by=";"), (), {}),
    "decimal commas and tabs": ("a\tb\n" + rows("{},5".format, "{},25".format, by="\t"), (), {}),
    "bars": ("a|b\n" + rows(*HALVES, by="|"), (), {}),
    "blanks": (rows(*HALVES, by="   "), (), {}),
    "savetxt with a header": ("# a b\n" + rows(*HALVES, by=" "), (), {}),
    "no-break spaces": ("a,b\n" + rows("{}.5\u00a0".format, "\u202f{}.25".format), (), {}),
    "old line ends": (("a,b\n" + rows(*HALVES)).replace("\n", "\r"), (), {}),
    "Windows' line ends": (("a,b\n" + rows(*HALVES)).replace("\n", "\r\n"), (), {}),
    "commas in a quoted name": ('"a,x";b\n' + rows(*HALVES, by=";"), (), {}),
    "UTF-16": (("a\tb\n" + rows(*HALVES, by="\t")).encode("utf-16"), (), {}),
    "UTF-16, big-endian": (b"\xfe\xff" + ("a\tb\n" + rows(*HALVES, by="\t")).encode("utf-16-be"), (), {}),
    "UTF-8 with a mark": (("a,b\n" + rows(*HALVES)).encode("utf-8-sig"), (), {}),
    "latin-1": (("a,b,label\n" + rows(*HALVES, lambda i: "cé"[i % 2])).encode("latin-1"), ("label", "cé"), {}),
}


@pytest.mark.parametrize(("content", "label", "dropped"), WRITTEN.values(), ids=WRITTEN)
def test_how_people_write_tables(content, label, dropped):
    dataset = load_bytes("a.csv", content if isinstance(content, bytes) else content.encode())
    assert dataset.Y.tolist() == EXPECTED.tolist()
    (said,) = dataset.messages
    assert said.startswith("20 tokens × 2 features; ")
    if label:
        assert (dataset.label, dataset.class_names) == (label[0], tuple(label[1]))
        assert dataset.labels.tolist() == [0, 1] * 10
    else:
        assert dataset.labels is None
    assert said.count(" (") == len(dropped) + said.count("(cp1252)")
    for name, why in dropped.items():
        assert f"{name!r} ({why})" in said


@pytest.mark.parametrize(
    ("cells", "by", "expected"),
    [
        (["1,234.5", "12.25", "1,000,000"], "\t", [1234.5, 12.25, 1e6]),
        (["1.234,5", "12,25", "1.000.000"], ";", [1234.5, 12.25, 1e6]),
        (["1 234,5", "12,25", "1 000 000"], ";", [1234.5, 12.25, 1e6]),
        (["1\u202f234.5", "12.25", "1\u202f000\u202f000"], ",", [1234.5, 12.25, 1e6]),
        (['"1,234"', '"12,345"', '"1,000,000"'], ",", [1234, 12345, 1e6]),
        (["1,234", "2,345", "3,456"], ";", [1.234, 2.345, 3.456]),
        (["1e3", "-2.5E-3", "+.5"], ",", [1e3, -2.5e-3, 0.5]),
    ],
)
def test_signs_of_numbers(cells, by, expected):
    content = f"a{by}b\n" + "\n".join(f"{cell}{by}{cell}" for cell in cells)
    assert load_bytes("a.csv", content.encode()).Y.tolist() == [[number, number] for number in expected]


def test_a_header_of_wavelengths_is_no_token():
    spectra = np.random.RandomState(0).rand(12, 8).round(3)
    lines = [",".join(map(str, row)) for row in spectra]
    scale = [str(400 + 2.5 * i) for i in range(8)]
    for label, names in (("", ""), ("label,", "ab")):
        text = [label + ",".join(scale), *(f"{names[i % 2]},{line}" if label else line for i, line in enumerate(lines))]
        dataset = load_bytes("a.csv", "\n".join(text).encode())
        assert dataset.Y.tolist() == spectra.tolist()
        assert dataset.class_names == tuple(names)
    ascending = np.cumsum(spectra, axis=1)  # as all rows do, so the first is one of them
    content = "\n".join(",".join(map(str, row)) for row in ascending)
    assert len(load_bytes("a.csv", content.encode()).Y) == 12


def test_a_column_is_chosen_or_left_out():
    text = b"a,b,kind,sort\n1,2,u,x\n3,4,v,x\n5,6,u,y\n7,8,v,y\n"
    assert load_bytes("a.csv", text).label == "sort"
    dataset = load_bytes("a.csv", text, label="kind", drop="b, sort")
    assert (dataset.Y.tolist(), dataset.class_names) == ([[1], [3], [5], [7]], ("u", "v"))
    assert dataset.messages == (
        "4 tokens × 1 feature; labels from 'kind'; dropped: 'b' (as asked), 'sort' (as asked).",
    )
    assert load_bytes("a.csv", text, label="none").labels is None
    assert load_bytes("a.csv", text, label="a").class_names == ("1", "3", "5", "7")
    keys = {load_bytes("a.csv", text, label=label).key for label in ("auto", "none", "kind")}
    assert len(keys) == 3
    with pytest.raises(InputError, match=r"a\.csv has no column 'c'; it has 'a', 'b', 'kind', 'sort'\.") as refusal:
        load_bytes("a.csv", text, drop=("c",))
    assert refusal.value.columns == ("a", "b", "kind", "sort")


def test_missing_labels_are_one_class():
    dataset = load_bytes("a.csv", b"x,label\n1,1\n2,\n3,1\n4,10\n5,2\n")
    assert dataset.class_names == ("1", "2", "10", "unlabelled")
    assert dataset.labels.tolist() == [0, 3, 0, 2, 1]
    text = load_bytes("a.csv", b"x,label\n1,b\n2,\n3,a\n4,NA\n")
    assert (text.class_names, text.labels.tolist()) == (("a", "b", "unlabelled"), [1, 2, 0, 2])


def test_coordinates_are_no_classes():
    dataset = load_bytes("a.csv", b"x,y\n1,2\n3,2\n5,6\n7,6\n")
    assert (dataset.Y.shape, dataset.labels) == ((4, 2), None)


@settings(deadline=None, max_examples=60)
@given(
    npst.arrays(np.float64, st.tuples(st.integers(3, 12), st.integers(2, 6)), elements=st.floats(-1e12, 1e12)),
    st.sampled_from([(",", "."), (";", ","), ("\t", "."), ("|", ",")]),
)
def test_what_pandas_writes_is_read_exactly(numbers, signs):
    frame = pd.DataFrame(numbers, columns=[f"c{i}" for i in range(numbers.shape[1])])
    dataset = load_bytes("a.csv", frame.to_csv(sep=signs[0], decimal=signs[1]).encode())
    assert np.array_equal(dataset.Y, numbers)
