import gzip
import hashlib
import socket
import struct
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dr_transformer.data import mnist
from dr_transformer.data.dataset import balanced_subset, load
from dr_transformer.errors import InputError

COUNTS = [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]
ONE_SENTENCE = r"^[^\n]+\.$"


@pytest.fixture(autouse=True)
def no_sources(monkeypatch, tmp_path):
    """No folder from the environment, an empty cache, and no torchvision unless the test gives one."""
    monkeypatch.delenv("DR_TRANSFORMER_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "torchvision", None)


def idx(array):
    array = np.asarray(array, np.uint8)
    return struct.pack(f">{1 + array.ndim}i", 2048 + array.ndim, *array.shape) + array.tobytes()


def write_family(raw: Path, n_train=60, n_test=20, suffix=""):
    """Small idx files: image i of the full set is filled with the value i; its label is i modulo 10."""
    raw.mkdir(parents=True, exist_ok=True)
    for part, first, n in (("train", 0, n_train), ("t10k", n_train, n_test)):
        values = np.arange(first, first + n)
        images = np.broadcast_to(values[:, None, None], (n, 28, 28))
        for stem, content in (("images-idx3", images), ("labels-idx1", values % 10)):
            content = gzip.compress(idx(content)) if suffix else idx(content)
            (raw / f"{part}-{stem}-ubyte{suffix}").write_bytes(content)
    return raw


# --- the bundled sample -----------------------------------------------------------------------------------------------


def test_sample_is_the_first_ten_thousand_training_images():
    dataset = load("mnist")
    assert dataset.Y.shape == (10_000, 784)
    assert dataset.Y.dtype == np.uint8
    assert dataset.images.shape == (10_000, 28, 28)
    assert dataset.labels[:12].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4, 3, 5]
    assert np.bincount(dataset.labels).tolist() == COUNTS
    pixels = hashlib.sha256(dataset.Y.tobytes()).hexdigest()
    labels = hashlib.sha256(dataset.labels.astype(np.uint8).tobytes()).hexdigest()
    assert pixels == "2f7182bf021ffc5c1f62db987487f14d899b5c639f421a80f3095affc09a7db2"
    assert labels == "2f345bad07338ec537641465e169cc4b7288a44244f251211c7f842641e7d927"
    assert mnist.asset("mnist_10k.npz").stat().st_size < 2_000_000


def test_sample_describes_itself():
    dataset = load("mnist")
    assert dataset.name == "mnist"
    assert dataset.n_samples == 10_000
    assert dataset.class_names == tuple("0123456789")
    assert dataset.index.tolist() == list(range(10_000))
    assert dataset.source == "MNIST, the first 10 000 training images, bundled: all 10 000."
    assert dataset.messages == ("MNIST, the first 10 000 training images, bundled.",)


def test_subset_of_the_sample():
    full, dataset = load("mnist"), load("mnist", 1000)
    assert np.bincount(dataset.labels).tolist() == [100] * 10
    assert np.array_equal(dataset.Y, full.Y[dataset.index])
    assert np.array_equal(dataset.labels, full.labels[dataset.index])
    assert np.array_equal(dataset.index, load("mnist", 1000, 42).index)
    assert not np.array_equal(dataset.index, load("mnist", 1000, 43).index)


def test_key_is_the_identity_of_the_tokens():
    keys = {load("mnist", n, seed).key for n in (500, 1000) for seed in (1, 2)}
    assert len(keys) == 4
    assert load("mnist", 500, 1).key in keys


def test_global_random_state_is_untouched():
    np.random.seed(0)
    expected = np.random.random()
    np.random.seed(0)
    load("mnist", 100)
    assert np.random.random() == expected


def test_import_is_light():
    code = (  # a package without its __init__, which has imports of its own
        "import sys, types\n"
        "package = sys.modules['dr_transformer'] = types.ModuleType('dr_transformer')\n"
        f"package.__path__ = [{str(Path(mnist.__file__).parents[1])!r}]\n"
        "import dr_transformer.data.dataset\n"
        "heavy = {'torch', 'torchvision', 'pandas', 'sklearn', 'scipy', 'pyarrow', 'streamlit', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- balanced subsets -------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=80)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.data(), st.integers(0, 2**32 - 1))
def test_balanced_subset(sizes, data, seed):
    labels = np.random.RandomState(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    n = data.draw(st.integers(1, len(labels)))
    index = balanced_subset(labels, n, seed)
    assert len(index) == n
    assert np.all(np.diff(index) > 0)
    assert index[0] >= 0
    assert index[-1] < len(labels)
    got = np.bincount(labels[index], minlength=len(sizes))
    unfilled = got[got < sizes]  # a class that could have given more has at most one less than any other
    assert unfilled.size == 0 or got.max() - unfilled.min() <= 1
    assert np.array_equal(index, balanced_subset(labels, n, seed))


# --- folders ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("below", ["MNIST/raw", "raw", "."])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_folder(tmp_path, below, suffix):
    write_family(tmp_path / "given" / below, suffix=suffix)
    dataset = load("mnist", folder=tmp_path / "given")
    assert dataset.Y[:, 0].tolist() == list(range(60))  # a folder goes before the bundled sample
    assert dataset.image_shape == (28, 28)
    assert dataset.messages == (f"MNIST was read from the folder {tmp_path / 'given'}.",)


def test_more_than_the_head_draws_from_training_and_test_images(tmp_path):
    write_family(tmp_path)
    whole = load("mnist", 80, folder=tmp_path)
    assert whole.Y[:, 0].tolist() == list(range(80))
    part = load("mnist", 70, folder=tmp_path)
    assert part.Y[:, 5].tolist() == part.index.tolist()
    assert np.bincount(part.labels).tolist() == [7] * 10
    assert load("mnist", 60, folder=tmp_path).index.tolist() == list(range(60))


def test_small_n_needs_no_test_images(tmp_path):
    write_family(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte").unlink()
    assert load("mnist", 50, folder=tmp_path).n_samples == 50
    with pytest.raises(InputError, match=r"t10k-images-idx3-ubyte \(or .gz\) is missing"):
        load("mnist", 70, folder=tmp_path)


def test_environment_variable(tmp_path, monkeypatch):
    write_family(tmp_path / "a" / "KMNIST" / "raw")
    monkeypatch.setenv("DR_TRANSFORMER_DATA", str(tmp_path / "a"))
    dataset = load("kmnist", 10)
    assert dataset.class_names[9] == "wo"
    assert dataset.source == (
        f"KMNIST, the first 60 training images, from DR_TRANSFORMER_DATA {tmp_path / 'a'}: 10 of 60, seed 42."
    )
    with pytest.raises(InputError, match=r"^DR_TRANSFORMER_DATA .* lacks the Fashion-MNIST files"):
        load("fashion-mnist")
    write_family(tmp_path / "b", n_train=30)  # the flag goes before the variable
    assert load("kmnist", folder=tmp_path / "b").n_samples == 30


def test_same_images_same_key_whatever_the_source(tmp_path):
    bundled = load("mnist", 300)
    full = load("mnist")
    for part in ("train", "t10k"):
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(full.images))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(full.labels))
    assert load("mnist", 300, folder=tmp_path).key == bundled.key
    other = full.images.copy()
    other[bundled.index[0], 0, 0] = 1
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(other))
    assert load("mnist", 300, folder=tmp_path).key != bundled.key


def test_one_set_is_not_taken_for_another(tmp_path):
    write_family(tmp_path, n_train=10)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx([9, 0, 0, 3, 0, 2, 7, 2, 5, 5]))
    assert load("fashion-mnist", folder=tmp_path).class_names[9] == "Ankle boot"
    with pytest.raises(InputError, match="the files are of Fashion-MNIST, not of MNIST"):
        load("mnist", folder=tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read"),
        (b"\0\0\x08\x03", "cannot be read"),
        (idx(np.zeros((60, 28, 28)))[:-1], r"ends early \(47039 of 47040 bytes\)"),
        (idx(np.zeros(60)), "not an idx file"),
        (idx(np.zeros((60, 28, 28))) + b"x", "has too many bytes"),
        (b"some text that is long enough", "not an idx file"),
        (struct.pack(">4i", 2051, 2**30, 2**15, 2**15), "not an idx file"),
        (struct.pack(">4i", 2051, -1, 28, 28), "not an idx file"),
        (idx(np.zeros((59, 28, 28))), "do not belong together"),
    ],
)
def test_damaged_idx_file(tmp_path, content, message):
    write_family(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        load("mnist", folder=tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "damage", [lambda c: c[:-20], lambda c: c[:5], lambda c: b"no gzip" + c, lambda c: c[:-9] + b"rubbish.."]
)
def test_damaged_gz_file(tmp_path, damage):
    write_family(tmp_path, suffix=".gz")
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"cannot be read|ends early|too many bytes"):
        load("mnist", folder=tmp_path)


def test_label_out_of_range(tmp_path):
    write_family(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.full(60, 10)))
    with pytest.raises(InputError, match="do not belong together"):
        load("mnist", folder=tmp_path)


@pytest.mark.parametrize("folder", ["missing", "\0", "x" * 5000, "~nobody_of_this_name/data"])
def test_missing_folder(folder):
    with pytest.raises(InputError, match=r"^the folder .*(does not exist|cannot be read)"):
        load("mnist", folder=folder)


def test_empty_folder(tmp_path):
    with pytest.raises(InputError, match=r"lacks the MNIST files \(train-images-idx3-ubyte or .gz"):
        load("mnist", folder=tmp_path)


# --- cache and download -----------------------------------------------------------------------------------------------


def give_torchvision(monkeypatch, constructor):
    module, datasets = types.ModuleType("torchvision"), types.ModuleType("torchvision.datasets")
    datasets.MNIST = datasets.FashionMNIST = datasets.KMNIST = constructor
    module.datasets = datasets
    monkeypatch.setitem(sys.modules, "torchvision", module)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", datasets)


def test_download_is_kept_for_the_next_time(monkeypatch, tmp_path):
    calls = []

    def download(root, train, download):
        calls.append((train, download, socket.getdefaulttimeout()))
        write_family(Path(root) / "KMNIST" / "raw")

    give_torchvision(monkeypatch, download)
    said = []
    dataset = load("kmnist", 70, say=said.append)
    assert calls == [(True, True, 10.0)]
    assert socket.getdefaulttimeout() is None
    assert dataset.n_samples == 70
    assert tuple(said) == dataset.messages
    assert said == [
        "No data folder is given, by flag or by DR_TRANSFORMER_DATA.",
        "KMNIST is not in the cache of earlier downloads.",
        "Downloading KMNIST with torchvision (70 000 images; the terminal shows the progress).",
        "KMNIST, training and test images, downloaded by torchvision.",
    ]
    again = load("kmnist", 70)
    assert len(calls) == 1
    assert again.messages[-1] == "KMNIST, training and test images, from the cache of an earlier download."
    assert again.key == dataset.key
    assert [p.name for p in (tmp_path / "cache" / "dr_transformer").iterdir()] == ["KMNIST"]


@pytest.mark.parametrize("kind", [RuntimeError, OSError, TimeoutError, EOFError, AttributeError])
def test_failed_download_leaves_nothing_and_offers_the_sample(monkeypatch, tmp_path, kind):
    def download(root, train, download):
        raw = write_family(Path(root) / "MNIST" / "raw")
        (raw / "t10k-images-idx3-ubyte").write_bytes(b"half")
        raise kind("Error downloading:\nTried a mirror, got:\n<urlopen error no network>\n")

    give_torchvision(monkeypatch, download)
    said = []
    with pytest.raises(InputError, match=ONE_SENTENCE) as error:
        load("mnist", 20_000, say=said.append)
    assert str(error.value) == (
        "MNIST could not be downloaded (urlopen error no network); choose n_samples of at most 10000 for the bundled "
        "sample, or give a folder with the MNIST files (the data folder, or the environment variable "
        "DR_TRANSFORMER_DATA)."
    )
    assert said[-1] == "MNIST could not be downloaded (urlopen error no network)."
    assert list((tmp_path / "cache" / "dr_transformer").iterdir()) == []
    assert socket.getdefaulttimeout() is None


def test_half_downloaded_file_is_not_taken_for_good(monkeypatch, tmp_path):
    def download(root, train, download):
        raw = write_family(Path(root) / "MNIST" / "raw")
        path = raw / "t10k-images-idx3-ubyte"
        path.write_bytes(path.read_bytes()[:-100])

    give_torchvision(monkeypatch, download)
    with pytest.raises(InputError, match="ends early"):
        load("mnist", 20_000)
    assert list((tmp_path / "cache" / "dr_transformer").iterdir()) == []


def test_damaged_cache_is_downloaded_anew(monkeypatch, tmp_path):
    raw = write_family(tmp_path / "cache" / "dr_transformer" / "KMNIST" / "raw")
    (raw / "train-images-idx3-ubyte").write_bytes(b"half")
    give_torchvision(monkeypatch, lambda root, **_: write_family(Path(root) / "KMNIST" / "raw"))
    dataset = load("kmnist")
    assert dataset.messages[1].startswith("KMNIST in the cache is damaged (train-images-idx3-ubyte cannot be read")
    assert load("kmnist").messages[-1].endswith("from the cache of an earlier download.")


def test_missing_torchvision_offers_the_sample():
    said = []
    with pytest.raises(
        InputError, match=r"^torchvision, which downloads, is missing .*; choose n_samples of at most 10000"
    ):
        load("mnist", 20_000, say=said.append)
    assert said[-1].startswith("Torchvision, which downloads, is missing or does not work here")


def test_broken_torchvision_is_a_sentence(monkeypatch, tmp_path):
    (tmp_path / "torchvision").mkdir()
    broken = "raise RuntimeError('operator torchvision::nms does not exist')"
    (tmp_path / "torchvision" / "__init__.py").write_text(broken)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchvision")
    monkeypatch.delitem(sys.modules, "torchvision.datasets", raising=False)
    with pytest.raises(
        InputError, match=r"\(operator torchvision::nms does not exist\); give a folder.*or choose mnist"
    ):
        load("fashion-mnist")


def test_download_can_be_declined(monkeypatch):
    give_torchvision(monkeypatch, lambda *_, **__: pytest.fail("downloaded"))
    with pytest.raises(InputError, match=r"^MNIST is not in the cache of earlier downloads; choose n_samples"):
        load("mnist", 10_001, download=False)


def test_without_the_sample_the_chain_goes_on(monkeypatch, tmp_path):
    monkeypatch.setattr(mnist, "asset", lambda name: tmp_path / name)
    with pytest.raises(InputError, match="install the package again"):
        load("mnist")
    write_family(tmp_path / "cache" / "dr_transformer" / "MNIST" / "raw")
    dataset = load("mnist")
    assert dataset.messages == (
        "The bundled MNIST sample is missing from this installation.",
        "MNIST, the first 60 training images, from the cache of an earlier download.",
    )


def test_unwritable_cache_is_a_sentence(monkeypatch, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    give_torchvision(monkeypatch, lambda *_, **__: None)
    with pytest.raises(InputError, match=r"^KMNIST could not be downloaded"):
        load("kmnist")


# --- digits and bad input ---------------------------------------------------------------------------------------------


def test_digits():
    dataset = load("digits")
    assert dataset.Y.shape == (1797, 64)
    assert dataset.Y.dtype == np.float32
    assert (dataset.Y.min(), dataset.Y.max()) == (0, 1)
    assert dataset.images.shape == (1797, 8, 8)
    assert (dataset.images.dtype, dataset.images.min(), dataset.images.max()) == (np.uint8, 0, 255)
    assert np.bincount(dataset.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.bincount(load("digits", 103).labels).tolist().count(10) == 7
    assert load("digits", 9, folder="x").messages == (
        "The folder is not used: it is for MNIST, Fashion-MNIST and KMNIST.",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mnist", 1), "n_samples must be at least 2"),
        (("mnist", 70_001), "n_samples = 70001 is more than the 70000 images of MNIST; choose at most 70000"),
        (("digits", 1798), "n_samples = 1798 is more than the 1797 tokens of digits; choose at most 1797"),
        (("mnist", "many"), "n_samples must be a whole number"),
        (("mnist", 10, -1), "random_state must be at least 0"),
        (("cifar",), "unknown data set 'cifar'; choose mnist, fashion-mnist, kmnist, digits, or a file"),
        (("",), "the data set must be mnist"),
        ((None,), "the data set must be mnist"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        load(*arguments)


def test_names_are_forgiving():
    assert load(" MNIST ", 10).name == "mnist"
    with pytest.raises(InputError, match=r"^Fashion-MNIST is not in the cache"):
        load("Fashion_MNIST", download=False)
