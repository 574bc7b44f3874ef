"""What the latent canvas is given and what it gives back: panels, colourings, attended tokens, the user's state."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dr_transformer.data.dataset import Dataset
from dr_transformer.data.reading.rows import MAX_CLASSES
from dr_transformer.palette import PETROFF10

MAIN_CANVAS = "latent_canvas"
"""The key of a canvas that is given none."""


def _increase(depths: Sequence[float]) -> bool:
    return all(a < b for a, b in itertools.pairwise(depths))


class PackedFrame(NamedTuple):
    """One frame as it is sent: coordinate = step · stored + offset, for each of the two.

    `stored` (n, 2) is int16, `extent` (x0, y0, x1, y1), and `digest` tells the browser whether it has the frame.
    """

    step: tuple[float, float]
    offset: tuple[float, float]
    extent: tuple[float, float, float, float]
    digest: str
    stored: NDArray[np.int16]


@dataclass(frozen=True)
class Panel:
    """One scatter plot of `frames` (F, n, 2), finite, in data coordinates; F = 1 makes a static panel.

    `depths` is the block number of each frame, increasing, fractional for the steps inside a block. In the
    `title`, "{depth}" becomes the depth on screen, and "{frame}" the frame's entry of `frame_names` (F,), or between
    two frames both. `note` is one more line under it. A `blank` panel keeps its place and draws nothing yet.
    `scale` "frame" fits every frame to its own extent, "final" fits
    all frames to the extent of the last. `extent` (x0, y0, x1, y1) in data coordinates is fitted instead of either.
    `packed` (F,) are the frames as they are sent, where somebody has packed them already.
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
    packed: tuple[PackedFrame, ...] = ()

    def __post_init__(self) -> None:
        assert len(self.packed) in (0, len(self.frames)), f"{len(self.packed)} packed of {len(self.frames)} frames"
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
        """Return rows (F, n) and depths (F,), for each panel or once for all; F = 1 for values that do not change."""
        each = self.values if isinstance(self.values, tuple) else (self.values,)
        rows = [np.atleast_2d(values) for values in each]
        return [(r, tuple(map(float, range(len(r)))) if self.depths is None else self.depths) for r in rows]

    @property
    def span(self) -> tuple[float, float]:
        """Return the numbers at the two ends of the colour bar."""
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
        """Return the depth of each row."""
        return tuple(map(float, range(len(self.indices)))) if self.depths is None else self.depths


@dataclass(frozen=True)
class Pin:
    """A token that Python pins. With another `revision` it does so again, even if the user has pinned one meanwhile."""

    index: int
    revision: int


@dataclass(frozen=True, eq=False)
class CanvasSpec:
    """Describe what a canvas shows: `panels` on one depth axis, their tokens, and what Python says of the user's state.

    `labels` (n,) are indices into `class_names`; with fewer than two names there is no legend. `dataset_key` names the
    tokens: another key resets zoom, selection and pinned token, and brings other `images` (n, h, w), uint8, or those of
    the first tokens alone. `n_blocks` is the planned length of the axis, in `depth_unit`; frames may arrive later.
    `depth` is where to start: a value other than in the last run moves the user there, and so does another `revision`
    even if the value is the same. `selection` likewise: indices or `selection_revision` other than in the last run
    replace the user's selection, None leaves it alone; and so does `pinned`, a `Pin` other than in the last run, with
    the pinned token. `attended` belongs to the token that `ui.canvas.pinned_token` names before the canvas is drawn;
    that of another token is not shown. It is drawn in the panel `attention_panel`; and so is, if `shows_way`, the way
    of the pinned token through all frames. `content_key` names what the colourings and attended tokens are about: those
    of another key, of the settings before, are not shown on these frames. `visible` (n,) marks the tokens that are part
    of the picture; the others are as if they were not there. `height` is that of one panel's plot and `point_size` a
    diameter, both in CSS pixels; size and `opacity` by default fall with n. `palette` and `colourings` are what
    "Colour by" starts with and offers; `offered` names what may come once the user has chosen it. What the user did is
    kept by `key` and `dataset_key`. `live` is what `canvas.live.live_spec` tells of a model that the browser can run,
    and `sliders` names the settings that can be dragged beside the depth. With `opens`, the depth plays once to `depth`
    at the first sight, until somebody does anything. `story` says what to look at: from which share of
    the axis on, and the sentence.
    """

    panels: Sequence[Panel]
    labels: NDArray[Any]
    class_names: Sequence[str]
    dataset_key: str
    n_blocks: int
    depth: float = 0.0
    depth_unit: str = "block"
    palette: Sequence[str] = PETROFF10
    images: NDArray[np.uint8] | None = None
    key: str = MAIN_CANVAS
    height: int = 440
    point_size: float | None = None
    opacity: float | None = None
    revision: int = 0
    colourings: Sequence[Colouring] = ()
    offered: Sequence[str] = ()
    selection: NDArray[np.integer[Any]] | None = None
    selection_revision: int = 0
    pinned: Pin | None = None
    attended: Attended | None = None
    visible: NDArray[np.bool_] | None = None
    attention_panel: int = -1
    shows_way: bool = False
    content_key: str = ""
    live: Mapping[str, Any] | None = None
    sliders: Sequence[str] = ()
    opens: bool = False
    story: Sequence[tuple[float, str]] = ()

    def __post_init__(self) -> None:
        n, n_classes = self.n_samples, max(1, len(self.class_names))
        assert self.panels, "at least one panel"
        assert all(panel.frames.shape[1] == n for panel in self.panels), f"frames must have {n} points, one per label"
        assert n > 0, "at least one point"
        assert n_classes <= MAX_CLASSES, f"at most {MAX_CLASSES} classes, but there are {n_classes}"
        assert self.labels.min() >= 0, "labels are indices into class_names"
        assert self.labels.max() < n_classes, "labels are indices into class_names"
        assert self.pinned is None or 0 <= self.pinned.index < n, "the pinned token is one of those drawn"
        assert self.images is None or len(self.images) <= n, f"more images than the {n} labels"

    @classmethod
    def of(cls, dataset: Dataset, panels: Sequence[Panel], n_blocks: int) -> CanvasSpec:
        """Show a data set's tokens, in the colours of their classes, with their images."""
        labels, class_names = classes(dataset)
        return cls(panels, labels, class_names, dataset.key, n_blocks, images=dataset.images)

    @property
    def n_samples(self) -> int:
        """Count the tokens."""
        return len(self.labels)


_STORY = (
    (0.0, "Block 0: a random projection. The classes lie over each other."),
    (0.01, "Block by block, each token moves towards the tokens that are like it."),
    (0.5, "A class that gathers gets its name; one that is spread out has none."),
)
_STORY_ENDS = (1.0, "The last block. A name stands where a class has gathered. Now drag the depth back")


def story(dataset: Dataset, sliders: Collection[str]) -> tuple[tuple[float, str], ...]:
    """Return what to look at on the way, as `CanvasSpec.story`; of tokens without classes there is nothing to name."""
    if dataset.labels is None:
        return ()
    end, last = _STORY_ENDS
    return (*_STORY, (end, f"{last}, or drag α." if "alpha" in sliders else f"{last}."))


def classes(dataset: Dataset) -> tuple[NDArray[np.integer[Any]], tuple[str, ...]]:
    """Return labels and their names; one class for all where there are none."""
    if dataset.labels is None:
        return np.zeros(dataset.n_samples, dtype=np.intp), ("token",)
    return dataset.labels, dataset.class_names


def _nothing() -> NDArray[np.intp]:
    return np.empty(0, dtype=np.intp)


@dataclass(frozen=True, eq=False)
class CanvasState:
    """What the browser reported last, once the user had come to rest.

    `selection` holds the selected tokens' indices, increasing, and is empty when there are none; `pinned` is the token
    that was clicked. `colour_by` is the chosen one of the colourings `offered`, whether it is there or not.
    """

    depth: float
    selection: NDArray[np.intp] = field(default_factory=_nothing)
    pinned: int | None = None
    colour_by: str | None = None
