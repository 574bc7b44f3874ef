"""Colours of classes and of numbers, as hex strings, so that nothing needs matplotlib to know them."""

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

# The middle of "viridis" by Stéfan van der Walt and Nathaniel Smith (2015, CC0): perceptually even, told apart with any
# of the common colour-vision deficiencies and in grey. Its two ends are left out (128 steps from 0.15 to 0.9 of
# matplotlib's map), because they vanish on a black or on a white ground.
_SEQUENTIAL = (
    "463480453581453882443983443b84433d84423f854240864142874045884046883f48893e49893e4c8a3d4d8a3c4f8a3c508b"
    "3b528b3a538b39558c39568c38598c375a8c365c8d365d8d355f8d34608d33628d33638d32658e31668e31688e30698e2f6b8e"
    "2f6c8e2e6e8e2e6f8e2d718e2c718e2c738e2b748e2a768e2a778e29798e297a8e287c8e287d8e277f8e27808e26828e26828e"
    "25848e24868e24878e23898e238a8d228c8d228d8d218f8d21908d20928c20928c1f948c1f958b1f978b1f988b1f9a8a1e9b8a"
    "1e9d891f9e891fa0881fa1881fa28720a38621a58521a68522a88423a98325ab8225ac8227ad8128ae802ab07f2cb17e2eb37c"
    "2fb47c32b67a34b67937b87838b9773bbb753dbc7440bd7242be7146c06f4ac16d4cc26c50c46a52c56956c66758c7655cc863"
    "5ec96263cb5f65cb5e69cd5b6ccd5a70cf5773d05677d1537ad1517fd34e81d34d86d54989d5488ed64590d74395d84098d83e"
    "9dd93ba0da39a5db36a8db34addc30b0dd2fb5de2bb8de29bddf26"
)
SEQUENTIAL = tuple(f"#{_SEQUENTIAL[i : i + 6]}" for i in range(0, len(_SEQUENTIAL), 6))


UNLABELLED = "unlabelled"
"""The class of the tokens without a label."""
OTHER = "other classes"
"""The class of the tokens of the rarest classes, where there are too many to tell apart."""
NO_CLASS = (UNLABELLED, OTHER)
GREY = "#c3c3c3"
"""Of what has no class of its own; lighter than the palettes' greys."""


_GREYS = ("#94a4a2", "#717581", "#7f7f7f")  # in the palettes


def apart(class_names: Sequence[str], palette: Sequence[str]) -> Sequence[str]:
    """Return the palette, without its own greys where grey is for what has no class."""
    if not any(name in NO_CLASS for name in class_names):
        return palette
    return [colour for colour in palette if colour not in _GREYS]


def class_colours(class_names: Sequence[str], palette: Sequence[str] = PETROFF10) -> list[str]:
    """One colour per class; a palette that is too short starts again. Grey is for what has no class of its own."""
    palette = apart(class_names, palette)
    return [GREY if name in NO_CLASS else palette[i % len(palette)] for i, name in enumerate(class_names)]


def shared_colours(class_names: Sequence[str], palette: Sequence[str]) -> str:
    """The sentence that some classes have the same colour; "" if each has its own."""
    n, n_classes = len(apart(class_names, palette)), sum(name not in NO_CLASS for name in class_names)
    if n_classes <= n:
        return ""
    return f"{n_classes} classes, {n} colours: class {n + 1} has the colour of class 1 again, and so on."
