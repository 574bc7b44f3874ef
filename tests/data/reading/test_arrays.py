import io
import zipfile

import numpy as np
import pytest

from dr_transformer.data.dataset import load_bytes
from dr_transformer.data.reading.files import read_table
from dr_transformer.errors import InputError
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


def test_zip_bomb_is_not_unpacked():
    content = npz(X=np.zeros((2000, 784), np.uint8))
    assert len(content) < 10_000
    with pytest.raises(InputError, match="too large"):
        read_table("a.npz", content, max_bytes=1_000_000)


def test_sparse_matrices():
    from scipy import sparse

    for kind in ("csr", "csc", "coo", "dia", "bsr"):
        buffer = io.BytesIO()
        sparse.save_npz(buffer, sparse.csr_array(TABLE).asformat(kind))
        assert np.array_equal(load_bytes("a.npz", buffer.getvalue()).Y, TABLE), kind
    buffer = io.BytesIO()
    sparse.save_npz(buffer, sparse.csr_array((10_000, 100_000)))
    with pytest.raises(InputError, match="too large as an array"):
        read_table("a.npz", buffer.getvalue(), max_bytes=10**9)


@pytest.mark.parametrize(
    ("data", "labels", "more"),
    [
        ("x_train", "y_train", ("x_test", "y_test")),  # Keras
        ("train_images", "train_labels", ("val_images", "val_labels", "test_images", "test_labels")),  # MedMNIST
    ],
)
def test_npz_of_known_collections(data, labels, more):
    images = np.random.RandomState(0).randint(0, 256, (5, 4, 4), np.uint8)
    arrays = {data: images, labels: np.arange(5)[:, None] % 2}
    rest = {name: images[:2] if "images" in name or "x_" in name else np.zeros(2, int) for name in more}
    dataset = load_bytes("a.npz", npz(**arrays, **rest))
    assert np.array_equal(dataset.images, images)
    assert dataset.labels.tolist() == [0, 1, 0, 1, 0]
    assert f"tokens from {data!r}" in dataset.messages[-1]
    assert all(repr(name) in dataset.messages[-1] for name in more)


def test_the_only_other_array_with_a_value_a_token_holds_the_labels():
    assert load_bytes("a.npz", npz(arr_0=TABLE, arr_1=np.array([1, 0, 0, 1]))).labels.tolist() == [1, 0, 0, 1]
    assert load_bytes("a.npz", npz(arr_0=TABLE, arr_1=np.array([1, 0, 0]))).labels is None


def test_arrays_are_chosen_by_name():
    content = npz(X=TABLE, y=np.array([0, 0, 1, 1]), other=np.array([1, 0, 1, 0]), Z=TABLE[:, :2])
    assert load_bytes("a.npz", content, label="other").labels.tolist() == [1, 0, 1, 0]
    assert load_bytes("a.npz", content, label="none").labels is None
    assert load_bytes("a.npz", content, drop="X").Y.shape == (4, 2)
    with pytest.raises(InputError, match=r"no column 'z'; it has 'X', 'y', 'other', 'Z'"):
        load_bytes("a.npz", content, label="z")


def test_mat_and_safetensors():
    from safetensors.numpy import save
    from scipy.io import savemat

    buffer = io.BytesIO()
    savemat(buffer, {"X": TABLE, "y": np.array([3, 1, 1, 3])})
    dataset = load_bytes("a.mat", buffer.getvalue())
    assert np.array_equal(dataset.Y, TABLE)
    assert (dataset.labels.tolist(), dataset.class_names) == ([1, 0, 0, 1], ("1", "3"))
    dataset = load_bytes("a.safetensors", save({"features": TABLE.astype(np.float32), "labels": np.arange(4) % 2}))
    assert np.array_equal(dataset.Y, TABLE)
    assert dataset.labels.tolist() == [0, 1, 0, 1]


def test_colours_are_features_and_brightness_is_the_picture():
    images = np.random.RandomState(0).randint(0, 256, (4, 5, 6, 3), np.uint8)
    for array in (images, np.moveaxis(images, 3, 1)):
        dataset = load_bytes("a.npy", npy(np.ascontiguousarray(array)))
        assert np.array_equal(dataset.Y, images.reshape(4, 90))
        assert dataset.image_shape == (5, 6)
        assert np.abs(dataset.images - images @ [0.299, 0.587, 0.114]).max() <= 0.5001
    one = load_bytes("a.npy", npy(images[..., :1]))
    assert np.array_equal(one.images, images[..., 0])


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


@pytest.mark.parametrize("kind", ["trajectory", "hidden_states", "layer_{}", "h.{}", "block{}"])
@pytest.mark.parametrize("apart", [False, True])
def test_the_layers_of_a_network(kind, apart):
    states = np.random.RandomState(0).rand(12, 6, 3).astype(np.float32)
    arrays = {kind.format(i): X for i, X in enumerate(states)} if "{}" in kind else {kind: states}
    content = npz(labels=np.array(list("ababab")), images=np.ones((6, 4, 4), np.uint8), **arrays)
    dataset = load_bytes("a.npz", content, max_bytes=2**20 if apart else None)
    assert np.array_equal(dataset.trajectory, states)
    assert np.array_equal(dataset.Y, states[0])
    assert dataset.class_names == ("a", "b")
    assert dataset.images.shape == (6, 4, 4)
    assert "11 layers of a network" in dataset.messages[0]
    some = load_bytes("a.npz", content, 4)
    assert np.array_equal(some.trajectory, states[:, some.index])


def test_what_embed_writes_is_images_still():
    content = npz(trajectory=np.ones((3, 4, 2)), images=np.ones((4, 2, 2), np.uint8), settings=np.array("{}"))
    dataset = load_bytes("a.npz", content)
    assert dataset.trajectory is None
    assert dataset.images.shape == (4, 2, 2)


def test_layers_with_gaps_are_named():
    states = np.ones((3, 4, 2))
    states[2, 1, 0] = np.nan
    assert "layer 2 of a.npz has no number in row 2, column 1" in refused("a.npz", npz(trajectory=states))
