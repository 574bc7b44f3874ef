import re

import numpy as np
import pytest

from dr_transformer.data.dataset import load_bytes
from dr_transformer.data.reading.rows import MAX_CLASSES
from dr_transformer.palette import GREY, OTHER, PETROFF10, UNLABELLED, class_colours, shared_colours
from tests.helpers.user_files import TABLE, npy, npz, refused


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


@pytest.mark.parametrize(
    ("labels", "codes", "names"),
    [
        (np.array([3, 10, 3, 9]), [0, 2, 0, 1], ("3", "9", "10")),
        (np.array([[1.0], [0.0], [1.0], [0.0]]), [1, 0, 1, 0], ("0", "1")),
        (np.array([True, False, True, True]), [1, 0, 1, 1], ("False", "True")),
        (np.array([b"\xc3\xa4", b"o", b"o", b"o"]), [1, 0, 0, 0], ("o", "ä")),
        (np.array([np.nan, 1, 2, 1]), [2, 0, 1, 0], ("1", "2", UNLABELLED)),
        (np.array(["b", "", "a", "b"]), [1, 2, 0, 1], ("a", "b", UNLABELLED)),
        (np.array(["10", "9", "10", "9"]), [1, 0, 1, 0], ("9", "10")),
        (np.array(["01", "1", "02", "1"]), [0, 2, 1, 2], ("01", "02", "1")),
        (np.eye(4)[[2, 0, 0, 3]], [1, 0, 0, 2], ("0", "2", "3")),
    ],
)
def test_labels(labels, codes, names):
    dataset = load_bytes("a.npz", npz(X=TABLE, y=labels))
    assert dataset.labels.tolist() == codes
    assert dataset.class_names == names


def test_the_rarest_of_too_many_classes_are_one():
    labels = np.repeat(np.arange(400), np.arange(400) % 3 + 1)
    dataset = load_bytes("a.npz", npz(X=np.ones((len(labels), 2)), y=labels))
    sizes = np.bincount(dataset.labels)
    assert (len(dataset.class_names), dataset.class_names[-1]) == (MAX_CLASSES, OTHER)
    assert sizes[:-1].min() >= 2  # 266 classes have two or three tokens
    kept = np.isin(labels.astype(str), dataset.class_names)
    assert (np.array(dataset.class_names)[dataset.labels[kept]] == labels[kept].astype(str)).all()
    assert (dataset.labels[~kept] == MAX_CLASSES - 1).all()
    gaps = load_bytes("a.npz", npz(X=np.ones((len(labels), 2)), y=np.where(labels == 7, np.nan, labels)))
    assert (len(gaps.class_names), gaps.class_names[-2:]) == (MAX_CLASSES, (OTHER, UNLABELLED))


def test_grey_is_for_what_has_no_class():
    colours = class_colours(["a", UNLABELLED, "b", OTHER])
    assert colours == [PETROFF10[0], GREY, PETROFF10[2], GREY]
    colours = class_colours([*"abcdefgh", UNLABELLED, OTHER])  # of ten, two are greys themselves
    assert len(set(colours)) == 9
    assert not shared_colours([*"abcdefgh", UNLABELLED, OTHER], PETROFF10)
    assert shared_colours([*"abcdefghi", UNLABELLED], PETROFF10).startswith("9 classes, 8 colours")


BAD_ARRAYS = {
    "one token": (np.ones((1, 3)), "at least two tokens"),
    "no token": (np.ones((0, 3)), "at least two tokens"),
    "no feature": (np.ones((3, 0)), "at least two tokens"),
    "scalar": (np.float64(3), "reshape it"),
    "one dimension": (np.ones(5), "reshape it"),
    "four dimensions": (np.ones((2, 5, 5, 5)), "reshape it"),
    "nan": (np.array([[1, 2], [3, np.nan]]), "no number in row 2, column 2"),
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


BAD_LABELS = {
    "too few labels": npz(X=TABLE, y=np.arange(3)),
    "two labels a token": npz(X=TABLE, y=np.ones((4, 2))),
    "fractional labels": npz(X=TABLE, y=np.array([0.5, 1, 2, 3])),
    "complex labels": npz(X=TABLE, y=np.ones(4, complex)),
    "a label of 201 letters": npz(X=TABLE, y=np.array(["a", "b" * 201, "a", "a"])),
}


@pytest.mark.parametrize("content", BAD_LABELS.values(), ids=BAD_LABELS)
def test_bad_labels(content):
    refused("a.npz", content)


def test_blank_rows_are_counted():
    dataset = load_bytes("a.npy", npy(np.vstack([TABLE, np.zeros((2, 3))])))
    assert dataset.messages[1] == (
        "2 tokens are blank (all 0): attention moves what is blank to the mean of all others."
    )
    assert len(load_bytes("a.npy", npy(TABLE)).messages) == 1
