"""Users' NumPy files: .npy and .npz.

Nothing is ever unpickled, and no array is allocated before its declared size has been checked.
"""

from __future__ import annotations

import io
import math
import zipfile
from dataclasses import dataclass
from pathlib import PurePath
from typing import IO, Any

import numpy as np

from dr_transformer.errors import InputError

DATA_NAMES = ("Y", "X", "data", "images", "embedding")
"""What the array of tokens in a .npz may be called, the first choice first; any name will do if no other array fits."""
LABEL_NAMES = ("label", "labels", "y")
"""What the array of labels in a .npz may be called, the first choice first."""


def read_npy(filename: str, content: bytes) -> Table:
    """One array, (n, d) or (n, height, width), which leaves no place for labels.

    Raises `InputError` for Python objects, sizes over `MAX_BYTES` and whatever `tokens` refuses, and what NumPy raises
    for damage.
    """
    Y, image_shape = tokens(filename, read_array(filename, io.BytesIO(content)))
    return Table(Y, None, (), image_shape)


def read_npz(filename: str, content: bytes) -> Table:
    """The array of tokens, (n, d) or (n, height, width), and the labels (n,) under the first of `LABEL_NAMES`, if any.

    Raises `InputError` as `read_npy` does, if no array or more than one can be that of the tokens, and for labels that
    `factorise` refuses; and what NumPy, zipfile and zlib raise for damage.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {PurePath(name).stem: name for name in archive.namelist() if name.endswith(".npy")}
        shapes: dict[str, tuple[int, ...] | InputError] = {}
        for stem, name in members.items():
            with archive.open(name) as stream:
                try:
                    shapes[stem] = _read_array_header(f"{stem} in {filename}", stream)[0]
                except InputError as refusal:  # matters only if this is the array to take
                    shapes[stem] = refusal

        def read(stem: str) -> np.ndarray:
            with archive.open(members[stem]) as stream:
                return read_array(f"{stem} in {filename}", stream)

        Y, image_shape = tokens(filename, read(_data_name(filename, shapes)))
        label = next((name for name in LABEL_NAMES if name in members), None)
        labels, class_names = factorise(filename, read(label), len(Y)) if label else (None, ())
    return Table(Y, labels, class_names, image_shape)


def _data_name(filename: str, shapes: dict[str, tuple[int, ...] | InputError]) -> str:
    """Return which array holds the tokens: the first of `DATA_NAMES` with two or three dimensions, or the only
    such array.
    """
    refusals = {stem: shape for stem, shape in shapes.items() if isinstance(shape, InputError)}
    fitting = [stem for stem, shape in shapes.items() if isinstance(shape, tuple) and len(shape) in (2, 3)]
    fitting = [stem for stem in fitting if stem not in LABEL_NAMES]
    for name in DATA_NAMES:
        if name in fitting:
            return name
        if name in refusals:
            raise refusals[name]
    if len(fitting) == 1:
        return fitting[0]
    if refusals and not fitting:
        raise next(iter(refusals.values()))
    found = ", ".join(shapes) or "none"
    raise InputError(
        f"{filename} must hold one array of tokens with two or three dimensions, but holds the arrays: {found[:200]}; "
        "name the one to take Y."
    )


def _read_array_header(filename: str, stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, Fortran order and dtype of the .npy at the start of `stream`, refusing what must not be read further."""
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    else:  # version 3 exists only for named fields
        raise InputError(f"{filename} holds records with named fields; save one plain array of numbers.")
    if dtype.hasobject:
        raise InputError(
            f"{filename} holds Python objects (rows of different lengths, or text of dtype object), which are never "
            "unpickled; save a plain array of numbers, and text as dtype str."
        )
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize > MAX_BYTES:
        raise InputError(f"{filename} declares an array of shape {shape}, which is too large; give a part of it.")
    return shape, fortran, dtype


def read_array(filename: str, stream: IO[bytes]) -> np.ndarray:
    """The .npy at the start of `stream`, read-only; an `InputError` if it ends before its declared size."""
    shape, fortran, dtype = _read_array_header(filename, stream)
    size = math.prod(shape) * dtype.itemsize
    content = stream.read(size)
    if len(content) < size:
        raise InputError(
            f"{filename} ends early ({len(content)} of {size} bytes of the array); it was cut short, so save or copy "
            "it again."
        )
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")


# What a user's file must hold, whatever its format: rows of finite numbers and, if it has labels, their classes.

MAX_BYTES = 4 * 2**30
"""No file and no array in one may be larger, in bytes: a small zip file may declare a very large array."""
MAX_CLASSES = 256
"""More distinct labels than this are identifiers or measurements, not classes; the canvas keeps a class as one byte."""
_EXACT_IN_FLOAT32 = 2**24


@dataclass(frozen=True, eq=False)
class Table:
    """Hold what is in a user's file: `Y` (n, d) finite numbers, `labels` int64 (n,) into `class_names`, or None."""

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
