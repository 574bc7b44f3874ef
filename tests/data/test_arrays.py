import io
import zipfile

import numpy as np
import pytest

from dr_transformer.data import arrays
from dr_transformer.data.dataset import load_bytes
from tests.helpers.user_files import TABLE, npy, npz, refused


@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_table(order):
    dataset = load_bytes("a.npy", npy(np.asarray(TABLE, order=order)))
    assert np.array_equal(dataset.Y, TABLE)
    assert dataset.Y.dtype == np.float64
    assert dataset.Y.flags.writeable
    assert (dataset.labels, dataset.image_shape, dataset.images) == (None, None, None)
    assert dataset.source == "Your file a.npy: all 4."


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


class Trap:
    """Unpickling this would raise another error than `InputError`."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('unpickled')",))


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
    monkeypatch.setattr(arrays, "MAX_BYTES", 1_000_000)
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
    "text as npy": ("a.npy", b"x,y\n1,2\n"),
    "text as npz": ("a.npz", b"x,y\n1,2\n"),
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
}


@pytest.mark.parametrize(("filename", "content"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_files(filename, content):
    refused(filename, content)


def test_sentences_name_the_place():
    assert "holds the arrays: a, b; name the one to take Y" in refused("a.npz", npz(a=TABLE, b=TABLE))
    assert "(24 of 96 bytes" in refused("a.npy", npy(TABLE)[: -96 + 24])
