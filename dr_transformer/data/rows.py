"""What a user's file must hold, whatever its format: rows of finite numbers and, if it has labels, their classes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dr_transformer.errors import InputError

MAX_BYTES = 4 * 2**30
"""No file and no array in one may be larger, in bytes: a small zip file may declare a very large array."""
MAX_CLASSES = 256
"""More distinct labels than this are identifiers or measurements, not classes; the canvas keeps a class as one byte."""
_EXACT_IN_FLOAT32 = 2**24


@dataclass(frozen=True, eq=False)
class Table:
    """What a user's file holds: `Y` (n, d) finite numbers, `labels` int64 (n,) into `class_names`, or None."""

    Y: np.ndarray
    labels: np.ndarray | None
    class_names: tuple[str, ...]
    image_shape: tuple[int, int] | None


def tokens(filename: str, array: np.ndarray) -> tuple[np.ndarray, tuple[int, int] | None]:
    """Rows as the model takes them, (n, d) uint8 pixels or float32 or float64, and the shape of one image if any.

    `array` is (n, d) or (n, height, width). Raises `InputError`, which names the file, for fewer than two rows, other
    shapes, and whatever is not a finite real number.
    """
    shape = array.shape
    if array.ndim not in (2, 3):
        raise InputError(
            f"{filename} must hold an array (tokens, features) or (tokens, height, width), but its shape is {shape}; "
            "reshape it."
        )
    if shape[0] < 2 or 0 in shape:
        raise InputError(
            f"{filename} has the shape {shape}; at least two tokens (rows) with one number each are needed."
        )
    Y = _numeric(filename, array.reshape(shape[0], -1), keep_pixels=array.ndim == 3)
    if array.ndim == 3:
        return Y, (shape[1], shape[2])
    side = math.isqrt(shape[1])
    return Y, (side, side) if Y.dtype == np.uint8 else None


def _numeric(filename: str, rows: np.ndarray, keep_pixels: bool) -> np.ndarray:
    """`rows` (n, d) as a new array: uint8 if they are pixels, else float32, or float64 where float32 is not exact."""
    if rows.dtype == np.uint8 and (keep_pixels or math.isqrt(rows.shape[1]) ** 2 == rows.shape[1] >= 4):
        return np.array(rows)  # a copy: arrays over a file's bytes are read-only
    if rows.dtype.kind not in "biuf":
        raise InputError(f"{filename} must hold real numbers, but its dtype is {rows.dtype}; convert it to float32.")
    if rows.dtype.kind == "f":
        Y = rows.astype(np.float32 if rows.dtype.itemsize <= 4 else np.float64)
    else:
        large = rows.dtype.kind != "b" and max(abs(int(rows.min())), abs(int(rows.max()))) > _EXACT_IN_FLOAT32
        Y = rows.astype(np.float64 if large else np.float32)
    finite = np.isfinite(Y)
    if not finite.all():
        row, column = np.argwhere(~finite)[0] + 1
        raise InputError(
            f"{filename} has {Y[row - 1, column - 1]} in row {row}, column {column} of the data; every number must be "
            "finite, so fill the gap or remove the row."
        )
    return Y


def factorise(filename: str, values: np.ndarray, n: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels as int64 (n,) positions in the sorted class names, and these names.

    `values` is (n,) or (n, 1). Raises `InputError`, which names the file, for another number of labels, for what is
    neither text nor whole numbers, and for more than `MAX_CLASSES` classes.
    """
    if values.shape == (n, 1):
        values = values[:, 0]
    if values.shape != (n,):
        raise InputError(f"{filename} has labels of shape {values.shape} for {n} tokens; give one label for each.")
    if values.dtype.kind == "f":
        if not (np.isfinite(values).all() and (values == np.rint(values)).all()):
            raise InputError(f"the labels of {filename} must be classes: text or whole numbers; leave others out.")
        values = values.astype(np.int64 if np.abs(values).max() < 2**53 else np.float64)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8")
    if values.dtype.kind not in "biufU":
        raise InputError(f"the labels of {filename} must be text or whole numbers, but are {values.dtype}.")
    classes, labels = np.unique(values, return_inverse=True)
    if len(classes) > MAX_CLASSES:
        raise InputError(
            f"{filename} has {len(classes)} different labels, more than the {MAX_CLASSES} that can be told apart; give "
            "coarser classes or leave the labels out."
        )
    return labels.astype(np.int64), tuple(str(name) for name in classes)
