"""Settings in a picture's own metadata: where each format keeps them, and how a dropped file gives them back."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import cast

from dr_transformer.errors import InputError
from dr_transformer.export.settings import SavedSettings, from_json

KEYWORD = "dr-transformer"  # of a PNG's text chunk
MAX_FILE_BYTES = 128 * 2**20
ABOUT = "Made by dr-transformer; its settings are in this file's metadata."

_SVG_HEAD = 2**19  # bytes in which an SVG's metadata must stand
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_DESCRIPTION = "{http://purl.org/dc/elements/1.1/}description"


def metadata(kind: str, settings: str) -> dict[str, str | None]:
    """Return what matplotlib is to write into a file of this kind ("png", "svg", "pdf"); no dates, for equal bytes."""
    by_kind: dict[str, dict[str, str | None]] = {
        "png": {"Description": ABOUT, KEYWORD: settings},
        "svg": {"Date": None, "Description": settings},
        "pdf": {"CreationDate": None, "Subject": ABOUT, "Keywords": settings},
    }
    return by_kind[kind]


def read_settings(file: bytes | Path, name: str = "") -> SavedSettings:
    """The validated settings in a saved figure: PNG, SVG, PDF, or GIF, told apart by their first bytes.

    Raises `InputError`, a sentence, for a file that cannot be opened, is damaged, too large, of another program, or of
    another version.
    """
    name = name or (file.name if isinstance(file, Path) else "the file")
    content = _content(file) if isinstance(file, Path) else file
    if len(content) > MAX_FILE_BYTES:
        raise _too_large(name)
    found = _reader(content, name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of repairs that do not concern the settings
            text = found(content)
    except InputError:
        raise
    except Exception:  # each library has a dozen kinds for a damaged file
        raise InputError(f"{name} cannot be read; the file is damaged or cut short, so save it again.") from None
    if not text or KEYWORD not in text:
        raise InputError(
            f"{name} holds no settings of this app: another program made it, or wrote it again without its metadata."
        )
    return from_json(text, name)


def _too_large(name: str) -> InputError:
    return InputError(f"{name} has more than {MAX_FILE_BYTES // 2**20} MB; figures of this app are smaller.")


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise _too_large(path.name)
        return path.read_bytes()
    except OSError as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else str(error.strerror)
        raise InputError(f"{str(path)!r} cannot be opened ({reason}); check its path.") from None


def _reader(content: bytes, name: str) -> Callable[[bytes], str | None]:
    start = content[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if content.startswith((b"\x89PNG\r\n\x1a\n", b"GIF8")):
        return _from_image
    if start.startswith((b"<?xml", b"<svg", b"<!DOCTYPE svg")):
        return _from_svg
    if b"%PDF-" in content[:1024]:
        return _from_pdf
    raise InputError(f"{name} is no PNG, SVG, PDF or GIF; give a figure that this app saved.")


def _from_image(content: bytes) -> str | None:
    from PIL import Image

    with Image.open(io.BytesIO(content), formats=("PNG", "GIF")) as image:
        found = image.info.get(KEYWORD) or image.info.get("comment")
    return found.decode() if isinstance(found, bytes) else found


def _from_svg(content: bytes) -> str | None:
    """The description, without reading on to the points. No entity is expanded and nothing fetched."""
    from defusedxml.ElementTree import ParseError, iterparse

    inside = False
    start = io.BytesIO(content[:_SVG_HEAD])
    try:
        for event, element in iterparse(start, events=("start", "end"), forbid_entities=True):
            if element.tag == f"{_RDF}RDF":
                inside = event == "start"
            elif event == "end" and inside and element.tag == _DESCRIPTION:
                return cast("str | None", element.text)
    except ParseError:
        if len(content) <= _SVG_HEAD:
            raise
    return None


def _from_pdf(content: bytes) -> str | None:
    from pypdf import PdfReader

    found = PdfReader(io.BytesIO(content)).metadata
    return None if found is None or found.get("/Keywords") is None else str(found["/Keywords"])
