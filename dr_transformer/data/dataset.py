"""Data sets: flattened images, or any rows of numbers, as tokens.

`load("mnist", n_samples, random_state)` is the way in. Where the images come from is in `mnist.py`; the user's
own files are read in `reading/`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dr_transformer.config import DATASETS, Config, DataConfig
from dr_transformer.data.mnist import FAMILIES, Family, Pool, count, find_images
from dr_transformer.data.reading.apart import BREAKING, read_apart
from dr_transformer.data.reading.arrays import from_sparse
from dr_transformer.data.reading.columns import Columns, as_table
from dr_transformer.data.reading.files import ENDINGS, ending, read_table, with_metadata
from dr_transformer.data.reading.pictures import read_folder
from dr_transformer.data.reading.rows import MAX_BYTES, Choice, Table, factorise, grey, split, tokens
from dr_transformer.errors import InputError, brief, quoted
from dr_transformer.types import Say


@dataclass(frozen=True, eq=False)
class Dataset:
    """Tokens and what is known of them.

    `Y` (n, d) holds uint8 pixels of images, or float32 or float64 numbers. `labels`, int64 (n,), are positions in
    `class_names`. `index` (n,) is each token's position in the full set. `key` identifies the data for caches: equal
    keys mean equal `Y` and `labels`. `source` and `messages` are sentences for people. `pictures`, uint8 (n, height,
    width), show tokens that are not themselves grey images; `trajectory` (layers, n, d) are their hidden states in a
    network of the user's; of a user's file `columns` are the names one may choose
    from, `label` is the one that the labels are from, and `choice` what was asked for.
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
    pictures: np.ndarray | None = None
    trajectory: np.ndarray | None = None
    columns: tuple[str, ...] = ()
    label: str | None = None
    choice: Choice = field(default_factory=Choice)

    @property
    def n_samples(self) -> int:
        """Number of tokens."""
        return len(self.Y)

    @property
    def images(self) -> np.ndarray | None:
        """The tokens as pictures, uint8 (n, height, width), or None; float data are stretched over 0…255."""
        if self.pictures is not None or self.image_shape is None:
            return self.pictures
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
    label: str = "auto",
    drop: str | Sequence[str] = (),
    say: Say | None = None,
    download: bool = True,
) -> Dataset:
    """Load one of `config.DATASETS`, or the user's own file, or a folder of images, by its path.

    `n_samples` below the total draws a class-balanced subset, seeded by `random_state`, in the original order. None is
    10 000 for the MNIST family and all for the others. Up to 10 000 images of the MNIST family are drawn from the first
    10 000 training images, more from all 70 000, so the same settings give the same tokens whatever their source.
    `folder` (or else the environment variable `DR_TRANSFORMER_DATA`) holds a torchvision root or the idx files. Of the
    user's file `label` is the column (or array) of the classes, "none" for none, and `drop` are columns to leave
    out; by default both are guessed, and a message says what was taken. `say` receives each step of the chain as a
    sentence, as it happens. `download=False` stays off the network.

    Raises `InputError` for bad input or data that cannot be had; its sentence says what to do.
    """
    n_samples = DataConfig.parameters()["n_samples"].check(n_samples)
    random_state = Config.parameters()["random_state"].check(random_state)
    messages: list[str] = []

    def tell(sentence: str) -> None:
        messages.append(sentence)
        if say is not None:
            say(sentence)

    found = _find(name, n_samples, random_state, folder, Choice(label, split(drop)), download, messages, tell)
    for sentence in found.messages[len(messages) :]:  # what was said of the tokens themselves
        tell(sentence)
    return found


def _find(
    name: str | os.PathLike[str],
    n_samples: int | None,
    seed: int,
    folder: str | os.PathLike[str] | None,
    choice: Choice,
    download: bool,
    messages: list[str],
    tell: Say,
) -> Dataset:
    """Return what `load` does; `messages` are those that `tell` has said."""
    known = os.fspath(name).strip().lower().replace("_", "-") if isinstance(name, str) else None
    if known in FAMILIES:
        family = FAMILIES[known]
        pool = find_images(family, n_samples, folder, tell, download)
        table = _as_table(pool, family)
        return _draw(known, table, n_samples, seed, pool.source, messages)
    if folder:
        tell("The folder is not used: it is for MNIST, Fashion-MNIST and KMNIST.")
    if known == "digits":
        return _draw("digits", _digits(), n_samples, seed, "The digits of scikit-learn", messages)
    path = _user_path(name)
    if path.is_dir():
        table = read_folder(path, choice, MAX_BYTES)
        return _draw(path.name, table, n_samples, seed, f"Your folder {path.name}", [*messages, table.taken])
    sha = _user_file(path)
    if ending(path.name) in BREAKING:
        table = read_apart(path.name, path.read_bytes(), choice, MAX_BYTES)
    else:
        table = read_table(path.name, path, choice)
    beside = path.with_name("metadata.tsv")
    if path.name == "vectors.tsv" and table.labels is None and choice.label == "auto" and beside.is_file():
        metadata = beside.read_bytes()
        sha, table = _sha(sha, metadata), with_metadata(table, beside.name, metadata)
    return _of_file(path.name, sha, table, choice, n_samples, seed, messages)


def load_bytes(
    filename: str,
    content: bytes,
    n_samples: int | None = None,
    random_state: int = 42,
    *,
    label: str = "auto",
    drop: str | Sequence[str] = (),
    metadata: tuple[str, bytes] | None = None,
    max_bytes: int | None = None,
) -> Dataset:
    """Load a user's file from memory (an upload): as `load` does from a path.

    `metadata` is name and content of the Embedding Projector's metadata.tsv, whose labels are taken if `label` is
    "auto". With `max_bytes` a process of its own reads it, in which no array may have more. Raises `InputError`.
    """
    n_samples = DataConfig.parameters()["n_samples"].check(n_samples)
    random_state = Config.parameters()["random_state"].check(random_state)
    choice = Choice(label, split(drop))
    metadata = metadata if choice.label == "auto" else None
    if max_bytes is None and ending(filename) not in BREAKING:
        table = read_table(filename, content, choice)
        table = with_metadata(table, *metadata) if metadata else table
    else:
        table = read_apart(filename, content, choice, max_bytes or MAX_BYTES, metadata)
    sha = hashlib.sha256(content).hexdigest()
    sha = _sha(sha, metadata[1]) if metadata else sha
    return _of_file(filename, sha, table, choice, n_samples, random_state, [])


def _sha(file: str, metadata: bytes) -> str:
    """The hash of both: other labels are other data."""
    return hashlib.sha256(file.encode() + metadata).hexdigest()


def from_arrays(
    Y: npt.ArrayLike, labels: npt.ArrayLike | None = None, n_samples: int | None = None, random_state: int = 42
) -> Dataset:
    """Return the tokens of Y (n, d), or images (n, height, width), with their `labels` (n,), as `load` those of a file.

    Lists and DataFrames will do. Of more than `n_samples` tokens a subset is drawn, balanced by class. Raises
    `InputError`.
    """
    table = _given(Y)
    if labels is not None:
        codes, class_names = factorise("labels", _values(labels), len(table.Y))
        table = replace(table, labels=codes, class_names=class_names)
    n = None if n_samples is None else min(n_samples, len(table.Y))
    return _draw("your tokens", table, n, random_state, "Your tokens", [])


def _given(Y: Any) -> Table:
    """Read what is in memory: frames by their columns, all else as an array."""
    if hasattr(Y, "to_pandas"):  # Arrow's and polars' tables
        Y = Y.to_pandas()
    if hasattr(Y, "columns") and hasattr(Y, "dtypes"):
        frame = Y.reset_index(drop=True)
        return as_table("Y", Columns(frame.set_axis([str(name) for name in frame.columns], axis=1)), Choice())
    if hasattr(Y, "toarray"):
        return Table(*_of_array(from_sparse("Y", Y, MAX_BYTES)))
    return Table(*_of_array(_values(Y)))


def _of_array(array: np.ndarray) -> tuple[np.ndarray, None, tuple[str, ...], tuple[int, int] | None, np.ndarray | None]:
    rows, image_shape = tokens("Y", array)
    return rows, None, (), image_shape, grey(rows, image_shape)


def _values(values: Any) -> np.ndarray:
    """An array of anything; tensors of a GPU, or with gradients, too."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    return np.asarray(values)


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
    table: Table,
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
    Y = np.ascontiguousarray(table.Y if n == total else table.Y[index])
    if name not in DATASETS and (blank := n - int(np.count_nonzero(Y.any(axis=1)))):
        are = "1 token is" if blank == 1 else f"{count(blank)} tokens are"
        messages = [*messages, f"{are} blank (all 0): attention moves what is blank to the mean of all others."]
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
        pictures=None if table.pictures is None else table.pictures[index],
        trajectory=None if table.trajectory is None else table.trajectory[:, index],
        columns=table.columns,
        label=table.label,
    )


def _user_path(name: str | os.PathLike[str]) -> Path:
    """The path of a user's file or folder, or an `InputError` that says what `name` could have been."""
    endings = ", ".join(ENDINGS)
    if not isinstance(name, (str, os.PathLike)) or not os.fspath(name):
        raise InputError(f"the data set must be {', '.join(DATASETS)}, or a file ({endings}), but is {quoted(name)}.")
    try:
        path = Path(name).expanduser()
        if not path.is_dir() and ending(path.name).removesuffix(".gz") not in ENDINGS:
            raise InputError(
                f"unknown data set {quoted(str(name))}; choose {', '.join(DATASETS)}, or a file ({endings})."
            )
        return path
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: ~ of an unknown user
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name} cannot be opened ({brief(error)}); check its path.") from error


def _user_file(path: Path) -> str:
    """The hash of what is in a user's file; `InputError` if it cannot be opened."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path} has more than {MAX_BYTES // 2**30} GiB; give a part of it.")
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except InputError:
        raise
    except (OSError, ValueError) as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else brief(error)
        raise InputError(f"{path} cannot be opened ({reason}); check its path.") from error


def _of_file(
    filename: str,
    sha: str,
    table: Table,
    choice: Choice,
    n_samples: int | None,
    seed: int,
    messages: list[str],
) -> Dataset:
    # The ending decides how the bytes are read, and the choice what of them, so both are part of the identity.
    sha = f"{ending(filename)[1:]}-{sha}"
    if choice != Choice():
        sha += f"-{hashlib.sha256(repr(choice).encode()).hexdigest()[:16]}"
    source = f"Your file {filename}"
    return replace(_draw(filename, table, n_samples, seed, source, [*messages, table.taken], sha), choice=choice)


def drawn(whole: Dataset, n_samples: int, random_state: int) -> Dataset:
    """Return what `load_bytes` would of the file that `whole` is all of, and has been read."""
    table = Table(
        whole.Y,
        whole.labels,
        whole.class_names,
        whole.image_shape,
        whole.pictures,
        whole.trajectory,
        whole.columns,
        whole.label,
    )
    sha = whole.key.split("-", 3)[3]
    source = f"Your file {whole.name}"
    return replace(
        _draw(whole.name, table, n_samples, random_state, source, list(whole.messages[:1]), sha), choice=whole.choice
    )


def _digits() -> Table:
    """The 1797 digits of 8 × 8 pixels that scikit-learn brings along, scaled from 0…16 to [0, 1]."""
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    Y = (bunch.data / 16).astype(np.float32)  # exact: sixteenths
    return Table(Y, bunch.target.astype(np.int64), tuple("0123456789"), (8, 8))


def _as_table(pool: Pool, family: Family) -> Table:
    n, height, width = pool.images.shape
    return Table(pool.images.reshape(n, -1), pool.labels.astype(np.int64), family.classes, (height, width))


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
        pictures=None if dataset.pictures is None else dataset.pictures[rows],
        trajectory=None if dataset.trajectory is None else dataset.trajectory[:, rows],
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
