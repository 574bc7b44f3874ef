"""Charts of a figure: curves over depth, and a matrix as an image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dr_transformer.export.figure_config import PALETTES, FigureConfig
from dr_transformer.palette import SEQUENTIAL
from dr_transformer.types import Floats

_DASHES: tuple[Any, ...] = ("--", ":", "-.", (0, (8, 3)))


@dataclass(frozen=True, eq=False)
class Curves:
    """Figures over depth, one panel each: `curves` by title, a value a block, None where there is none.

    `levels` is what methods without blocks reach, by title and method.
    """

    curves: Mapping[str, Sequence[float | None]]
    levels: Mapping[str, Mapping[str, float | None]]

    @property
    def columns(self) -> int:
        """Panels in a row."""
        return min(len(self.curves), 4)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""
        rows = math.ceil(len(self.curves) / self.columns)
        return 2.4 * self.columns, 2.0 * rows + 0.3 * bool(self.levels)

    @property
    def n_points(self) -> int:
        """Return 0: none may be rasterised."""
        return 0

    def draw(self, figure: Figure, options: FigureConfig) -> None:
        """Draw one panel a figure; methods without blocks are broken lines across."""
        figure.set_layout_engine("constrained")
        rows = math.ceil(len(self.curves) / self.columns)
        axes = figure.subplots(rows, self.columns, squeeze=False).ravel()
        colours = PALETTES[options.palette]
        drawn: list[Line2D] = []
        for place, (title, values) in zip(axes, self.curves.items(), strict=False):
            numbers = [math.nan if value is None else value for value in values]
            name = f"curve-{len(drawn)}"  # of the group in an SVG
            drawn += place.plot(range(len(numbers)), numbers, color="black", marker="o", ms=3, lw=1.2, gid=name)
            for number, (dash, level) in enumerate(zip(_DASHES, self.levels.get(title, {}).values(), strict=False)):
                if level is not None:
                    place.axhline(level, color=colours[number], linestyle=dash, linewidth=1.2)
            if options.titled:
                place.set_title(title, fontsize=9)
            place.set_xlabel("block", fontsize=8)
            place.xaxis.get_major_locator().set_params(integer=True)
            place.tick_params(labelsize=7)
            place.spines[["top", "right"]].set_visible(False)
        for place in axes[len(self.curves) :]:
            place.set_axis_off()
        names = list(next(iter(self.levels.values()), {}))
        if names and options.titled:
            shown = [("transformer", "black", "-"), *zip(names, colours, _DASHES, strict=False)]
            lines = [Line2D([], [], color=colour, linestyle=dash, label=name) for name, colour, dash in shown]
            figure.legend(handles=lines, loc="outside lower center", ncols=len(lines), frameon=False, fontsize=7)


@dataclass(frozen=True, eq=False)
class Matrix:
    """A matrix (m, m) on a logarithmic scale; `classes` are (name, where it begins as a share 0 … 1), in order."""

    title: str
    cells: Floats
    classes: Sequence[tuple[str, float]]
    unit: str

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""
        return 5.0, 4.2

    @property
    def n_points(self) -> int:
        """Return 0: the cells are an image in any case."""
        return 0

    def draw(self, figure: Figure, options: FigureConfig) -> None:
        """Draw the cells, thin lines between the classes, and a colour bar."""
        figure.set_layout_engine("constrained")
        place = figure.subplots()
        colours = ListedColormap(list(SEQUENTIAL)).with_extremes(bad=SEQUENTIAL[0])  # 0 has no logarithm
        m, positive = len(self.cells), self.cells[self.cells > 0]
        high = float(positive.max()) if len(positive) else 1.0
        norm = LogNorm(max(float(positive.min()), high / 1e5) if len(positive) else high / 10, high, clip=True)
        image = place.imshow(
            np.ma.masked_less_equal(self.cells, 0),
            cmap=colours,
            norm=norm,
            interpolation="none",  # SVG and PDF then hold the cells themselves
            extent=(0, m, m, 0),
        )
        starts = [share * m for _, share in self.classes]
        for start in starts[1:]:
            place.axhline(start, color="white", linewidth=0.4)
            place.axvline(start, color="white", linewidth=0.4)
        middles = [(a + b) / 2 for a, b in zip(starts, [*starts[1:], m], strict=True)]
        names = [name for name, _ in self.classes]
        place.set_xticks(middles, names, fontsize=7, rotation=90 if max(map(len, names), default=0) > 3 else 0)
        place.set_yticks(middles, names, fontsize=7)
        place.tick_params(length=0)
        bar = figure.colorbar(image, ax=place)
        bar.ax.tick_params(labelsize=7)
        if options.titled:
            place.set_title(self.title, fontsize=9)
            bar.set_label(self.unit, fontsize=8)
