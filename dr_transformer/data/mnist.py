"""The image sets of the MNIST family and the chain of places they come from.

A folder the user gave, else the bundled sample, else the cache of earlier downloads, else a download by torchvision;
each step is said. torchvision is needed for the download only: the idx files are read here.
"""

from __future__ import annotations

import contextlib
import gzip
import math
import os
import socket
import struct
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dr_transformer.data.reading.rows import MAX_BYTES
from dr_transformer.errors import InputError, brief
from dr_transformer.paths import asset
from dr_transformer.types import Say

FOLDER_VARIABLE = "DR_TRANSFORMER_DATA"
SAMPLE_SIZE = 10_000
"""Up to so many images are drawn from the first so many training images, wherever these are read from."""
DOWNLOAD_TIMEOUT = 10.0
"""Seconds without an answer after which a server is given up; torchvision itself would wait for ever."""

_download_lock = threading.Lock()


@dataclass(frozen=True)
class Family:
    """One of the image sets in MNIST's format: four idx files, 60 000 training and 10 000 test images."""

    title: str
    torchvision: str  # the class in torchvision.datasets, and the folder it makes
    classes: tuple[str, ...]
    first_labels: tuple[int, ...] = ()  # the sets share their file names: these tell them apart
    bundled: bool = False


_TOTAL = 70_000
_GARMENTS = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
FAMILIES = {
    "mnist": Family("MNIST", "MNIST", tuple("0123456789"), (5, 0, 4, 1, 9, 2, 1, 3, 1, 4), bundled=True),
    "fashion-mnist": Family("Fashion-MNIST", "FashionMNIST", _GARMENTS, (9, 0, 0, 3, 0, 2, 7, 2, 5, 5)),
    "kmnist": Family("KMNIST", "KMNIST", ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")),
}


@dataclass(frozen=True, eq=False)
class Pool:
    """The images to draw from: a prefix of the full set (training images, then test images)."""

    images: np.ndarray
    labels: np.ndarray
    source: str


class _UnavailableError(Exception):
    """One link of the chain has nothing; the message is half a sentence."""


def count(number: int) -> str:
    """A number for people: 10 000."""
    return f"{number:_}".replace("_", " ")


def find_images(family: Family, n: int | None, folder: str | os.PathLike[str] | None, say: Say, download: bool) -> Pool:
    """The images to draw `n` from (None: 10 000), from the first link of the chain that has them.

    A given folder, by flag or by the environment variable, is the only link: what it lacks is an `InputError`.
    """
    how = "the folder" if folder else FOLDER_VARIABLE
    given = folder or os.environ.get(FOLDER_VARIABLE)
    if given:
        pool = _from_folder(family, given, how, n)
        say(f"{family.title} was read from {how} {given}.")
        return pool
    if n is not None and n > _TOTAL:
        raise InputError(
            f"n_samples = {n} is more than the {_TOTAL} images of {family.title}; choose at most {_TOTAL}."
        )
    for link in _links(family, n, say, download):
        try:
            pool = link()
        except _UnavailableError as error:
            reason = str(error)
            say(f"{reason[0].upper()}{reason[1:]}.")
        else:
            say(f"{pool.source}.")
            return pool
    raise InputError(f"{reason}; {_way_out(family, n)}")


def _links(family: Family, n: int | None, say: Say, download: bool) -> Iterator[Callable[[], Pool]]:
    if family.bundled and (n is None or n <= SAMPLE_SIZE):
        yield _from_sample
    else:
        say(f"No data folder is given, by flag or by {FOLDER_VARIABLE}.")
    yield lambda: _from_cache(family, n)
    if download:
        yield lambda: _from_download(family, n, say)


def _way_out(family: Family, n: int | None) -> str:
    folder = f"a folder with the {family.title} files (the data folder, or the environment variable {FOLDER_VARIABLE})"
    if not family.bundled:
        return f"give {folder}, or choose mnist, of which {count(SAMPLE_SIZE)} images are bundled."
    if n is None or n <= SAMPLE_SIZE:
        return f"install the package again for the bundled sample, or give {folder}."
    return f"choose n_samples of at most {SAMPLE_SIZE} for the bundled sample, or give {folder}."


def _from_sample() -> Pool:
    try:
        with np.load(asset("mnist_10k.npz"), allow_pickle=False) as sample:
            images, labels = sample["images"], sample["labels"]
    except (OSError, ValueError, KeyError) as error:
        raise _UnavailableError("the bundled MNIST sample is missing from this installation") from error
    return Pool(images, labels, "MNIST, the first 10 000 training images, bundled")


def _from_folder(family: Family, given: str | os.PathLike[str], how: str, n: int | None) -> Pool:
    try:
        folder = Path(given).expanduser()
        if not folder.is_dir():
            raise InputError(
                f"{how} {given} does not exist or is no folder; give the folder of the {family.title} files."
            )
        raw = _raw_folder(folder, family)
        if raw is None:
            raise InputError(
                f"{how} {given} lacks the {family.title} files (train-images-idx3-ubyte or .gz, in it, in raw or in "
                f"{family.torchvision}/raw); give the folder that holds them."
            )
        return _read_family(raw, family, n, f"from {how} {given}")
    except InputError:
        raise
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"{how} {given} cannot be read ({brief(error)}); check its path.") from error


def _raw_folder(folder: Path, family: Family) -> Path | None:
    candidates = (folder / family.torchvision / "raw", folder / "raw", folder)
    return next((raw for raw in candidates if _idx_path(raw, "train-images-idx3-ubyte")), None)


def _idx_path(raw: Path, stem: str) -> Path | None:
    return next((path for path in (raw / stem, raw / f"{stem}.gz") if path.is_file()), None)


def _read_family(raw: Path, family: Family, n: int | None, origin: str) -> Pool:
    images, labels = _read_part(raw, family, "train")
    head = min(SAMPLE_SIZE, len(images))
    if n is None or n <= head:
        source = f"{family.title}, the first {count(head)} training images, {origin}"
        return Pool(images[:head], labels[:head], source)
    test_images, test_labels = _read_part(raw, family, "t10k")
    if test_images.shape[1:] != images.shape[1:]:
        raise InputError(f"the training and test images {origin} differ in size; put the original files there.")
    images, labels = np.concatenate([images, test_images]), np.concatenate([labels, test_labels])
    return Pool(images, labels, f"{family.title}, training and test images, {origin}")


def _read_part(raw: Path, family: Family, part: str) -> tuple[np.ndarray, np.ndarray]:
    arrays = []
    for stem, ndim in ((f"{part}-images-idx3-ubyte", 3), (f"{part}-labels-idx1-ubyte", 1)):
        path = _idx_path(raw, stem)
        if path is None:
            raise InputError(f"{stem} (or .gz) is missing beside the other {family.title} files; put it there.")
        arrays.append(read_idx(path, ndim))
    images, labels = arrays
    if len(images) != len(labels) or labels.max() >= len(family.classes):
        raise InputError(
            f"the {part} images and labels of {family.title} do not belong together; put the originals there."
        )
    start = tuple(labels[:10].tolist())
    other = next((f for f in FAMILIES.values() if part == "train" and f.first_labels == start and f != family), None)
    if other is not None:
        raise InputError(f"the files are of {other.title}, not of {family.title}; choose it or give another folder.")
    return images, labels


def cache_folder() -> Path:
    """Return where downloads are kept, as a torchvision root: `$XDG_CACHE_HOME/dr_transformer`, by default in
    `~/.cache`.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "dr_transformer"


def _from_cache(family: Family, n: int | None) -> Pool:
    raw = cache_folder() / family.torchvision / "raw"
    try:
        if _idx_path(raw, "train-images-idx3-ubyte") is None:
            raise _UnavailableError(f"{family.title} is not in the cache of earlier downloads")
        return _read_family(raw, family, n, "from the cache of an earlier download")
    except (InputError, OSError, RuntimeError) as error:  # RuntimeError: there is no home folder
        raise _UnavailableError(f"{family.title} in the cache is damaged ({brief(error)})") from error


def _from_download(family: Family, n: int | None, say: Say) -> Pool:
    """Download by torchvision into a folder of its own, and keep the files only when all of them could be read."""
    datasets = _torchvision_datasets()
    with _download_lock:
        with contextlib.suppress(_UnavailableError):  # another session may just have fetched it
            return _from_cache(family, n)
        say(f"Downloading {family.title} with torchvision (70 000 images; the terminal shows the progress).")
        try:
            cache_folder().mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".download-", dir=cache_folder()) as fresh, _network_timeout():
                getattr(datasets, family.torchvision)(fresh, train=True, download=True)
                raw = Path(fresh) / family.torchvision / "raw"
                pool = _read_family(raw, family, n, "downloaded by torchvision")
                kept = cache_folder() / family.torchvision / "raw"
                kept.mkdir(parents=True, exist_ok=True)
                for path in raw.glob("*-ubyte"):
                    path.replace(kept / path.name)
        except Exception as error:  # torchvision lets all kinds of network and file errors through
            raise _UnavailableError(f"{family.title} could not be downloaded ({brief(error)})") from error
    return pool


def _torchvision_datasets() -> Any:
    try:
        import torchvision.datasets as datasets
    except Exception as error:  # a wheel that does not match torch raises RuntimeError, OSError or AttributeError
        raise _UnavailableError(
            f"torchvision, which downloads, is missing or does not work here ({brief(error)})"
        ) from error
    return datasets


@contextlib.contextmanager
def _network_timeout() -> Iterator[None]:
    """Torchvision opens its connections without a timeout, so it takes the process's default one; set it meanwhile."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def read_idx(path: Path, ndim: int) -> np.ndarray:
    """Read an idx file of unsigned bytes with `ndim` dimensions, gzipped if its name ends in .gz.

    The format: big-endian int32 2048 + ndim, the shape as int32, the bytes (LeCun, Cortes and Burges, MNIST).
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            magic, *shape = struct.unpack(f">{1 + ndim}i", stream.read(4 + 4 * ndim))
            size = math.prod(shape)
            if magic != 2048 + ndim or min(shape) < 1 or size > MAX_BYTES:
                raise InputError(f"{path.name} is not an idx file of {ndim} dimensions; put the original file there.")
            content = stream.read(size + 1)  # to the end, where gzip keeps its checksum
    except (OSError, EOFError, struct.error, zlib.error) as error:
        raise InputError(f"{path.name} cannot be read ({brief(error)}); put the original file there.") from error
    if len(content) != size:
        differs = f"ends early ({len(content)} of {size} bytes)" if len(content) < size else "has too many bytes"
        raise InputError(f"{path.name} {differs}; put the original file there.")
    return np.frombuffer(content, np.uint8).reshape(shape)
