"""What the latent canvas is given and what it gives back: panels, colourings, attended tokens, the user's state."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dr_transformer.data.rows import MAX_CLASSES


def _increase(depths: Sequence[float]) -> bool:
    return all(a < b for a, b in itertools.pairwise(depths))


@dataclass(frozen=True)
class Panel:
    """One scatter plot of `frames` (F, n, 2), finite, in data coordinates; F = 1 makes a static panel.

    `depths` is the block number of each frame, increasing, fractional for the steps inside a block. In the
    `title`, "{depth}" becomes the depth on screen, and "{frame}" the frame's entry of `frame_names` (F,), or between
    two frames both. `note` is one more line under it. A `blank` panel keeps its place and draws nothing yet.
    `scale` "frame" fits every frame to its own extent, "final" fits
    all frames to the extent of the last. `extent` (x0, y0, x1, y1) in data coordinates is fitted instead of either.
    """

    title: str
    frames: NDArray[Any]
    depths: tuple[float, ...]
    x_label: str = ""
    y_label: str = ""
    scale: str = "frame"
    frame_names: tuple[str, ...] = ()
    note: str = ""
    blank: bool = False
    extent: tuple[float, float, float, float] | None = None

    def __post_init__(self) -> None:
        assert self.frames.ndim == 3, f"frames must be (F, n, 2), but are {self.frames.shape}"
        assert self.frames.shape[2] == 2, f"frames must be (F, n, 2), but are {self.frames.shape}"
        assert len(self.depths) == len(self.frames) > 0, f"{len(self.frames)} frames, {len(self.depths)} depths"
        assert _increase(self.depths), "depths must increase"
        assert len(self.frame_names) in (0, len(self.frames)), f"{len(self.frame_names)} names of frames"
        assert self.scale in ("frame", "final"), f"scale must be 'frame' or 'final', but is {self.scale!r}"


@dataclass(frozen=True)
class Colouring:
    """One entry of "Colour by": `values` (n,), or (F, n) with one row per depth in `depths` (by default 0 … F − 1).

    A tuple of such arrays, one a panel, gives each panel its own floating-point values. Integer values are indices into
    `class_names` and get a legend; between two rows, the nearer one is shown. `palette` is theirs alone; without one
    they follow the user's choice. Floating-point values get a colour bar from `low` to `high` (by default the finite
    values' own range, over all rows) with `unit`; between two rows they are interpolated, as the positions are, and NaN
    means that a token has no value.
    """

    name: str
    values: NDArray[Any] | tuple[NDArray[Any], ...]
    class_names: Sequence[str] | None = None
    palette: Sequence[str] | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    depths: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        for rows, depths in self.panels:
            assert rows.ndim == 2, "values must be (n,) or (F, n)"
            assert len(depths) == len(rows), f"{len(rows)} rows, {len(depths)} depths"
            assert _increase(depths), "depths must increase"
            if self.class_names is None:
                assert rows.dtype.kind == "f", "values are floating-point, or integers with class_names"
            else:
                assert not isinstance(self.values, tuple), "classes are the same in all panels"
                assert rows.dtype.kind in "iu", "values with class_names must be integers"
                assert 0 < len(self.class_names) <= MAX_CLASSES, f"1 to {MAX_CLASSES} class_names"
                assert 0 <= rows.min() <= rows.max() < len(self.class_names), "values index class_names"

    @property
    def panels(self) -> list[tuple[NDArray[Any], tuple[float, ...]]]:
        """Rows (F, n) and their depths (F,), for each panel or once for all; F = 1 for values that do not change."""
        each = self.values if isinstance(self.values, tuple) else (self.values,)
        rows = [np.atleast_2d(values) for values in each]
        return [(r, tuple(map(float, range(len(r)))) if self.depths is None else self.depths) for r in rows]

    @property
    def span(self) -> tuple[float, float]:
        """The numbers at the two ends of the colour bar."""
        if self.low is not None and self.high is not None:
            return float(self.low), float(self.high)
        everything = np.concatenate([rows.ravel() for rows, _ in self.panels])
        finite = everything[np.isfinite(everything)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
        return low if self.low is None else float(self.low), high if self.high is None else float(self.high)


@dataclass(frozen=True)
class Attended:
    """The tokens that token `index` attends to most: `indices` (F, k) and their `weights` (F, k), most first.

    Row f is the attention that the block after depth `depths[f]` (by default f) applies. It is shown from that depth
    to the next row's; the last row also at the end of the axis, where no block follows.
    """

    index: int
    indices: NDArray[np.integer[Any]]
    weights: NDArray[np.floating[Any]]
    depths: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        assert self.indices.ndim == 2, f"indices must be (F, k), but are {self.indices.shape}"
        assert self.indices.shape == self.weights.shape, f"{self.indices.shape} and {self.weights.shape} differ"
        assert len(self.row_depths) == len(self.indices) > 0, f"{len(self.indices)} rows, {len(self.row_depths)} depths"
        assert _increase(self.row_depths), "depths must increase"
        assert np.isfinite(self.weights).all(), "weights must be finite"

    @property
    def row_depths(self) -> tuple[float, ...]:
        """The depth of each row."""
        return tuple(map(float, range(len(self.indices)))) if self.depths is None else self.depths


@dataclass(frozen=True)
class Pin:
    """A token that Python pins. With another `revision` it does so again, even if the user has pinned one meanwhile."""

    index: int
    revision: int


def _nothing() -> NDArray[np.intp]:
    return np.empty(0, dtype=np.intp)


@dataclass(frozen=True, eq=False)
class CanvasState:
    """What the browser reported last, once the user had come to rest.

    `selection` holds the selected tokens' indices, increasing, and is empty when there are none; `pinned` is the token
    that was clicked.
    """

    depth: float
    selection: NDArray[np.intp] = field(default_factory=_nothing)
    pinned: int | None = None
