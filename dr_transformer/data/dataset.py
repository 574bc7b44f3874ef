"""Data sets: flattened images, or any rows of numbers, as tokens.

`load("mnist", n_samples, random_state)` is the way in. Where the images come from is in `mnist.py`; the user's
own files are read by `user_files.py`.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dr_transformer.config import DATASETS, Config, DataConfig
from dr_transformer.data import user_files
from dr_transformer.data.mnist import FAMILIES, Family, Pool, count, find_images
from dr_transformer.errors import InputError
from dr_transformer.types import Say


@dataclass(frozen=True, eq=False)
class Dataset:
    """Tokens and what is known of them.

    `Y` (n, d) holds uint8 pixels of images, or float32 or float64 numbers. `labels`, int64 (n,), are positions in
    `class_names`. `index` (n,) is each token's position in the full set. `key` identifies the data for caches: equal
    keys mean equal `Y` and `labels`. `source` and `messages` are sentences for people.
    """

    name: str
    Y: np.ndarray
    labels: np.ndarray | None
    class_names: tuple[str, ...]
    image_shape: tuple[int, int] | None
    source: str
    messages: tuple[str, ...]
    key: str
    index: np.ndarray

    @property
    def n_samples(self) -> int:
        """Number of tokens."""
        return len(self.Y)

    @property
    def images(self) -> np.ndarray | None:
        """The tokens as pictures, uint8 (n, height, width), or None; float data are stretched over 0…255."""
        if self.image_shape is None:
            return None
        pixels = self.Y
        if pixels.dtype != np.uint8:
            low, high = float(pixels.min()), float(pixels.max())
            # Halves, since high − low of finite numbers may overflow.
            scaled = (pixels / 2 - low / 2) / ((high / 2 - low / 2) or 1.0)
            pixels = np.rint(255 * scaled).astype(np.uint8)
        return pixels.reshape(-1, *self.image_shape)


def load(
    name: str | os.PathLike[str] = "mnist",
    n_samples: int | None = None,
    random_state: int = 42,
    *,
    folder: str | os.PathLike[str] | None = None,
    say: Say | None = None,
    download: bool = True,
) -> Dataset:
    """Load one of `config.DATASETS`, or the user's own file by its path.

    `n_samples` below the total draws a class-balanced subset, seeded by `random_state`, in the original order. None is
    10 000 for the MNIST family and all for the others. Up to 10 000 images of the MNIST family are drawn from the first
    10 000 training images, more from all 70 000, so the same settings give the same tokens whatever their source.
    `folder` (or else the environment variable `DR_TRANSFORMER_DATA`) holds a torchvision root or the idx files. `say`
    receives each step of the chain as a sentence, as it happens. `download=False` stays off the network.

    Raises `InputError` for bad input or data that cannot be had; its sentence says what to do.
    """
    n_samples = DataConfig.parameters()["n_samples"].check(n_samples)
    random_state = Config.parameters()["random_state"].check(random_state)
    messages: list[str] = []

    def tell(sentence: str) -> None:
        messages.append(sentence)
        if say is not None:
            say(sentence)

    known = os.fspath(name).strip().lower().replace("_", "-") if isinstance(name, str) else None
    if known in FAMILIES:
        family = FAMILIES[known]
        pool = find_images(family, n_samples, folder, tell, download)
        table = _as_table(pool, family)
        return _draw(known, table, n_samples, random_state, pool.source, messages)
    if folder:
        tell("The folder is not used: it is for MNIST, Fashion-MNIST and KMNIST.")
    if known == "digits":
        return _draw("digits", _digits(), n_samples, random_state, "The digits of scikit-learn", messages)
    path, content = _read_user_file(name)
    return _from_bytes(path.name, content, n_samples, random_state, messages)


def load_bytes(filename: str, content: bytes, n_samples: int | None = None, random_state: int = 42) -> Dataset:
    """Load a user's .npy, .npz, .csv or .parquet file from memory (an upload): as `load` does from a path.

    Rows are tokens. A `label` column, or an array label, labels or y, gives the classes. Raises `InputError`.
    """
    n_samples = DataConfig.parameters()["n_samples"].check(n_samples)
    random_state = Config.parameters()["random_state"].check(random_state)
    return _from_bytes(filename, content, n_samples, random_state, [])


def from_arrays(
    Y: npt.ArrayLike, labels: npt.ArrayLike | None = None, n_samples: int | None = None, random_state: int = 42
) -> Dataset:
    """Return the tokens of Y (n, d), or images (n, height, width), with their `labels` (n,), as `load` those of a file.

    Lists and DataFrames will do. Of more than `n_samples` tokens a subset is drawn, balanced by class. Raises
    `InputError`.
    """
    rows, image_shape = user_files.tokens("Y", np.asarray(Y))
    codes: npt.NDArray[np.int64] | None = None
    class_names: tuple[str, ...] = ()
    if labels is not None:
        values = np.asarray(labels)
        values = values.astype(str) if values.dtype == object else values
        codes, class_names = user_files.factorise("labels", values, len(rows))
    table = user_files.Table(rows, codes, class_names, image_shape)
    n = None if n_samples is None else min(n_samples, len(rows))
    return _draw("your tokens", table, n, random_state, "Your tokens", [])


def balanced_subset(labels: np.ndarray, n_samples: int, random_state: int) -> np.ndarray:
    """Sorted positions, int64 (n_samples,), of a seeded subset with as equal numbers of each class as there can be.

    A class with too few members gives all it has; the others share the rest, equal to within one. With one seed, the
    members of a class in a smaller subset are nearly always in a larger one too.
    """
    generator = np.random.RandomState(random_state)
    members = [generator.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    sizes = np.array([len(m) for m in members])
    lot = generator.permutation(len(members))  # which classes get the remainder
    quota = np.zeros_like(sizes)
    while (left := n_samples - quota.sum()) > 0:
        open_classes = [c for c in lot if quota[c] < sizes[c]]
        share, remainder = divmod(left, len(open_classes))
        if share == 0:
            quota[open_classes[:remainder]] += 1
        else:
            quota[open_classes] = np.minimum(sizes, quota + share)[open_classes]
    return np.sort(np.concatenate([m[:q] for m, q in zip(members, quota, strict=True)]))


def draw(n: int, labels: np.ndarray | None, n_samples: int, seed: int) -> npt.NDArray[np.intp]:
    """Draw tokens: sorted positions of a class-balanced subset, or of all n."""
    if n_samples >= n:
        return np.arange(n)
    return balanced_subset(np.zeros(n, dtype=int) if labels is None else labels, n_samples, seed)


# --- what all sources share -------------------------------------------------------------------------------------------


def _draw(
    name: str,
    table: user_files.Table,
    n_samples: int | None,
    seed: int,
    source: str,
    messages: list[str],
    sha: str = "",
) -> Dataset:
    """The subset, and the data set of it; `sha` identifies the full set where that is cheaper than hashing the draw."""
    total = len(table.Y)
    n = total if n_samples is None else n_samples
    if n > total:
        raise InputError(f"n_samples = {n} is more than the {total} tokens of {name}; choose at most {total}.")
    if n == total:
        index = np.arange(total)
    elif table.labels is not None:
        index = balanced_subset(table.labels, n, seed)
    else:
        index = balanced_subset(np.zeros(total, np.int64), n, seed)
    Y = np.ascontiguousarray(table.Y[index])
    labels = None if table.labels is None else table.labels[index]
    sha = sha or hashlib.sha256(Y.tobytes() + (b"" if labels is None else labels.tobytes())).hexdigest()
    source = f"{source}: all {count(n)}." if n == total else f"{source}: {count(n)} of {count(total)}, seed {seed}."
    return Dataset(
        name=name,
        Y=Y,
        labels=labels,
        class_names=table.class_names,
        image_shape=table.image_shape,
        source=source,
        messages=tuple(messages),
        key=f"{name if name in DATASETS else 'file'}-{n}-{seed}-{sha}",
        index=index,
    )


def _read_user_file(name: str | os.PathLike[str]) -> tuple[Path, bytes]:
    endings = ", ".join(user_files.READERS)
    if not isinstance(name, (str, os.PathLike)) or not os.fspath(name):
        raise InputError(f"the data set must be {', '.join(DATASETS)}, or a file ({endings}), but is {name!r}.")
    try:
        path = Path(name).expanduser()
        if path.is_dir():
            raise InputError(f"{name} is a folder; give a file in it ({endings}), or mnist with this as the folder.")
        if path.suffix.lower() not in user_files.READERS:
            raise InputError(f"unknown data set {str(name)!r}; choose {', '.join(DATASETS)}, or a file ({endings}).")
        if path.stat().st_size > user_files.MAX_BYTES:
            raise InputError(f"{name} has more than {user_files.MAX_BYTES // 2**30} GiB; give a part of it.")
        return path, path.read_bytes()
    except InputError:
        raise
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: ~ of an unknown user
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else user_files.brief(error)
        raise InputError(f"{name} cannot be opened ({reason}); check its path.") from error


def _from_bytes(filename: str, content: bytes, n_samples: int | None, seed: int, messages: list[str]) -> Dataset:
    table = user_files.read_table(filename, content)
    # The ending decides how the bytes are read, so it is part of the identity.
    sha = f"{Path(filename).suffix.lower()[1:]}-{hashlib.sha256(content).hexdigest()}"
    return _draw(filename, table, n_samples, seed, f"Your file {filename}", messages, sha)


def _digits() -> user_files.Table:
    """The 1797 digits of 8 × 8 pixels that scikit-learn brings along, scaled from 0…16 to [0, 1]."""
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    Y = (bunch.data / 16).astype(np.float32)  # exact: sixteenths
    return user_files.Table(Y, bunch.target.astype(np.int64), tuple("0123456789"), (8, 8))


def _as_table(pool: Pool, family: Family) -> user_files.Table:
    n, height, width = pool.images.shape
    return user_files.Table(pool.images.reshape(n, -1), pool.labels.astype(np.int64), family.classes, (height, width))


# Part of a data set as a data set of its own: what is too slow on all tokens runs on some, as if they were all.


def subset(dataset: Dataset, n_samples: int, random_state: int) -> Dataset:
    """Return at most `n_samples` tokens, class-balanced where there are classes, in their order; all: the data
    set itself.
    """
    if n_samples >= dataset.n_samples:
        return dataset
    rows = draw(dataset.n_samples, dataset.labels, n_samples, random_state)
    return replace(
        dataset,
        Y=dataset.Y[rows],
        labels=None if dataset.labels is None else dataset.labels[rows],
        source=f"{dataset.source.rstrip('.')}; of these {subset_sentence(dataset, n_samples, random_state)}.",
        key=f"{dataset.key}-{n_samples}-{random_state}",
        index=dataset.index[rows],
    )


def subset_sentence(dataset: Dataset, n_samples: int, random_state: int) -> str:
    """Return which tokens `subset` gives, a clause: "2 000 of 10 000 tokens, class-balanced, drawn with seed 42"."""
    if n_samples >= dataset.n_samples:
        return f"all {count(dataset.n_samples)} tokens"
    balanced = "class-balanced, " if dataset.labels is not None else ""
    return f"{count(n_samples)} of {count(dataset.n_samples)} tokens, {balanced}drawn with seed {random_state}"
