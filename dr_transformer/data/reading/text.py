"""Tables of text: .csv, .tsv and .txt in any encoding, with any of the usual separators, signs and headers.

How a file is written is guessed from its first lines, and pandas reads it by that. What was guessed is said.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dr_transformer.data.reading.columns import LABEL_COLUMNS, Columns, label_of, unique_names
from dr_transformer.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_SAMPLE = 2**18  # bytes that tell how a file is written, or its first line, if that is longer
_LINES = 200
_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_BLANKS = dict.fromkeys(map(ord, "\u00a0\u2007\u2009\u202f"), " ")  # no-break, figure, thin, narrow
_NUMBER = re.compile(
    r"[+-]?(\d+([.,]\d+)*|\d{1,3}( \d{3})+([.,]\d+)?|[.,]\d+|\d+[.,])(e[+-]?\d+)?|[+-]?(nan|inf)|", re.I
)
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a cell for a formula, at its beginning."""
_GUARDED = re.compile(r"^'(?=[=+\-@\t\r])")
_SEPARATORS = {"\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas", " ": "blanks"}
"""What stands between the fields, as a sentence names it; of those that fit equally well the first is taken."""


@dataclass(frozen=True)
class Dialect:
    """How a table is written: separator, decimal sign, what groups thousands, and its names if it has them."""

    separator: str
    decimal: str
    thousands: str | None
    names: list[str]
    has_header: bool


def read_text(filename: str, content: bytes, label: str = "") -> Columns:
    """Read the columns of a table of text; `label` may be the one of the classes.

    Raises `InputError`, and what pandas raises for damage.
    """
    content, said = _as_utf8(filename, content)
    content, comment = _without_comments(content)
    rows_of_text = _sample(content)
    if not rows_of_text:
        raise InputError(f"{filename} has no rows of data; at least two tokens (rows) are needed.")
    dialect = _dialect(filename, rows_of_text, comment)
    names, nameless = unique_names(filename, dialect.names)
    # A column of classes is text first: as numbers 01 and 1 are the same
    classes = [name for name in names if name == label or name.lower() in LABEL_COLUMNS]
    frame = _read(content, dialect, names, dtype=dict.fromkeys(classes, str))
    # as `export.tables` writes what a spreadsheet would take for a formula
    as_text = {name: frame[name].str.replace(_GUARDED, "", regex=True) for name in classes}
    for name in classes:
        frame[name] = _as_numbers(frame[name], dialect)
    if nameless and frame[names[-1]].isna().all() and names[-1] in nameless:  # a separator at the end of every row
        frame = frame.iloc[:, :-1]

    said = (
        *said,
        *([f"separated by {_SEPARATORS[dialect.separator]}"] if dialect.separator not in ",\t" else []),
        *(["decimal commas"] if dialect.decimal == "," else []),
        *([f"{quoted_sign(dialect.thousands)} groups thousands"] if dialect.thousands else []),
        *([] if dialect.has_header else ["no header"]),
    )
    return Columns(
        frame,
        nameless=nameless,
        headless=not dialect.has_header,
        signs=(dialect.decimal, dialect.thousands),
        as_text=as_text,
        said=said,
    )


def read_metadata(filename: str, content: bytes, n: int) -> tuple[str, np.ndarray | None]:
    """The labels (n,) of the Embedding Projector's metadata: its only column, which then has no name, or the one that
    `label_of` chooses. None if there is none. Raises `InputError` for another number of rows.
    """
    content, _ = _as_utf8(filename, content)
    lines = content.decode("utf-8").splitlines()
    if not any("\t" in line for line in lines[:_LINES]):
        values: Any = lines
        name, found = filename, np.array(values, object)
    else:
        columns = read_text(filename, content)
        label = label_of(columns)
        if label is None:
            return filename, None
        name, found = label, columns.frame[label].astype(object).to_numpy()
    if len(found) != n:
        raise InputError(f"{filename} has {len(found)} rows for {n} tokens; give one row for each.")
    return name, found


def quoted_sign(sign: str) -> str:
    """Return how a sentence names what groups thousands."""
    return "a blank" if sign == " " else f'"{sign}"'


def _read(content: bytes, dialect: Dialect, names: list[str], **options: Any) -> pd.DataFrame:
    import pandas as pd

    if pd.__version__.startswith("2."):  # later ones read every number to its last digit by themselves
        options["float_precision"] = "round_trip"
    return pd.read_csv(
        io.BytesIO(content),
        sep=r"\s+" if dialect.separator == " " else dialect.separator,
        header=0 if dialect.has_header else None,
        names=names,
        decimal=dialect.decimal,
        thousands=dialect.thousands,
        skipinitialspace=True,
        low_memory=False,
        **options,
    )


def is_number(text: str) -> bool:
    """Tell whether a cell is a number, with decimal point or comma."""
    return bool(text.strip()) and _NUMBER.fullmatch(text.strip()) is not None


def _as_numbers(written: pd.Series, dialect: Dialect) -> pd.Series:
    """A column of text as numbers, if that is what it writes."""
    import pandas as pd

    plain = written.str.replace(dialect.thousands, "", regex=False) if dialect.thousands else written
    try:
        return pd.to_numeric(plain.str.replace(dialect.decimal, ".", regex=False))
    except ValueError:
        return written


def _as_utf8(filename: str, content: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The text in UTF-8, with plain blanks, and what it was written in if that was guessed."""
    said: tuple[str, ...] = ()
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), None)
    if encoding is None:
        try:
            content.decode("utf-8")
        except UnicodeDecodeError:
            encoding, said = "cp1252", ("read as Western European text (cp1252)",)
    if encoding is not None:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:  # cp1252 leaves five bytes open
            text = content.decode("latin-1" if encoding == "cp1252" else encoding, "replace")
        content = text.encode("utf-8", "replace")
    if b"\0" in content:
        raise InputError(f"{filename} is not text; save the table as .csv, or give the file its own ending.")
    if any(chr(blank).encode() in content for blank in _BLANKS):
        content = content.decode("utf-8").translate(_BLANKS).encode("utf-8")
    return content, said


def _without_comments(content: bytes) -> tuple[bytes, str]:
    """The text behind the lines that begin with #, as NumPy's `savetxt` writes its header, and the last of these."""
    comment = ""
    content = content.lstrip(b"\r\n")
    while content.startswith(b"#"):
        line, _, content = content.partition(b"\n")
        comment = line.decode("utf-8", "replace").lstrip("# ").strip()
        content = content.lstrip(b"\r\n")
    return content, comment


def _sample(content: bytes) -> list[str]:
    """The first lines that are whole and not blank."""
    ends = [end for end in (content.find(b"\n"), content.find(b"\r")) if end >= 0]
    size = max(_SAMPLE, 3 * (min(ends, default=0) + 1))
    text = content[:size].decode("utf-8", "ignore")
    lines = re.split(r"\r\n|\n|\r", text)
    if len(content) > size and len(lines) > 1:
        lines.pop()
    return [line for line in lines if line.strip()][:_LINES]


def _fields(lines: list[str], separator: str) -> list[list[str]]:
    if separator == " ":
        return [line.split() for line in lines]
    try:
        return [
            [field.strip() for field in row] for row in csv.reader(lines, delimiter=separator, skipinitialspace=True)
        ]
    except csv.Error:
        return []


def _separator(lines: list[str]) -> str:
    """What stands between the fields: that by which the rows are of one length and most of their fields are numbers."""
    best, separator = (0.0, 0.0), ","
    for candidate in _SEPARATORS:
        rows = _fields(lines, candidate)
        width, times = Counter(map(len, rows)).most_common(1)[0] if rows else (0, 0)
        if width < 2:
            continue
        cells = [cell for row in rows[1:] or rows for cell in row]
        found = (round(times / len(rows), 1), sum(bool(_NUMBER.fullmatch(cell)) for cell in cells) / len(cells))
        if found > best:
            best, separator = found, candidate
    return separator


def _dialect(filename: str, lines: list[str], comment: str) -> Dialect:
    separator = _separator(lines)
    rows = _fields(lines, separator)
    if not rows:
        raise InputError(f"{filename} cannot be read as a table: a quotation mark does not end; save it again.")
    body = rows[1:] or rows
    width = Counter(map(len, body)).most_common(1)[0][0]
    decimal, thousands = _signs(separator, [cell for row in body for cell in row])
    first = rows[0]
    has_header = _is_header(first, rows[1:], decimal, thousands)
    if has_header and len(first) == width - 1:
        # R's write.table leaves the column of row names without one; others end every row with a separator
        whole = [row for row in body if len(row) == width]
        if all(not row[-1] for row in whole):
            first = [*first, ""]
        elif _number_rows([row[0] for row in whole]):
            first = ["", *first]
    elif not has_header:
        names = _fields([comment], separator)[0] if comment else []
        named = len(names) == len(first) and not all(map(_NUMBER.fullmatch, names))
        return Dialect(separator, decimal, thousands, names if named else [""] * max(len(first), width), False)
    if len(first) < width:
        raise InputError(
            f"{filename} has {len(first)} names for {width} columns; give each column a name, or remove the names."
        )
    return Dialect(separator, decimal, thousands, first, has_header)


def _signs(separator: str, cells: list[str]) -> tuple[str, str | None]:
    """The decimal sign and what groups thousands: which of comma, point and blank stand where in numbers."""
    numbers = [cell for cell in cells if cell and _NUMBER.fullmatch(cell)]
    commas = [cell for cell in numbers if "," in cell]
    points = [cell for cell in numbers if "." in cell]
    blank = " " if separator != " " and any(" " in cell for cell in numbers) else None
    both = [cell for cell in commas if "." in cell]
    if both:
        return (",", ".") if all(cell.rfind(",") > cell.rfind(".") for cell in both) else (".", ",")
    grouped = re.compile(r"[+-]?\d{1,3}(,\d{3})+")
    if commas and all(grouped.fullmatch(cell) for cell in commas):
        several = any(cell.count(",") > 1 for cell in commas)
        return (".", ",") if several or points or separator != ";" else (",", blank)
    if commas:
        return ",", ("." if points and all(_grouped_by_points(cell) for cell in points) else blank)
    if any(cell.count(".") > 1 for cell in points) and all(_grouped_by_points(cell) for cell in points):
        return ",", "."
    return ".", blank


def _grouped_by_points(cell: str) -> bool:
    return re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})+", cell) is not None


def _value(cell: str, decimal: str, thousands: str | None) -> float | None:
    if thousands:
        cell = cell.replace(thousands, "")
    try:
        return float(cell.replace(decimal, "."))
    except ValueError:
        return None


def _is_header(first: list[str], body: list[list[str]], decimal: str, thousands: str | None) -> bool:
    """Tell whether the first row names the columns.

    It does where it has text over numbers, and where its numbers are an ascending scale and those of no other row are:
    0, 1, 2, … as pandas names nameless columns, or the wavelengths of a spectrum.
    """
    values = [_value(cell, decimal, thousands) for cell in first]
    if not body:
        return None in values
    below = [[row[i] for row in body if i < len(row)] for i in range(len(first))]
    over_numbers = [
        cells and sum(_value(cell, decimal, thousands) is not None for cell in cells) * 2 > len(cells)
        for cells in below
    ]
    if any(value is None and name and over for value, name, over in zip(values, first, over_numbers, strict=True)):
        return True
    text = [i for i, over in enumerate(over_numbers) if not over]
    if any(first[i] and first[i] in below[i] for i in text):
        return False
    numbers = [value for value in values if value is not None]
    if len(numbers) > 1 and numbers == list(range(len(numbers))):
        return True
    if not any(over_numbers):
        return bool(text)
    if len(numbers) < 5 or not _ascends(numbers):
        return False
    others = [[v for cell in row if (v := _value(cell, decimal, thousands)) is not None] for row in body[:50]]
    return not any(len(row) > 4 and _ascends(row) for row in others)


def _number_rows(cells: list[str]) -> bool:
    """Tell whether these count the rows, or name them."""
    start = int(cells[0]) if cells[0] in ("0", "1") else None
    counts = start is not None and all(cell == str(i) for i, cell in enumerate(cells, start))
    return counts or not any(map(_NUMBER.fullmatch, cells))


def _ascends(numbers: list[float]) -> bool:
    return bool((np.diff(numbers) > 0).all())
