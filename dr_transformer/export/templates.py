"""What a figure can show, and how matplotlib draws it: maps of tokens here, charts in `charts.py`.

A drawing holds numbers and words alone; `figure.py` gives it a `Figure`, a palette and a file format.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from matplotlib import patheffects
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dr_transformer.export.figure_config import PALETTES, FigureConfig
from dr_transformer.palette import NO_CLASS, class_colours, shared_colours
from dr_transformer.types import Floats

_LETTERS = 18  # of a class's name in a picture
_TITLE_INCHES, _LEGEND_INCHES, _GAP_INCHES = 0.24, 0.3, 0.06

# A class has its name where its spread is below the first of these shares of that of all points; it fades until the
# second. As `assets/canvas/panel/names.js`.
GATHERED, SPREAD = 0.65, 0.8
_NAMED_CLASSES = 30  # more names would cover the points

Labels = npt.NDArray[np.integer]


class Drawing(Protocol):
    """What `figure.render` draws."""

    @property
    def size(self) -> tuple[float, float]:
        """Its own width and height in inches."""
        ...

    @property
    def n_points(self) -> int:
        """Return how many points it has in all."""
        ...

    def draw(self, figure: Figure, options: FigureConfig) -> None:
        """Draw it. Points beyond `options.max_vector_points` are to be rasterised."""
        ...


@dataclass(frozen=True, eq=False)
class Map:
    """One panel: `points` (n, 2); None keeps its place empty, under a title that says why."""

    title: str
    points: Floats | None


@dataclass(frozen=True, eq=False)
class Maps:
    """Panels of the same tokens in rows of `columns`, each `side` inches wide and high, coloured by class.

    `as_paper`: each panel fills its box, as in the paper's figure; otherwise both axes have one scale. `same_scale`:
    all panels have that of the last.
    """

    panels: Sequence[Map]
    labels: Labels | None
    class_names: Sequence[str]
    columns: int
    side: float
    as_paper: bool = False
    same_scale: bool = False

    @property
    def rows(self) -> int:
        """Number of rows."""
        return math.ceil(len(self.panels) / self.columns)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches."""
        if self.as_paper:
            return 8, 4
        gaps = _GAP_INCHES * (self.columns - 1), _GAP_INCHES * (self.rows - 1)
        return (
            self.columns * self.side + gaps[0],
            self.rows * (self.side + _TITLE_INCHES) + gaps[1] + _LEGEND_INCHES * self.has_legend("tab10"),
        )

    @property
    def n_points(self) -> int:
        """Return how many points, in all panels."""
        return sum(len(panel.points) for panel in self.panels if panel.points is not None)

    def has_legend(self, palette: str) -> bool:
        """Tell whether a legend can tell the classes apart."""
        return (
            self.labels is not None
            and len(self.class_names) > 1
            and not shared_colours(self.class_names, PALETTES[palette])
        )

    def colours_note(self, options: FigureConfig) -> str:
        """The sentence that classes share colours, and that a legend is left out for it; "" if they do not."""
        said = shared_colours(self.class_names, PALETTES[options.palette])
        return f"{said} There is no legend." if said and options.titled else said

    def draw(self, figure: Figure, options: FigureConfig) -> None:
        """Draw the panels, and with titles a legend under them."""
        palette = np.array(class_colours(self.class_names or ("",), PALETTES[options.palette]))
        if self.as_paper and not options.titled:
            figure.set_layout_engine("tight")
            grid: dict[str, float] = {}
        else:
            grid = self._grid(options)
        axes = figure.subplots(self.rows, self.columns, squeeze=False, gridspec_kw=grid).ravel()
        for number, (place, panel) in enumerate(zip(axes, self.panels, strict=False)):
            if options.titled:
                place.set_title(panel.title, fontsize=8, pad=3)
            if panel.points is None:
                continue
            colours = palette[np.zeros(len(panel.points), int) if self.labels is None else self.labels]
            dots = place.scatter(
                panel.points[:, 0], panel.points[:, 1], c=colours, s=options.point_size**2, linewidths=0
            )
            dots.set_gid(f"points-{number}")  # the name of the group in an SVG
            dots.set_rasterized(self.n_points > options.max_vector_points)
            if not self.as_paper:
                self._fit(place, panel.points)
            if options.named:
                self._name(place, panel.points)
        for place in axes:
            place.set_axis_off()
        if options.titled and self.has_legend(options.palette):
            self._legend(figure, palette)

    def _name(self, place: Any, points: Floats) -> None:
        if self.labels is None or not 1 < len(self.class_names) <= _NAMED_CLASSES:
            return
        for c, ((x, y), share) in middles(points, self.labels).items():
            if share > 0 and self.class_names[c] not in NO_CLASS:
                text = place.text(
                    x, y, shortened(self.class_names[c]), fontsize=8, weight="bold", ha="center", va="center"
                )
                text.set(parse_math=False, alpha=share, clip_on=True, gid=f"name-{c}")
                text.set_path_effects([patheffects.withStroke(linewidth=2, foreground="white", alpha=share)])

    def _fit(self, place: Any, points: Floats) -> None:
        shown = [panel.points for panel in self.panels if panel.points is not None]
        low, high = (op(shown[-1] if self.same_scale else points, axis=0) for op in (np.min, np.max))
        reach = 0.52 * float((high - low).max()) or 1.0
        (x, y) = (low + high) / 2
        place.set(xlim=(x - reach, x + reach), ylim=(y - reach, y + reach), aspect="equal")

    def _grid(self, options: FigureConfig) -> dict[str, float]:
        """Margins and gaps as matplotlib counts them, from inches."""
        width, height = options.size(self.size)
        title = _TITLE_INCHES * options.titled
        legend = _LEGEND_INCHES * (options.titled and self.has_legend(options.palette))
        side_x = (width - _GAP_INCHES * (self.columns - 1)) / self.columns
        side_y = max((height - legend - _GAP_INCHES * (self.rows - 1)) / self.rows - title, 0.1)
        return {
            "left": 0,
            "right": 1,
            "bottom": legend / height,
            "top": 1 - title / height,
            "wspace": _GAP_INCHES / side_x,
            "hspace": (title + _GAP_INCHES) / side_y,
        }

    def _legend(self, figure: Figure, palette: npt.NDArray[np.str_]) -> None:
        dots = [
            Line2D([], [], marker="o", markersize=4, linestyle="", color=palette[i], label=shortened(name))
            for i, name in enumerate(self.class_names)
        ]
        legend = figure.legend(
            handles=dots,
            loc="lower center",
            ncols=len(dots),
            frameon=False,
            fontsize=7,
            handletextpad=0.1,
            columnspacing=1.0,
            borderpad=0.2,
        )
        for text in legend.get_texts():
            text.set_parse_math(False)  # a class may be called "$5 to $9"


def shortened(name: str) -> str:
    """Return a class's name short enough for a legend of ten."""
    return name if len(name) <= _LETTERS else name[: _LETTERS - 1] + "…"


def middles(points: Floats, labels: Labels) -> dict[int, tuple[Floats, float]]:
    """Return by class the median (2,) of its `points` (n, 2), and its gathering: 1 at `GATHERED`, 0 at `SPREAD`.

    What is compared is the median distance from the median, of the class and of all.
    """

    def middle(some: Floats) -> tuple[Floats, float]:
        at = np.median(some, axis=0)
        return at, float(np.median(np.linalg.norm(some - at, axis=1)))

    whole = middle(points)[1]
    if not whole:  # all at one place
        return {}
    found = {int(c): middle(points[labels == c]) for c in np.unique(labels)}
    return {c: (at, float(np.clip((SPREAD - r / whole) / (SPREAD - GATHERED), 0, 1))) for c, (at, r) in found.items()}
