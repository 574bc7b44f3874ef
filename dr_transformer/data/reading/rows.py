"""Checks what any file of a user must hold: rows of finite numbers and, if it has labels, their classes."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dr_transformer.errors import InputError, quoted
from dr_transformer.palette import OTHER, UNLABELLED

MAX_BYTES = 4 * 2**30
"""No file and no array in one may be larger, in bytes: a small file may declare a very large array."""
MAX_CLASSES = 256
"""The canvas keeps a class as one byte: of more, the largest have names and the rest is one class."""
MAX_LABEL = 200
"""Letters of a label; longer text is no class's name."""
_EXACT_IN_FLOAT32 = 2**24


def in_text(names: Sequence[str]) -> str:
    """Return names in one line, with commas between them, as `split` reads it."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(names)
    return line.getvalue()


def split(names: str | Sequence[str]) -> tuple[str, ...]:
    """Return the names in a text with commas between them; a sequence has them already."""
    if not isinstance(names, str):
        return tuple(names)
    return tuple(name for name in next(csv.reader([names], skipinitialspace=True), []) if name)


@dataclass(frozen=True)
class Choice:
    """Hold what a person wants of a file: `label` names the column or array of classes, `drop` what to leave out.

    "auto" lets the reader choose the labels, "none" takes none.
    """

    label: str = "auto"
    drop: tuple[str, ...] = ()

    @property
    def named(self) -> str | None:
        """Return the column that was asked for by its name."""
        return None if self.label in ("auto", "none") else self.label

    def known(self, filename: str, names: Sequence[str]) -> None:
        """Raise `InputError` for a chosen name that is none of a file's `names`."""
        there = set(names)
        for name in (*filter(None, [self.named]), *self.drop):
            if name not in there:
                some = ", ".join(quoted(other) for other in names[:12]) + (", …" if len(names) > 12 else "")
                raise InputError(f"{filename} has no column {quoted(name)}; it has {some or 'no names'}.")


@dataclass(frozen=True, eq=False)
class Table:
    """Hold what is in a user's file.

    `Y` (n, d) are finite numbers, `labels` int64 (n,) positions in `class_names`, or None. `pictures`, uint8
    (n, height, width), show the tokens where `Y` itself does not. `trajectory` (layers, n, d) are the hidden states of
    a network, layer by layer, of which `Y` is the first. `columns` are the names one may choose from, `label`
    the one of the labels, and `dropped` those left out, each with its reason; `said` are further clauses on how it was
    read.
    """

    Y: np.ndarray
    labels: np.ndarray | None
    class_names: tuple[str, ...]
    image_shape: tuple[int, int] | None
    pictures: np.ndarray | None = None
    trajectory: np.ndarray | None = None
    columns: tuple[str, ...] = ()
    label: str | None = None
    dropped: tuple[tuple[str, str], ...] = ()
    said: tuple[str, ...] = ()

    @property
    def taken(self) -> str:
        """Say in one sentence what was taken and what was not."""
        n, d = (f"{count:,}".replace(",", "\u202f") for count in self.Y.shape)
        clauses = [f"{n} tokens × {d} feature{'s' * (self.Y.shape[1] != 1)}"]
        if self.label:
            clauses.append(f"labels from {quoted(self.label)}")
        elif self.labels is None:
            clauses.append("no labels")
        if self.trajectory is not None:
            clauses.append(f"{len(self.trajectory) - 1} layers of a network, and what goes into the first")
        if self.dropped:
            some = [f"{quoted(name)} ({reason})" for name, reason in self.dropped[:8]]
            more = len(self.dropped) - len(some)
            clauses.append("dropped: " + ", ".join(some) + (f" and {more} more" if more else ""))
        return "; ".join([*clauses, *self.said]) + "."


def tokens(
    filename: str, array: npt.NDArray[Any], names: Sequence[str] | None = None, *, own: bool = False
) -> tuple[np.ndarray, tuple[int, int] | None]:
    """Rows as the model takes them, (n, d) uint8 pixels or float32 or float64, and the shape of one image if any.

    `array` is (n, d), (n, height, width), or with 1, 3 or 4 colours (n, height, width, c) or (n, c, height, width); the
    `names` of its columns are for the sentence, and one's `own` array is not copied. Raises `InputError`,
    which names the file, for fewer than two rows, other shapes, and whatever is not a finite real number.
    """
    shape = array.shape
    if array.ndim not in (2, 3, 4) or (array.ndim == 4 and not {shape[1], shape[3]} & {1, 3, 4}):
        raise InputError(
            f"{filename} must hold an array (tokens, features), (tokens, height, width), or one with colours, but its "
            f"shape is {shape}; reshape it."
        )
    if shape[0] < 2 or 0 in shape:
        raise InputError(
            f"{filename} has the shape {shape}; at least two tokens (rows) with one number each are needed."
        )
    if array.ndim == 4 and shape[3] not in (1, 3, 4):
        array = np.moveaxis(array, 1, 3)
    Y = _numeric(filename, array.reshape(shape[0], -1), array.ndim > 2, names, own)
    if array.ndim > 2:
        return Y, (array.shape[1], array.shape[2])
    side = math.isqrt(shape[1])
    return Y, (side, side) if Y.dtype == np.uint8 else None


def grey(Y: npt.NDArray[Any], image_shape: tuple[int, int] | None) -> npt.NDArray[np.uint8] | None:
    """The pictures uint8 (n, height, width) of tokens that are images in colour, by their brightness; else None."""
    if image_shape is None or Y.shape[1] == math.prod(image_shape):
        return None
    colours = Y.reshape(len(Y), *image_shape, -1)[..., :3]
    weights = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
    low, high = (0.0, 255.0) if Y.dtype == np.uint8 else (float(Y.min()), float(Y.max()))
    pictures = np.empty((len(Y), *image_shape), np.uint8)
    for start in range(0, len(Y), 1000):  # in parts: as float32 all of them are four times their size
        light = colours[start : start + 1000].astype(np.float32) @ weights
        pictures[start : start + 1000] = np.rint(255 * (light - low) / ((high - low) or 1.0)).clip(0, 255)
    return pictures


def _numeric(filename: str, rows: np.ndarray, images: bool, names: Sequence[str] | None, own: bool) -> np.ndarray:
    """`rows` (n, d) as an own array: uint8 if they are pixels, else float32, or float64 where float32 is not exact."""
    if rows.dtype == np.uint8 and (images or math.isqrt(rows.shape[1]) ** 2 == rows.shape[1] >= 4):
        return rows if own else np.array(rows)
    if rows.dtype.kind not in "biuf":
        raise InputError(f"{filename} must hold real numbers, but its dtype is {rows.dtype}; convert it to float32.")
    if rows.dtype.kind == "f":
        exact: Any = np.float32 if rows.dtype.itemsize <= 4 else np.float64
    else:
        large = rows.dtype.kind != "b" and max(abs(int(rows.min())), abs(int(rows.max()))) > _EXACT_IN_FLOAT32
        exact = np.float64 if large else np.float32
    Y = rows.astype(exact, order="C", copy=not own)
    if not np.isfinite(Y.sum(dtype=np.float64)):  # no mask of n × d; if it overflows, that decides
        bad = ~np.isfinite(Y)
        if bad.any():
            row, column = np.argwhere(bad)[0]
            where = f"column {column + 1}" if names is None else f"column {quoted(names[column])}"
            has = "no number" if np.isnan(Y[row, column]) else f"{Y[row, column]}"
            raise InputError(
                f"{filename} has {has} in row {row + 1}, {where} of the data; every number must be finite, so fill the "
                "gap, or leave out the row or the column."
            )
    return Y


def factorise(filename: str, values: npt.NDArray[Any], n: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels as int64 (n,) positions in the sorted class names, and these names.

    `values` is (n,), (n, 1), or one-hot (n, classes). Gaps (None, NaN, "") are one last class, `UNLABELLED`; of more
    than `MAX_CLASSES` the rarest are one class, `OTHER`. Raises `InputError`, which names the file, for another number
    of labels, and for what is neither text nor whole numbers.
    """
    if values.ndim == 2 and len(values) == n and values.shape[1] > 1 and _is_one_hot(values):
        values = values.argmax(axis=1)
    if values.shape == (n, 1):
        values = values[:, 0]
    if values.shape != (n,):
        raise InputError(f"{filename} has labels of shape {values.shape} for {n} tokens; give one label for each.")
    codes, class_names = _classes(filename, values)
    longest = max(map(len, class_names), default=0)
    if longest > MAX_LABEL:
        raise InputError(
            f"a label of {filename} has {longest} letters, and at most {MAX_LABEL} make a class's name; choose another "
            "column, or none."
        )
    gaps = bool((codes < 0).any())
    codes, class_names = _at_most(codes, class_names, MAX_CLASSES - gaps)
    if gaps:
        codes[codes < 0] = len(class_names)
        class_names.append(UNLABELLED)
    return codes, tuple(class_names)


def _is_one_hot(values: np.ndarray) -> bool:
    return values.dtype.kind in "biuf" and bool(((values == 0) | (values == 1)).all() and (values.sum(1) == 1).all())


def _classes(filename: str, values: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Positions in the sorted names, −1 in a gap, and the names; text that writes whole numbers sorts as these."""
    refusal = f"the labels of {filename} must be classes: text or whole numbers; leave others out."
    if values.dtype.kind in "fbiu":
        missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), bool)
        known = values[~missing]
        if values.dtype.kind == "f":
            if not (np.isfinite(known).all() and (known == np.rint(known)).all()):
                raise InputError(refusal)
            known = known.astype(np.int64 if np.abs(known).max(initial=0) < 2**53 else np.float64)
        numbers, labels = np.unique(known, return_inverse=True)
        codes = np.full(len(values), -1, np.int64)
        codes[~missing] = labels
        return codes, [str(number) for number in numbers]
    if values.dtype.kind not in "OSUT":
        raise InputError(f"the labels of {filename} must be text or whole numbers, but are {values.dtype}.")
    import pandas as pd

    # Only what differs is looked at: as an array of text each row would take the room of the longest.
    codes, found = pd.factorize(pd.Series(values.tolist() if values.dtype.kind in "SUT" else values, dtype=object))
    written = [_plain(name) for name in found]
    names = sorted({name for name in written if name})
    if names and all(map(_fraction, names)):
        whole = {name: _whole(name) for name in names}
        if not all(whole.values()):
            raise InputError(refusal)
        if all(whole[name] == name or re.fullmatch(r".*[.eE].*", name) for name in names):  # and not "01" beside "1"
            written = [whole.get(name, "") for name in written]
            names = sorted(set(filter(None, written)), key=int)
    position = {name: i for i, name in enumerate(names)} | {"": -1}
    new = np.array([*(position[name] for name in written), -1], np.int64)
    return new[codes], names


def _plain(value: Any) -> str:
    return value.decode("utf-8", "replace").strip() if isinstance(value, bytes) else str(value).strip()


def _whole(text: str) -> str:
    """The whole number that a text writes, as Python writes it; "" if it does not write one."""
    try:
        number = float(text)
        return str(int(number)) if number == int(number) and abs(number) < 2**53 else ""
    except (ValueError, OverflowError):
        return ""


def _fraction(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _at_most(codes: np.ndarray, names: list[str], most: int) -> tuple[np.ndarray, list[str]]:
    """Labels of at most so many classes: the rarest become one, the last."""
    if len(names) <= most:
        return codes, names
    sizes = np.bincount(codes[codes >= 0], minlength=len(names))
    kept = np.sort(np.argsort(-sizes, kind="stable")[: most - 1])
    new = np.full(len(names) + 1, most - 1)
    new[kept] = np.arange(most - 1)
    new[-1] = -1  # where there is no label
    return new[codes], [*(names[old] for old in kept), OTHER]
