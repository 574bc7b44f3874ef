"""Arrays: .npy and .npz, sparse matrices of SciPy, .mat and .safetensors.

Nothing is ever unpickled, and no array is allocated before its declared size has been checked.
"""

from __future__ import annotations

import importlib
import io
import math
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import IO, Any

import numpy as np

from dr_transformer.data.reading.columns import LABEL_COLUMNS
from dr_transformer.data.reading.rows import Choice, Table, factorise, grey, tokens
from dr_transformer.errors import InputError, quoted

DATA_NAMES = ("Y", "X", "data", "images", "embedding", "embeddings", "features", "x_train", "X_train", "train_images")
"""What the array of tokens may be called, the first choice first; any name will do if no other array fits."""
LABEL_NAMES = ("label", "labels", "y", "y_train", "train_labels", *LABEL_COLUMNS[2:])
"""What the array of labels may be called, the first choice first."""
_TRAJECTORIES = ("trajectory", "hidden_states")
_LAYER = re.compile(r"(?:layers?|blocks?|h|hidden|hidden_states?)[._ -]?(\d{1,4})")
_PARTS = ("x_test", "X_test", "y_test", "test_images", "test_labels", "val_images", "val_labels")  # beside x_train


def read_npy(filename: str, content: bytes, choice: Choice, max_bytes: int) -> Table:
    """One array, (n, d) or (n, height, width), which leaves no place for labels.

    Raises `InputError` for Python objects, sizes over `max_bytes` and whatever `tokens` refuses, and what NumPy raises
    for damage.
    """
    choice.known(filename, ())
    Y, image_shape = tokens(filename, read_array(filename, io.BytesIO(content), max_bytes))
    return Table(Y, None, (), image_shape, grey(Y, image_shape))


def read_npz(filename: str, content: bytes, choice: Choice, max_bytes: int) -> Table:
    """The array of tokens and the labels (n,), by their names; or a sparse matrix that SciPy has saved.

    Raises `InputError` as `read_npy` does, if no array or more than one can be that of the tokens, and for labels that
    `factorise` refuses; and what NumPy, zipfile and zlib raise for damage.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {PurePath(name).stem: name for name in archive.namelist() if name.endswith(".npy")}
        shapes: dict[str, tuple[int, ...] | InputError] = {}
        for stem, name in members.items():
            with archive.open(name) as stream:
                try:
                    shapes[stem] = _read_array_header(f"{stem} in {filename}", stream, max_bytes)[0]
                except InputError as refusal:  # matters only if this is the array to take
                    shapes[stem] = refusal

        def read(stem: str) -> np.ndarray:
            with archive.open(members[stem]) as stream:
                return read_array(f"{stem} in {filename}", stream, max_bytes)

        if {"format", "shape"} <= set(members):
            for stem in members:
                read(stem)  # each is bounded now, and SciPy does not ask
            from scipy import sparse

            return _from_sparse(filename, sparse.load_npz(io.BytesIO(content)), choice, max_bytes)
        return _from_named(filename, shapes, read, choice)


def read_mat(filename: str, content: bytes, choice: Choice, max_bytes: int) -> Table:
    """The arrays of a MATLAB file up to version 7, by their names. Raises as `read_npz` does."""
    from scipy import io as scipy_io

    if content[:4] == b"\x89HDF" or b"MATLAB 7.3" in content[:128]:
        raise InputError(f"{filename} is a MATLAB 7.3 file; save it again with -v7, or as .npy.")
    declared = scipy_io.whosmat(io.BytesIO(content))
    if any(math.prod(shape) * 8 > max_bytes for _, shape, _ in declared):
        raise InputError(f"{filename} declares more than {max_bytes // 2**20} MB; give a part of it.")
    found = scipy_io.loadmat(io.BytesIO(content), struct_as_record=True, chars_as_strings=True)
    return _from_mapping(
        filename, {name: a for name, a in found.items() if not name.startswith("__")}, choice, max_bytes
    )


def read_safetensors(filename: str, content: bytes, choice: Choice, max_bytes: int) -> Table:
    """The arrays of a .safetensors, by their names. Raises as `read_npz` does."""
    load = extra(filename, "safetensors.numpy").load
    return _from_mapping(filename, load(content), choice, max_bytes)


def extra(filename: str, module: str) -> Any:
    """Import a package that not everybody has, or raise an `InputError` that says how to get it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        name = module.partition(".")[0]
        raise InputError(
            f"{filename} needs the package {name} to be read; pip install {name}, or save it as .npz."
        ) from None


def from_sparse(filename: str, matrix: Any, max_bytes: int) -> np.ndarray:
    """A sparse matrix as an array, if that has at most `max_bytes`; else an `InputError`."""
    if math.prod(matrix.shape) * matrix.dtype.itemsize > max_bytes:
        raise InputError(
            f"{filename} holds a sparse matrix of shape {matrix.shape}, which is too large as an array; give fewer "
            "columns (a truncated SVD) or rows."
        )
    return np.asarray(matrix.toarray())


def _from_sparse(filename: str, matrix: Any, choice: Choice, max_bytes: int) -> Table:
    choice.known(filename, ())
    is_sparse = hasattr(matrix, "toarray")
    Y, image_shape = tokens(filename, from_sparse(filename, matrix, max_bytes) if is_sparse else np.asarray(matrix))
    return Table(Y, None, (), image_shape, said=("a sparse matrix, gaps are zeros",) if is_sparse else ())


def _from_mapping(filename: str, arrays: Mapping[str, Any], choice: Choice, max_bytes: int) -> Table:
    def read(name: str) -> np.ndarray:
        array = arrays[name]
        array = from_sparse(filename, array, max_bytes) if hasattr(array, "toarray") else np.asarray(array)
        return array.ravel() if array.ndim == 2 and 1 in array.shape else array  # MATLAB's vectors

    return _from_named(filename, {name: np.shape(array) for name, array in arrays.items()}, read, choice)


def _from_named(
    filename: str,
    shapes: Mapping[str, tuple[int, ...] | InputError],
    read: Callable[[str], np.ndarray],
    choice: Choice,
) -> Table:
    """Tokens and labels from arrays with names."""
    choice.known(filename, list(shapes))
    shapes = {name: shape for name, shape in shapes.items() if name not in choice.drop or name == choice.named}
    if (layers := _layers(shapes)) and "settings" not in shapes:  # `embed --trajectory` writes the tokens, too
        return _from_layers(filename, layers, shapes, read, choice)
    data = _data_name(filename, {name: shape for name, shape in shapes.items() if name != choice.named})
    array = read(data)
    Y, image_shape = tokens(filename, array)
    label = _label_name(shapes, data, len(Y)) if choice.label == "auto" else choice.named
    labels, class_names = factorise(filename, read(label), len(Y)) if label else (None, ())
    dropped = [(name, "as asked") for name in choice.drop if name != label]
    dropped += [(name, "not used") for name in shapes if name not in (data, label)]
    said = () if len(shapes) == 1 else (f"tokens from {quoted(data)}",)
    return Table(
        Y,
        labels,
        class_names,
        image_shape,
        grey(Y, image_shape),
        columns=tuple(shapes),
        label=label or None,
        dropped=tuple(dropped),
        said=said,
    )


def _layers(shapes: Mapping[str, tuple[int, ...] | InputError]) -> list[str]:
    """The names of arrays that are the layers of a network, in order: one with all, or one a layer; [] if none are."""
    for name in _TRAJECTORIES:
        if isinstance(shape := shapes.get(name), tuple) and len(shape) == 3 and shape[0] > 1:
            return [name]
    numbered = [(int(found[1]), name) for name in shapes if (found := _LAYER.fullmatch(name))]
    names = [name for _, name in sorted(numbered)]
    sizes = [shapes[name] for name in names]
    alike = all(isinstance(size, tuple) and len(size) == 2 and size == sizes[0] for size in sizes)
    return names if alike and len(names) > 1 else []


def _from_layers(
    filename: str,
    layers: list[str],
    shapes: Mapping[str, tuple[int, ...] | InputError],
    read: Callable[[str], np.ndarray],
    choice: Choice,
) -> Table:
    """A network's hidden states: the tokens are what goes into the first layer."""
    arrays = read(layers[0]) if len(layers) == 1 else [read(name) for name in layers]
    kept = [tokens(f"layer {i} of {filename}", np.asarray(X))[0] for i, X in enumerate(arrays)]
    trajectory = np.stack([X.astype(np.float64 if X.dtype == np.float64 else np.float32) for X in kept])
    n = trajectory.shape[1]
    label = _label_name(shapes, layers[0], n) if choice.label == "auto" else choice.named
    labels, class_names = factorise(filename, read(label), n) if label else (None, ())
    image = next((name for name in ("images", "pictures") if name in shapes), None)
    pictures = None
    if image is not None:
        Y, image_shape = tokens(f"{image} in {filename}", read(image))
        if image_shape is not None and len(Y) == n and Y.dtype == np.uint8:
            shown = grey(Y, image_shape)
            pictures = Y.reshape(n, *image_shape) if shown is None else shown
    used = (*layers, label, image if pictures is not None else None)
    dropped = tuple((name, "as asked" if name in choice.drop else "not used") for name in shapes if name not in used)
    return Table(
        trajectory[0],
        labels,
        class_names,
        None if pictures is None else (pictures.shape[1], pictures.shape[2]),
        pictures,
        trajectory,
        columns=tuple(shapes),
        label=label or None,
        dropped=dropped,
    )


def _label_name(shapes: Mapping[str, tuple[int, ...] | InputError], data: str, n: int) -> str | None:
    """Which array holds the labels: one with such a name, or the only other one if it has one value for each token."""
    for name in LABEL_NAMES:
        if name in shapes and name != data:
            return name
    others = [name for name in shapes if name != data]
    return others[0] if len(others) == 1 and shapes[others[0]] in ((n,), (n, 1)) else None


def _data_name(filename: str, shapes: Mapping[str, tuple[int, ...] | InputError]) -> str:
    """Return which array holds the tokens: the first of `DATA_NAMES` with two to four dimensions, or the only
    such array.
    """
    refusals = {stem: shape for stem, shape in shapes.items() if isinstance(shape, InputError)}
    fitting = [stem for stem, shape in shapes.items() if isinstance(shape, tuple) and len(shape) in (2, 3, 4)]
    fitting = [stem for stem in fitting if stem not in LABEL_NAMES and stem not in _PARTS]
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
        f"{filename} must hold one array of tokens with two to four dimensions, but holds the arrays: {found[:200]}; "
        "name the one to take Y."
    )


def _read_array_header(filename: str, stream: IO[bytes], max_bytes: int) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
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
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize > max_bytes:
        raise InputError(f"{filename} declares an array of shape {shape}, which is too large; give a part of it.")
    return shape, fortran, dtype


def read_array(filename: str, stream: IO[bytes], max_bytes: int) -> np.ndarray:
    """The .npy at the start of `stream`, read-only; an `InputError` if it ends before its declared size."""
    shape, fortran, dtype = _read_array_header(filename, stream, max_bytes)
    size = math.prod(shape) * dtype.itemsize
    content = stream.read(size)
    if len(content) < size:
        raise InputError(
            f"{filename} ends early ({len(content)} of {size} bytes of the array); it was cut short, so save or copy "
            "it again."
        )
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
