import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dr_transformer.data import user_files
from dr_transformer.data.dataset import load, load_bytes
from dr_transformer.errors import InputError
from tests.helpers.user_files import TABLE, npy, npz, parquet_bytes, refused


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


@pytest.mark.parametrize("filename", ["a.txt", "npy"])
def test_unknown_endings(filename):
    assert "give one of .npy, .npz, .csv, .parquet" in refused(filename, npy(TABLE))


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(list(user_files.READERS)), st.binary(max_size=200), st.data())
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
    monkeypatch.setattr(user_files, "MAX_BYTES", 10)
    with pytest.raises(InputError, match="GiB; give a part of it"):
        load(path)
    assert "GiB; give a part of it" in refused("a.npy", npy(TABLE))
