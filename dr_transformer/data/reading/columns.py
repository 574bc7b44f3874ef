"""A table's columns into tokens: which are features, which holds the classes, and which are neither.

Row numbers, identifiers, dates and text are left out and named. A person's own choice comes before every guess.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from dr_transformer.data.reading.rows import MAX_CLASSES, Choice, Table, factorise, grey, tokens
from dr_transformer.errors import InputError, quoted

if TYPE_CHECKING:
    import pandas as pd

LABEL_COLUMNS = ("label", "labels", "class", "classes", "target", "targets", "species", "category", "y")
"""What a column of classes may be called, in any case of letters; the first choice first."""
_SURE = LABEL_COLUMNS[:2]  # what is called so is a label whatever it holds
_VECTORS = ("embedding", "embeddings", "vector", "features", "emb", "hidden_state", "x")
_NUMBERS_OF_ROWS = re.compile(
    r"(unnamed: ?\d+|index|level_0|__index_level_0__|row|rows?[._ ]?(id|names?|num(ber)?)|rn|)", re.I
)
_IDENTIFIER = re.compile(r"(?i:id|uuid|guid|.*[._ -]id|id[._ -].*)|.*[a-z]I[dD]", re.S)
_DATE = re.compile(r"\d{4}-\d\d?-\d\d?([T ].*)?|\d\d?[./]\d\d?[./]\d{2,4}")
_TALL = 10_000  # rows
_FEW = 64  # values that tell what a column of text holds


@dataclass(frozen=True, eq=False)
class Columns:
    """Hold what a reader found: `frame`, the columns with one value a row, under names that are all different.

    `vectors` have an array (n, k) for each column of lists, `pictures` uint8 (n, height, width) or with colours. The
    nameless columns have `frame`'s names too. `as_text` has what may be classes as it was written, for as numbers 01
    and 1 are the same. `headless` says that no column had a name, `signs` are what it writes decimals with and groups
    thousands by, and `said` how it was read.
    """

    frame: pd.DataFrame
    vectors: dict[str, np.ndarray] = field(default_factory=dict)
    pictures: np.ndarray | None = None
    nameless: frozenset[str] = frozenset()
    headless: bool = False
    signs: tuple[str, str | None] = (".", None)
    as_text: Mapping[str, pd.Series] = field(default_factory=dict)
    said: tuple[str, ...] = ()


def unique_names(filename: str, names: list[str]) -> tuple[list[str], frozenset[str]]:
    """Names without blanks around them, with one for each nameless column; which these are. Refuse one given twice."""
    names = [name.strip() for name in names]
    seen: set[str] = set()
    for name in filter(None, names):
        if name in seen:
            raise InputError(f"{filename} has two columns named {quoted(name)}; give each column its own name.")
        seen.add(name)
    made = [name or f"column {i}" for i, name in enumerate(names, 1)]
    made = [f"{new} (no name)" if not name and new in seen else new for name, new in zip(names, made, strict=True)]
    return made, frozenset(new for name, new in zip(names, made, strict=True) if not name)


def as_table(filename: str, columns: Columns, choice: Choice) -> Table:
    """Return the tokens of a table and their classes.

    Raises `InputError` where there are none, and for gaps; it knows the `columns`, for another choice may mend it.
    """
    try:
        return _as_table(filename, columns, choice)
    except InputError as error:
        error.columns = (*map(str, columns.frame.columns), *columns.vectors)
        raise


def _as_table(filename: str, columns: Columns, choice: Choice) -> Table:
    frame, n = columns.frame, len(columns.frame)
    names = [str(name) for name in frame.columns]
    choice.known(filename, (*names, *columns.vectors))
    if n < 2:
        has = "1 row" if n == 1 else "no rows"
        raise InputError(f"{filename} has {has} of data; at least two tokens (rows) are needed.")
    dropped = {name: "as asked" for name in choice.drop if name != choice.label}
    dropped |= {name: why for name in names if name not in dropped and (why := _row_numbers(columns, name))}
    label = _label(columns, choice, [name for name in names if name not in dropped])
    vectors = {name: array for name, array in columns.vectors.items() if name not in dropped and name != label}
    if vectors or columns.pictures is not None:
        Y, shape, pictures, what = _arrays(filename, columns, vectors)
        beside = [name for name in (*names, *vectors) if name not in (label, what, *dropped)]
        dropped |= dict.fromkeys(beside, f"beside {what}")
        said = (f"features from {quoted(what)}", *columns.said)
    else:
        features = _features(filename, columns, label, dropped)
        Y, shape = tokens(filename, _pixels(_numbers(frame, features)), features, own=True)
        pictures, said = None, columns.said
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] = ()
    if label is not None:
        labels, class_names = factorise(filename, _classes(columns, label), n)
    return Table(
        Y,
        labels,
        class_names,
        shape,
        pictures,
        columns=(*names, *columns.vectors),
        label=label,
        dropped=tuple(dropped.items()),
        said=said,
    )


def _arrays(
    filename: str, columns: Columns, vectors: dict[str, np.ndarray]
) -> tuple[np.ndarray, tuple[int, int] | None, np.ndarray | None, str]:
    """Tokens from a column of lists, or from the pictures; the shape of a picture, pictures, and where from."""
    pictures = columns.pictures
    if not vectors:
        assert pictures is not None
        Y, shape = tokens(filename, pictures)
        return Y, shape, grey(Y, shape), "image"
    named = {name.lower(): name for name in vectors}
    name = next((named[known] for known in _VECTORS if known in named), max(vectors, key=lambda v: vectors[v].shape[1]))
    Y, shape = tokens(filename, vectors[name])
    if pictures is None:
        return Y, shape, None, name
    shown = grey(pictures.reshape(len(Y), -1), pictures.shape[1:3])
    return Y, pictures.shape[1:3], pictures if shown is None else shown, name


def label_of(columns: Columns) -> str | None:
    """Return which column would be taken for the classes, or None."""
    return _label(columns, Choice(), [str(name) for name in columns.frame.columns])


def _row_numbers(columns: Columns, name: str) -> str:
    """Why a column numbers or names the rows and measures nothing; "" if it may measure something."""
    nameless = name in columns.nameless and not columns.headless
    numbers = nameless or _NUMBERS_OF_ROWS.fullmatch(name)
    if not numbers and not _IDENTIFIER.fullmatch(name):
        return ""
    column = columns.frame[name]
    if column.dtype.kind == "f":  # whole numbers beside a gap
        return ""
    if column.dtype.kind not in "iu":
        return ("row names" if numbers else "identifiers") if column.is_unique else ""
    n = len(column)
    if not column.is_unique:
        return ""
    if not numbers:
        return "identifiers"
    first = int(column.iloc[0])
    in_order = first in (0, 1) and bool((column.to_numpy() == np.arange(first, first + n)).all())
    return "row numbers" if in_order or not nameless else "row numbers, shuffled" if column.min() >= 0 else ""


def _label(columns: Columns, choice: Choice, names: list[str]) -> str | None:
    """Which column holds the classes: the chosen one; one with such a name; or the last, if it is text of few kinds."""
    if choice.label != "auto":
        return choice.named
    named = {name.lower(): name for name in reversed(names)}
    for known in LABEL_COLUMNS:
        name = named.get(known)
        if name is None or (known == "y" and "x" in named):
            continue
        if known in _SURE or _has_few(columns, name):
            return name
    text = [name for name in names if columns.frame[name].dtype.kind not in "biufMm" and _has_few(columns, name)]
    return text[-1] if text and (text[-1] == names[-1] or len(text) == 1) else None


def _has_few(columns: Columns, name: str) -> bool:
    """Tell whether values repeat as classes do; numbers must be whole."""
    column = columns.frame[name]
    known = column.dropna()
    if column.dtype.kind == "f" and not (known == np.rint(known)).all():
        return False
    if column.dtype.kind in "Mm" or _kind_of_text(column, columns.signs) == "numbers":
        return False
    few = known.nunique()
    return 1 < few <= min(MAX_CLASSES, len(column) // 2)


def _classes(columns: Columns, label: str) -> np.ndarray:
    column = columns.as_text.get(label, columns.frame[label])
    return column.to_numpy() if column.dtype.kind in "biuf" else column.astype(object).to_numpy()


def _features(filename: str, columns: Columns, label: str | None, dropped: dict[str, str]) -> list[str]:
    """The columns of numbers; what else there is goes to `dropped`. Numbers with other text among them are refused."""
    features = []
    gaps = columns.frame.columns[columns.frame.iloc[0].isna().to_numpy()]  # an empty column has one in its first row
    empty = {name for name in gaps if columns.frame[name].isna().all()}
    for name, dtype in columns.frame.dtypes.items():
        name = str(name)
        if name == label or name in dropped:
            continue
        if name in empty:
            dropped[name] = "empty"
        elif dtype.kind in "biuf":
            features.append(name)
        elif dtype.kind in "Mm":
            dropped[name] = "dates"
        elif (kind := _kind_of_text(columns.frame[name], columns.signs)) == "decimals":
            features.append(name)
        elif kind == "numbers":
            found = _first_text(columns.frame[name], columns.signs)
            if found is None:  # whole numbers that no type holds
                features.append(name)
                continue
            row, value = found
            raise InputError(
                f"column {quoted(name)} of {filename} holds numbers, but {quoted(value)} in row {row} of the data; "
                "mend or remove the row, or leave the column out."
            )
        else:
            dropped[name] = kind
    if not features:
        out = ", ".join(f"{quoted(name)} ({why})" for name, why in list(dropped.items())[:6])
        raise InputError(
            f"{filename} has no column of numbers beside the labels{f' ({out} left out)' if out else ''}; add at least "
            "one."
        )
    return features


def _kind_of_text(column: pd.Series, signs: tuple[str, str | None]) -> str:
    """Say what a column of other than numbers holds: "decimals" (exact ones), "numbers" with other things among them,
    "dates", "identifiers" or "text".
    """
    import decimal

    if column.dtype.kind in "biufMm":
        return ""
    known = column.dropna()
    if not len(known):
        return "empty"
    some = known.iloc[np.unique(np.linspace(0, len(known) - 1, _FEW).astype(int))]
    if isinstance(some.iloc[0], decimal.Decimal):
        return "decimals"
    written = [str(value).strip() for value in some]
    if sum(_is_number(value, signs) for value in written) * 2 >= len(written):
        return "numbers"
    if all(_DATE.fullmatch(value) for value in written):
        return "dates"
    return "text"


def _first_text(column: pd.Series, signs: tuple[str, str | None]) -> tuple[int, str] | None:
    return next(((row, str(value)) for row, value in enumerate(column, 1) if not _is_number(str(value), signs)), None)


def _is_number(text: str, signs: tuple[str, str | None]) -> bool:
    decimal, thousands = signs
    try:
        float((text.replace(thousands, "") if thousands else text).replace(decimal, "."))
    except ValueError:
        return False
    return True


def _numbers(frame: pd.DataFrame, features: list[str]) -> np.ndarray:
    """The columns of numbers side by side, (n, d), with the type that holds them all."""
    plain = all(isinstance(dtype, np.dtype) and dtype.kind in "iuf" for dtype in frame.dtypes[features])
    if plain and len(frame) < _TALL:
        return frame[features].to_numpy()
    # Column by column, without a second copy of them all
    array: np.ndarray | None = None
    for i, name in enumerate(features):
        column = _number(frame[name])
        if array is None:
            array = np.empty((len(frame), len(features)), column.dtype)
        elif (kind := np.result_type(array.dtype, column.dtype)) != array.dtype:
            array = array.astype(kind)
        array[:, i] = column
    assert array is not None
    return array


def _number(column: pd.Series) -> np.ndarray:
    if column.dtype.kind == "b" and not column.isna().any():
        return column.to_numpy(np.uint8).astype(np.int16)  # 0 and 1 are no pixels
    if isinstance(column.dtype, np.dtype) and column.dtype.kind != "O":
        return column.to_numpy()
    gaps = column.isna().any()
    if column.dtype.kind in "iu" and not gaps:
        return column.to_numpy(np.int64)
    return column.astype(object).to_numpy(np.float64, na_value=np.nan)


def _pixels(numbers: np.ndarray) -> np.ndarray:
    """Text cannot say that it holds pixels: whole numbers in 0…255, in a square of 8 × 8 or more, are taken as such."""
    square = math.isqrt(numbers.shape[1]) ** 2 == numbers.shape[1] >= 64
    if square and numbers.dtype.kind in "iu" and numbers.min() >= 0 and numbers.max() <= 255:
        return numbers.astype(np.uint8)
    return numbers
