"""Figures for paper, drawn by matplotlib without pyplot (no global state, no Chrome)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import rc_context
from matplotlib.figure import Figure

from dr_transformer.errors import InputError
from dr_transformer.palette import TAB10

FORMATS = (".pdf", ".png", ".svg")


def figure1(
    start: npt.NDArray[np.floating], end: npt.NDArray[np.floating], labels: npt.NDArray[np.integer] | None
) -> Figure:
    """Figure 1 of the paper: `start` (n, 2) and `end` (n, 2) as two scatter panels, 8 × 4 in, tab10, no axes.

    `start` is Y W_proj and `end` the latents after the last block, columns 0 and 1 of each. Colours repeat after ten
    classes; without labels all points have one colour.
    """
    colours = np.array(TAB10)[np.zeros(len(start), dtype=int) if labels is None else labels % len(TAB10)]
    figure = Figure(figsize=(8, 4), layout="tight")
    for axes, points in zip(figure.subplots(1, 2), (start, end), strict=True):
        axes.scatter(points[:, 0], points[:, 1], c=colours, s=1, linewidths=0)
        axes.set_axis_off()
    return figure


def check_format(path: Path) -> None:
    """Raise `InputError` unless the path's suffix names a format that `save` writes."""
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"cannot draw {path.name!r}: the name must end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}.")


def save(figure: Figure, path: Path, target: Path, *, description: str, dpi: int = 300) -> None:
    """Write the figure to `target` in the format of `path`; the same settings give the same bytes (no dates)."""
    kind = path.suffix.lower()[1:]
    metadata: dict[str, dict[str, str | None]] = {
        "pdf": {"CreationDate": None, "Subject": description},
        "svg": {"Date": None, "Description": description},
        "png": {"Description": description},
    }
    # hashsalt fixes the ids inside an SVG; fonttype 42 embeds TrueType, so that text stays text
    settings: Any = {"svg.hashsalt": "dr-transformer", "pdf.fonttype": 42, "svg.fonttype": "none"}
    with rc_context(settings):
        figure.savefig(target, format=kind, dpi=dpi, metadata=metadata[kind])
