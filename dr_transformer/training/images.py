"""Where images come from: the MNIST family made 16 × 16, or downsampled ImageNet in its published files."""

from __future__ import annotations

import hashlib
import math
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dr_transformer.data.dataset import load
from dr_transformer.data.mnist import FAMILIES, SAMPLE_SIZE, count
from dr_transformer.errors import InputError, brief
from dr_transformer.training.data import DataInfo, ImageData
from dr_transformer.types import Say

SIDE = 16
IMAGENET_CLASSES = 1000
IMAGENET_BATCHES = tuple(f"train_data_batch_{i}.npz" for i in range(1, 11))
IMAGENET_VALIDATION = "val_data.npz"
DATASETS = (*FAMILIES, "imagenet16")
_ALL = 70_000
_TRAIN = 60_000
Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


def load_images(
    name: str, folder: Path | None, say: Say, n_samples: int | None = None, *, download: bool = True
) -> ImageData:
    """One of `DATASETS` at 16 × 16. Raises `InputError`.

    Of the MNIST family `n_samples` images are taken: by default 10 000 of MNIST, which are bundled, all 70 000 of the
    others. Of 70 000, the 60 000 training images are learned from and the 10 000 test images validate; of fewer, the
    last fifth validates. `imagenet16` is read from `folder`, whole.
    """
    if name == "imagenet16":
        if folder is None:
            raise InputError(
                f"imagenet16 needs the folder of {IMAGENET_BATCHES[0]} and the others; give --data-folder."
            )
        return _imagenet(folder, say)
    if name not in FAMILIES:
        raise InputError(f"unknown images {name!r}; choose one of {', '.join(DATASETS)}.")
    n = (SAMPLE_SIZE if FAMILIES[name].bundled else _ALL) if n_samples is None else n_samples
    dataset = load(name, n, folder=folder, say=say, download=download)
    assert dataset.images is not None
    assert dataset.labels is not None
    images = shrink(dataset.images, SIDE)[:, None]
    n_train = _TRAIN if n == _ALL else n - n // 5
    # Where they were read from is a matter of this machine; which they are is not.
    of = "the first 10 000 training images" if n <= SAMPLE_SIZE else "all 70 000 images"
    which = of if n in (SAMPLE_SIZE, _ALL) else f"{count(n)} of {of}"
    source = f"{FAMILIES[name].title}, {which}, averaged to {SIDE} × {SIDE}"
    return _image_data(
        name,
        source,
        images[:n_train],
        dataset.labels[:n_train],
        images[n_train:],
        dataset.labels[n_train:],
        len(dataset.class_names),
    )


def shrink(images: Images, side: int) -> Images:
    """Images (n, s, s) averaged over areas to (n, side, side), exactly: the same bytes on every machine."""
    n, old, _ = images.shape
    unit = math.lcm(old, side)
    edges = np.arange(unit)
    overlap = np.zeros((side, old))  # how many units of a new pixel lie in an old one
    np.add.at(overlap, (edges // (unit // side), edges // (unit // old)), 1)
    area = (unit // side) ** 2
    small = np.empty((n, side, side), np.uint8)
    for first in range(0, n, 4096):
        # Whole numbers below 2^53, so float64 is exact in whatever order they are added.
        sums = overlap @ images[first : first + 4096].astype(np.float64) @ overlap.T
        small[first : first + 4096] = (2 * sums.astype(np.int64) + area) // (2 * area)
    return small


def _imagenet(folder: Path, say: Say) -> ImageData:
    parts = []
    for name in IMAGENET_BATCHES:
        parts.append(read_imagenet(folder / name))
        say(f"{name}: {count(len(parts[-1][0]))} images.")
    val, val_labels = read_imagenet(folder / IMAGENET_VALIDATION)
    train = np.concatenate([images for images, _ in parts])
    labels = np.concatenate([labels for _, labels in parts])
    return _image_data(
        "imagenet16", "ImageNet downsampled to 16 × 16", train, labels, val, val_labels, IMAGENET_CLASSES
    )


def read_imagenet(path: Path) -> tuple[Images, Labels]:
    """One published file: images, uint8 (n, 3, 16, 16), and labels from 0. Raises `InputError`."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            missing = {"data", "labels"} - set(file.files)
            if missing:
                raise InputError(f"{path.name} has no array {sorted(missing)[0]!r}; put the original file there.")
            data, labels = file["data"], np.asarray(file["labels"])
    except FileNotFoundError as error:
        raise InputError(
            f"{path.name} is missing in {path.parent}; put all ten batches and {IMAGENET_VALIDATION} there."
        ) from error
    except InputError:
        raise
    except (
        OSError,
        ValueError,
        EOFError,
        KeyError,
        TypeError,
        AttributeError,
        NotImplementedError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise InputError(
            f"{path.name} cannot be read ({brief(error)}); it may be damaged, so put the original there."
        ) from error
    width = 3 * SIDE * SIDE
    if data.ndim != 2 or data.shape[1] != width or data.dtype != np.uint8 or len(data) == 0:
        raise InputError(
            f"data in {path.name} must be uint8 of shape (n, {width}), 3 × {SIDE} × {SIDE} pixels each, but are "
            f"{data.dtype} of shape {data.shape}; put the file of 16 × 16 images there."
        )
    if labels.shape != (len(data),) or labels.dtype.kind not in "iu":
        raise InputError(
            f"labels in {path.name} must be {len(data)} whole numbers, but are {labels.dtype} of shape {labels.shape}."
        )
    if labels.min() < 1 or labels.max() > IMAGENET_CLASSES:
        raise InputError(
            f"labels in {path.name} must be 1 to {IMAGENET_CLASSES}, but reach from {labels.min()} to {labels.max()}."
        )
    return data.reshape(-1, 3, SIDE, SIDE), labels.astype(np.int64) - 1


def _image_data(
    name: str, source: str, train: Images, train_labels: Any, val: Images, val_labels: Any, n_classes: int
) -> ImageData:
    sha256 = hashlib.sha256()
    arrays = [np.ascontiguousarray(part) for part in (train, train_labels, val, val_labels)]
    for array in arrays:
        sha256.update(array.data)
    info = DataInfo(name, source, sha256.hexdigest(), "images and labels", len(train), len(val))
    return ImageData(arrays[0], arrays[1], arrays[2], arrays[3], n_classes, info)
