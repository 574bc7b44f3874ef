"""From a run to what the canvas draws: which tokens, in which plane of the latent space, in which colours."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from dr_transformer.canvas.blob import packed_frames
from dr_transformer.canvas.parts import Colouring, PackedFrame, Panel
from dr_transformer.config import Config, ViewConfig
from dr_transformer.engine.run import Follower, Run, Trajectory
from dr_transformer.model import planes
from dr_transformer.quality.curves import Analysis
from dr_transformer.types import Floats

KEPT = "share of 10 pixel neighbours kept"
CALLED = {
    "clusters": "k-means cluster at the last block",
    "neighbours": "effective neighbours",
    "preservation": KEPT,
}
"""Names those of `quality.curves.COLOURINGS` under "Colour by"."""


@dataclass(frozen=True, eq=False)
class Picture:
    """Panels for all n tokens; `visible` (n,) marks those that are drawn (None: all).

    `complete` is the newest block that is there of all tokens, while only the preview's are drawn. `is_shipped`: it was
    computed elsewhere.
    """

    panels: list[Panel]
    visible: npt.NDArray[np.bool_] | None
    complete: int | None = None
    is_shipped: bool = False

    @property
    def is_preview(self) -> bool:
        """Tell whether only the preview's tokens are drawn."""
        return self.visible is not None


class DrawnBlock(NamedTuple):
    """The frames of a block, or of the first panel: (k, n, 2), their depths and names, and all as they are sent."""

    frames: Floats
    depths: tuple[float, ...]
    names: tuple[str, ...]
    packed: tuple[PackedFrame, ...]
    explained: float | None  # share of the variance in the plane at the block's end, where the plane is its own


@dataclass(eq=False)
class Drawn:
    """A trajectory in a view: Y W_proj for the first panel, then block after block for the second."""

    start: DrawnBlock | None = None
    blocks: list[DrawnBlock] = field(default_factory=list)
    fixed: int = 0  # the block whose plane all have, in the view "fixed-pca"


@dataclass(eq=False)
class Drawing(Follower):
    """A run in a view, drawn block by block as they arrive, each once. A job of `jobs.Runner`."""

    view: ViewConfig
    full: Drawn = field(default_factory=Drawn)
    preview: Drawn | None = None
    index: npt.NDArray[np.intp] | None = None  # the preview's tokens
    begun: threading.Event = field(default_factory=threading.Event)  # there is something to show, or never will be

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        blocks = [*self.full.blocks, *(self.preview.blocks if self.preview else [])]
        return sum(block.frames.nbytes * 3 // 2 for block in blocks)

    def grow(self) -> None:
        """Draw what has been computed since the last time."""
        run, ended = self.run, self.run.done.is_set()
        if self.preview is None and run.preview is not None and run.preview_index is not None:
            preview = Drawn()
            self._grow(preview, run.preview, run.preview_index)
            self.index, self.preview = run.preview_index, preview
        self._grow(self.full, run.full, None)
        if self.preview is not None or self.full.blocks or ended:
            self.begun.set()

    def _grow(self, drawn: Drawn, trajectory: Trajectory, index: npt.NDArray[np.intp] | None) -> None:
        """Only the blocks that came since are drawn; all of them again where another block gives the plane now."""
        n_blocks, view = len(trajectory.latents), self.view  # more blocks may arrive meanwhile
        if n_blocks == 0 or trajectory.start is None:
            return
        fixed = min(view.view_block, n_blocks - 1) if view.view == "fixed-pca" else 0
        if fixed != drawn.fixed:
            drawn.fixed, drawn.blocks = fixed, []
        if drawn.start is None:
            drawn.start = self._drawn([planes.in_view([trajectory.start], view)[0]], (0.0,), ("",), index)
        own = view.view in ("pca", "aligned-pca")
        before = drawn.blocks[-1].frames[-1] if drawn.blocks else None
        if index is not None and before is not None:
            before = before[index]
        draw = planes.Projector(view, trajectory.latents[fixed], before)
        for block in range(len(drawn.blocks), n_blocks):
            frames, depths, names = [], [], []
            for frame in trajectory.frames_of(self.run.config, [block]):  # one frame's latents are held at a time
                frames.append(draw(frame.X))
                depths.append(frame.depth)
                names.append(frame.name)
            explained = planes.explained_variance(trajectory.latents[block]) if own else None
            drawn.blocks.append(self._drawn(frames, tuple(depths), tuple(names), index, explained))

    def _drawn(
        self,
        frames: list[Floats],
        depths: tuple[float, ...],
        names: tuple[str, ...],
        index: npt.NDArray[np.intp] | None,
        explained: float | None = None,
    ) -> DrawnBlock:
        together = np.stack(frames)
        if index is not None:
            together = _spread(together, index, self.run.dataset.n_samples)
        return DrawnBlock(together, depths, names, packed_frames(together), explained)


_KEPT: WeakKeyDictionary[Drawing, tuple[Hashable, Picture]] = WeakKeyDictionary()
"""The last picture of each drawing: each rerun asks for it again."""


def picture(drawing: Drawing, depth: float) -> Picture | None:
    """Return what can be drawn now: the full run once it has reached `depth`, before that the preview, or None."""
    run, full, preview = drawing.run, drawing.full, drawing.preview
    so_far = len(full.blocks)  # more may arrive meanwhile
    reached = so_far - 1 >= min(depth, run.config.n_blocks)
    key: Hashable
    if preview is not None and drawing.index is not None and not reached:
        key, shown = ("preview", so_far), preview
        n_blocks = len(preview.blocks)
    else:
        key, shown, n_blocks = ("full", so_far), full, so_far
    if shown.start is None or n_blocks == 0:
        return None
    known = _KEPT.get(drawing)
    if known is not None and known[0] == key:
        return known[1]
    panels = _panels(run.config, drawing.view, shown.start, shown.blocks[:n_blocks])
    if shown is full:
        found = Picture(panels, None)
    else:
        visible = np.zeros(run.dataset.n_samples, dtype=bool)
        visible[drawing.index] = True
        found = Picture(panels, visible, so_far - 1 if so_far else None)
    _KEPT[drawing] = key, found
    return found


def reachable(shown: Picture) -> str:
    """Say, under a preview, where all tokens can be seen already; nothing where they are, or cannot."""
    if shown.complete is None:
        return ""
    blocks = f"Blocks 0–{shown.complete}" if shown.complete else "Block 0"
    are, them = ("are", "them") if shown.complete else ("is", "it")
    return f"{blocks} of all tokens {are} complete: drag there to see {them}."


def explained(drawing: Drawing, depth: float) -> float | None:
    """Return the variance's share in the plane on screen, at the block passed last; None where it is not its own."""
    blocks = drawing.full.blocks
    return blocks[int(depth)].explained if len(blocks) > int(depth) else None


def three_dimensions(run: Run, block: int, view: ViewConfig) -> tuple[Floats, list[str]]:
    """Return the latents after a block of the run as `in_three_dimensions` does."""
    return in_three_dimensions(run.full.latents[block], view)


def in_three_dimensions(X: Floats, view: ViewConfig) -> tuple[Floats, list[str]]:
    """Return one block's latents (n, q) as (n, 3), and the names of the three axes."""
    if view.view != "axes":
        return planes.three_dimensions(X, principal=True), [f"principal component {i}" for i in (1, 2, 3)]
    q = X.shape[1]
    first, second = min(view.first_axis, q - 1), min(view.second_axis, q - 1)
    third = planes.third_axis(q, first, second)
    names = [f"latent axis {axis}" if axis is not None else "" for axis in (first, second, third)]
    return planes.three_dimensions(X, first, second, principal=False), names


def _spread(frames: Floats, index: npt.NDArray[np.intp], n: int) -> Floats:
    """Frames of some tokens (F, m, 2) as frames of all (F, n, 2); those that are not drawn lie on one that is."""
    everyone = np.repeat(frames[:, :1], n, axis=1)
    everyone[:, index] = frames
    return everyone


def _panels(config: Config, view: ViewConfig, start: DrawnBlock, blocks: list[DrawnBlock]) -> list[Panel]:
    moving = np.concatenate([block.frames for block in blocks])
    depths = tuple(depth for block in blocks for depth in block.depths)
    names = tuple(name for block in blocks for name in block.names)
    first, second = labelled_panels(config, view, start.frames, moving, depths, names)
    packed = tuple(frame for block in blocks for frame in block.packed)
    return [replace(first, packed=start.packed), replace(second, packed=packed)]


def labelled_panels(
    config: Config, view: ViewConfig, start: Floats, moving: Floats, depths: tuple[float, ...], names: tuple[str, ...]
) -> list[Panel]:
    """Make the two panels of a run: `start` (1, n, 2) of Y W_proj; `moving` (F, n, 2), its frames' depths and names."""
    projection = "Random projection of the pixels, Y W" if config.projection == "gaussian" else "PCA of the pixels"
    if view.view == "axes":
        last = config.n_components - 1
        chosen = min(view.first_axis, last), min(view.second_axis, last)
        axes = [f"{kind} {axis}" for kind in ("column", "latent axis") for axis in chosen]
    else:
        axes = ["principal component 1", "principal component 2"] * 2
    fixed = min(view.view_block, config.n_blocks)
    title = {
        "axes": "Latents after {frame}",
        "pca": "Latents after {frame}, its own principal components",
        "fixed-pca": f"Latents after {{frame}}, in the principal plane of block {fixed}",
        "aligned-pca": "Latents after {frame}, principal components aligned with the block before",
    }[view.view]
    return [
        Panel(projection, start, (0.0,), axes[0], axes[1], scale=view.scale),
        Panel(title, moving, depths, axes[2], axes[3], scale=view.scale, frame_names=names),
    ]


def clusters(analysis: Analysis) -> list[Colouring]:
    """Return the k-means clusters as a colouring, once there are any."""
    if analysis.clusters is None:
        return []
    names = [f"cluster {i}" for i in range(int(analysis.clusters.max()) + 1)]
    return [Colouring(CALLED["clusters"], analysis.clusters, class_names=names)]


def colourings(analysis: Analysis) -> list[Colouring]:
    """Return what there is so far to colour by, besides the classes."""
    found = clusters(analysis)
    if "neighbours" in analysis.measured:
        values = np.stack(analysis.neighbours)
        found.append(Colouring(CALLED["neighbours"], values, low=1.0, high=float(np.quantile(values, 0.99))))
    if "preservation" in analysis.measured:
        found.append(Colouring(KEPT, np.stack(analysis.preservation), low=0.0, high=1.0))
    return found
