"""From a run to what the canvas draws: which tokens, in which plane of the latent space, in which colours."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from dr_transformer.canvas.parts import Colouring, Panel
from dr_transformer.config import Config, ViewConfig
from dr_transformer.engine.run import Run, Trajectory
from dr_transformer.model import planes
from dr_transformer.types import Floats

KEPT = "share of 10 pixel neighbours kept"  # what the colouring is called


@dataclass(frozen=True, eq=False)
class Picture:
    """Panels for all n tokens; `visible` (n,) marks those that are drawn (None: all).

    `complete` is the newest block that is there of all tokens, while only the preview's are drawn.
    """

    panels: list[Panel]
    visible: npt.NDArray[np.bool_] | None
    complete: int | None = None

    @property
    def is_preview(self) -> bool:
        """Tell whether only the preview's tokens are drawn."""
        return self.visible is not None


def picture(run: Run, view: ViewConfig, depth: float) -> Picture | None:
    """Return what can be drawn now: the full run once it has reached `depth`, before that the preview, or None."""
    n_blocks, so_far = run.config.n_blocks, len(run.full.latents)  # more blocks may arrive meanwhile
    reached = so_far - 1 >= min(depth, n_blocks)
    if run.preview is not None and run.preview_index is not None and not reached:
        drawn = _drawn(run.preview, run.config, view)
        visible = np.zeros(run.dataset.n_samples, dtype=bool)
        visible[run.preview_index] = True
        start, moving = (_spread(frames, run.preview_index, len(visible)) for frames in (drawn.start, drawn.moving))
        panels = _panels(run, view, replace(drawn, start=start, moving=moving))
        return Picture(panels, visible, so_far - 1 if so_far else None)
    if not run.full.latents or run.full.start is None:
        return None
    return Picture(_panels(run, view, _drawn(run.full, run.config, view)), None)


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A trajectory in a view: `start` (1, n, 2) of the first panel, `moving` (F, n, 2) of the second."""

    start: Floats
    moving: Floats
    depths: tuple[float, ...]
    names: tuple[str, ...]
    n_blocks: int  # block 0 is one


_KEPT: WeakKeyDictionary[Trajectory, tuple[Hashable, _Drawn]] = WeakKeyDictionary()
"""The last view of each trajectory: each rerun asks for it again, or for more blocks."""


def _drawn(trajectory: Trajectory, config: Config, view: ViewConfig) -> _Drawn:
    """Return what there is so far in this view; after the last time, only the blocks that came since are drawn
    again.
    """
    n_blocks = len(trajectory.latents)  # a block may arrive meanwhile
    fixed = min(view.view_block, n_blocks - 1)
    key = (view, fixed if view.view == "fixed-pca" else None)  # another plane is another picture of every block
    kept_as, kept = _KEPT.get(trajectory, (None, None))  # looked at once: other sessions, too, draw this trajectory
    drawn = kept if kept_as == key else None
    if drawn is None or drawn.n_blocks < n_blocks:
        drawn = _with_blocks(drawn, trajectory, config, view, n_blocks, trajectory.latents[fixed])
        _KEPT[trajectory] = key, drawn
    return drawn


def _with_blocks(
    before: _Drawn | None, trajectory: Trajectory, config: Config, view: ViewConfig, n_blocks: int, fixed: Floats
) -> _Drawn:
    """The first `n_blocks` blocks drawn, of which `before` holds some; one frame's latents are held at a time."""
    assert trajectory.start is not None
    moving, depths, names = ([before.moving], [*before.depths], [*before.names]) if before else ([], [], [])
    draw = planes.Projector(view, fixed, before.moving[-1] if before else None)
    for frame in trajectory.frames_of(config, range(before.n_blocks if before else 0, n_blocks)):
        moving.append(draw(frame.X)[None])
        depths.append(frame.depth)
        names.append(frame.name)
    start = before.start if before else planes.in_view([trajectory.start], view)
    return _Drawn(start, np.concatenate(moving), tuple(depths), tuple(names), n_blocks)


def reachable(shown: Picture) -> str:
    """Say, under a preview, where all tokens can be seen already; nothing where they are, or cannot."""
    if shown.complete is None:
        return ""
    blocks = f"Blocks 0–{shown.complete}" if shown.complete else "Block 0"
    are, them = ("are", "them") if shown.complete else ("is", "it")
    return f"{blocks} of all tokens {are} complete: drag there to see {them}."


def explained(run: Run, view: ViewConfig, depth: float) -> float | None:
    """Measure the variance's share in the plane on screen, at the block passed last; None where it is not its own."""
    latents = list(run.full.latents)
    if view.view not in ("pca", "aligned-pca") or len(latents) <= int(depth):
        return None
    return planes.explained_variance(latents[int(depth)])


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


def _panels(run: Run, view: ViewConfig, drawn: _Drawn) -> list[Panel]:
    return labelled_panels(run.config, view, drawn.start, drawn.moving, drawn.depths, drawn.names)


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
        "aligned-pca": "Latents after {frame}, principal components turned to those before",
    }[view.view]
    return [
        Panel(projection, start, (0.0,), axes[0], axes[1], scale=view.scale),
        Panel(title, moving, depths, axes[2], axes[3], scale=view.scale, frame_names=names),
    ]


def clusters(run: Run) -> list[Colouring]:
    """Return the k-means clusters as a colouring, once there are any."""
    found = run.analysis.clusters
    if found is None:
        return []
    names = [f"cluster {i}" for i in range(int(found.max()) + 1)]
    return [Colouring("k-means cluster at the last block", found, class_names=names)]


def colourings(run: Run) -> list[Colouring]:
    """Return what there is so far to colour by, besides the classes."""
    analysis, found = run.analysis, clusters(run)
    complete = len(run.full.latents)
    if len(analysis.neighbours) == complete > 0:
        values = np.stack(analysis.neighbours)
        found.append(Colouring("tokens attended to, in effect", values, low=1.0, high=float(np.quantile(values, 0.99))))
    if len(analysis.preservation) == complete > 0:
        values = np.stack(analysis.preservation)
        found.append(Colouring(KEPT, values, low=0.0, high=1.0))
    return found
