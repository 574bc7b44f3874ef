"""Users' NumPy files: .npy and .npz.

Nothing is ever unpickled, and no array is allocated before its declared size has been checked.
"""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import PurePath
from typing import IO, Any

import numpy as np

from dr_transformer.data.rows import MAX_BYTES, Table, factorise, tokens
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
    """Which array holds the tokens: the first of `DATA_NAMES` with two or three dimensions, or the only such array."""
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
