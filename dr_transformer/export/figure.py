"""Figures for paper, drawn by matplotlib without pyplot (no Chrome): the one exporter of the app and the terminal."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from dr_transformer.errors import InputError
from dr_transformer.export.figure_config import FigureConfig
from dr_transformer.export.metadata import metadata
from dr_transformer.export.templates import Drawing, Maps

FORMATS = (".pdf", ".png", ".svg")
_FORMATTING: Any = {
    "svg.hashsalt": "dr-transformer",  # fixes the ids inside an SVG
    "svg.fonttype": "path",  # letters as their outlines: an SVG cannot hold a font that all programs would take
    "pdf.fonttype": 42,  # TrueType, embedded
    "figure.dpi": 100,
}
DRAWING = threading.Lock()
"""Held by whoever draws: matplotlib's settings and fonts are the process's."""


@dataclass(frozen=True)
class Rendered:
    """A file's bytes, and what is to be said of its points and colours; "" where there is nothing."""

    content: bytes
    note: str


def check_format(path: Path) -> str:
    """The format that the path's ending names ("pdf", "png", "svg"); `InputError` for another."""
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"cannot draw {path.name!r}: the name must end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}.")
    return path.suffix.lower()[1:]


def render(drawing: Drawing, options: FigureConfig, kind: str, settings: Mapping[str, Any]) -> Rendered:
    """The drawing as a file of this kind ("pdf", "png", "svg"), `settings` (ready for JSON) in its metadata.

    The same settings give the same bytes: nobody's matplotlibrc takes part, and there are no dates. Raises `InputError`
    for too many pixels.
    """
    size = options.size(drawing.size)
    target = io.BytesIO()
    text = json.dumps(settings, separators=(",", ":"))  # in ASCII, which all three formats keep as it is
    with DRAWING, mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_FORMATTING)
        figure = Figure(figsize=size)
        drawing.draw(figure, options)
        figure.savefig(target, format=kind, dpi=options.dpi, metadata=metadata(kind, text))
    notes = _points_note(drawing, options, kind), drawing.colours_note(options) if isinstance(drawing, Maps) else ""
    return Rendered(target.getvalue(), " ".join(filter(None, notes)))


def _points_note(drawing: Drawing, options: FigureConfig, kind: str) -> str:
    n, most = drawing.n_points, options.max_vector_points
    if kind == "png" or not n:
        return ""
    if n <= most:
        return f"All {n} points are vectors."
    return (
        f"The {n} points, more than {most}, are kept as an image of {options.dpi} dpi; axes and text are vectors, "
        "and max_vector_points sets the limit."
    )
