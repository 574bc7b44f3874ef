"""Colours of the classes, as hex strings, so that nothing needs matplotlib to know them."""

from __future__ import annotations

from collections.abc import Sequence

# Matthew A. Petroff, "Accessible Color Sequences for Data Visualization", arXiv 2107.02270: told apart by people with
# any of the common colour-vision deficiencies. The same as matplotlib's "petroff10".
PETROFF10 = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)

# Matplotlib's "tab10", in which the paper's figures are drawn.
TAB10 = (
    "#1f77b4",
    "#ff7f0e",
    "#2ca02c",
    "#d62728",
    "#9467bd",
    "#8c564b",
    "#e377c2",
    "#7f7f7f",
    "#bcbd22",
    "#17becf",
)


def class_colours(n_classes: int, palette: Sequence[str] = PETROFF10) -> list[str]:
    """One colour per class; a palette that is too short starts anew."""
    return [palette[i % len(palette)] for i in range(n_classes)]
