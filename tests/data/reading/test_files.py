import gzip
import hashlib
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.numpy import save

from dr_transformer.data import dataset
from dr_transformer.data.dataset import load, load_bytes
from dr_transformer.data.reading import apart
from dr_transformer.data.reading.files import ENDINGS, read_table
from dr_transformer.data.reading.rows import Choice
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


@pytest.mark.parametrize("filename", ["a.doc", "npy"])
def test_unknown_endings(filename):
    assert "give one of .csv, .parquet, .npy, .npz" in refused(filename, npy(TABLE))


MORE = {
    ".tsv": b"x\ty\n1\t2\n3\t4\n",
    ".txt": b"1 2\n3 4\n",
    ".csv.gz": gzip.compress(b"x,y\n1,2\n3,4\n"),
    ".safetensors": save({"X": TABLE}),
}


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from([ending for ending in ENDINGS if ending not in (".h5ad", ".mat")]),
    st.binary(max_size=200),
    st.data(),
)
def test_no_bytes_raise_anything_but_input_error(suffix, noise, data):
    good = {".npy": npy(TABLE), ".npz": npz(X=TABLE, y=np.arange(4)), ".csv": b"x,y,label\n1,2,a\n3,4,b\n"}
    content = bytearray(
        good.get(suffix) or MORE.get(suffix) or parquet_bytes({"x": [1, 2, 3], "label": ["a", "b", "a"]})
    )
    at = data.draw(st.integers(0, len(content)))
    content[at : at + len(noise)] = noise
    try:
        found = load_bytes(f"a{suffix}", bytes(content))
    except InputError as refusal:
        assert "\n" not in str(refusal)  # noqa: PT017
        return
    assert found.n_samples >= 2
    assert np.isfinite(found.Y).all()


def test_paths(tmp_path):
    with pytest.raises(InputError, match=r"there is no such file"):
        load(tmp_path / "missing.npy")
    with pytest.raises(InputError, match=r"is a folder with 0 images"):
        load(tmp_path)
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(InputError, match=r"is a folder with 0 images"):
        load(tmp_path / "folder.npy")
    for odd in ("\0.npy", "x" * 5000 + ".npy", "~nobody_of_this_name/a.npy"):
        with pytest.raises(InputError, match=r"cannot be opened"):
            load(odd)


@pytest.mark.parametrize("max_bytes", [None, 2**20])
def test_labels_in_a_file_of_their_own(max_bytes: int | None) -> None:
    content, labels = (
        npy(np.eye(6)),
        ("metadata.tsv", b"word\tclass\n" + b"".join(b"%d\t%c\n" % (i, b"uv"[i % 2]) for i in range(6))),
    )
    found = load_bytes("a.npy", content, metadata=labels, max_bytes=max_bytes)
    assert found.class_names == ("u", "v")
    assert found.labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert "labels from 'class'" in found.messages[-1]
    plain = load_bytes("a.npy", content, max_bytes=max_bytes)
    other = load_bytes("a.npy", content, metadata=("m.tsv", b"a\nb\n" * 3), max_bytes=max_bytes)
    assert len({found.key, plain.key, other.key}) == 3
    assert load_bytes("a.npy", content, label="none", metadata=labels, max_bytes=max_bytes).labels is None
    none = load_bytes("a.npy", content, metadata=("m.tsv", b"p\tq\n" + b"1\t2\n" * 6), max_bytes=max_bytes)
    assert "'m.tsv' has no column of classes" in none.messages[-1]
    for rows, said in ((b"a\nb\n", "m.tsv has 2 rows for 6 tokens"), (b"\xff\xfe\x00", "m.tsv")):
        with pytest.raises(InputError, match=said):
            load_bytes("a.npy", content, metadata=("m.tsv", rows), max_bytes=max_bytes)


def test_embedding_projectors_metadata(tmp_path):
    (tmp_path / "vectors.tsv").write_text("1\t2.5\n3\t4\n5\t6\n")
    (tmp_path / "metadata.tsv").write_text("b\na\nb\n")
    found = load(tmp_path / "vectors.tsv")
    assert (found.Y.tolist(), found.labels.tolist()) == ([[1, 2.5], [3, 4], [5, 6]], [1, 0, 1])
    (tmp_path / "metadata.tsv").write_text("word\tclass\nx\tu\ny\tv\nz\tu\n")
    assert load(tmp_path / "vectors.tsv").labels is None  # as many classes as rows
    (tmp_path / "metadata.tsv").write_text("b\na\n")
    with pytest.raises(InputError, match="2 rows for 3 tokens"):
        load(tmp_path / "vectors.tsv")


def test_a_folder_of_images(tmp_path):
    pictures = np.random.RandomState(0).randint(0, 256, (6, 9, 8), np.uint8)
    for i, picture in enumerate(pictures):
        folder = tmp_path / ("cat" if i < 4 else "dog")
        folder.mkdir(exist_ok=True)
        Image.fromarray(picture).save(folder / f"{i}.png")
    found = load(tmp_path)
    assert np.array_equal(found.images, pictures)
    assert (found.class_names, found.labels.tolist()) == (("cat", "dog"), [0] * 4 + [1] * 2)
    Image.fromarray(pictures[0, :3]).save(tmp_path / "dog" / "9.png")  # takes the first one's size
    assert load(tmp_path).images.shape == (7, 9, 8)
    (tmp_path / "dog" / "broken.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"image 8 of .* cannot be read"):
        load(tmp_path)


def test_file_too_large(tmp_path, monkeypatch):
    path = tmp_path / "a.npy"
    path.write_bytes(npy(TABLE))
    monkeypatch.setattr(dataset, "MAX_BYTES", 10)
    with pytest.raises(InputError, match="GiB; give a part of it"):
        load(path)
    with pytest.raises(InputError, match="MB; give a part of it"):
        read_table("a.npy", npy(TABLE), max_bytes=10)
    with pytest.raises(InputError, match="MB; give a part of it"):
        read_table("a.csv.gz", gzip.compress(b"1,2\n" * 1000), max_bytes=1000)


def test_a_process_of_its_own_reads_the_same():
    content = npz(X=TABLE, y=np.array(["b", "a", "", "b"]), other=np.ones(4))
    one, other = read_table("a.npz", content), apart.read_apart("a.npz", content, Choice(), 2**20)
    for name in ("Y", "labels"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
        assert getattr(one, name).dtype == getattr(other, name).dtype
    for name in ("class_names", "columns", "label", "dropped", "said", "image_shape", "taken"):
        assert getattr(one, name) == getattr(other, name), name
    with pytest.raises(InputError, match="no column 'z'"):
        apart.read_apart("a.npz", content, Choice("z"), 2**20)
    with pytest.raises(InputError, match="holds numbers, but 'red' in row 2") as refusal:
        apart.read_apart("a.csv", b"x,y\n1,2\n3,red\n", Choice(), 2**20)
    assert refusal.value.columns == ("x", "y")


def test_a_file_that_breaks_its_library_is_one_sentence(monkeypatch):
    """As SciPy's reader of .mat does at some damage."""
    monkeypatch.setattr(apart.sys, "executable", "/bin/false")
    with pytest.raises(InputError, match="the process that read it has ended"):
        load_bytes("a.mat", b"anything")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds what a process may hold")
def test_a_file_that_takes_too_much_memory_ends_only_its_own_process(monkeypatch):
    monkeypatch.setattr(apart, "_PER_BYTE", 0)
    with pytest.raises(InputError, match="more memory than there is"):
        apart.read_apart("a.csv", b"x,y\n" + b"1,2\n" * 2_000_000, Choice(), 2**24)
