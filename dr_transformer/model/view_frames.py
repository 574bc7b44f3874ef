"""The blocks of a run as a saved picture shows them: each in the plane that a `ViewConfig` names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from dr_transformer.config import Config, ViewConfig
from dr_transformer.model import views
from dr_transformer.types import Floats


def blocks_needed(shown: Iterable[int], config: Config, view: ViewConfig) -> set[int]:
    """The blocks whose latents must be kept to draw the blocks `shown` in this view."""
    chosen = set(shown)
    if view.view in ("pca", "aligned-pca"):  # each is signed, or laid, as the one before it
        return set(range(max(chosen) + 1))
    return chosen | ({min(view.view_block, config.n_blocks)} if view.view == "fixed-pca" else set())


def blocks_in_view(latents: Mapping[int, Floats], view: ViewConfig, n_blocks: int) -> dict[int, Floats]:
    """Latents (n, q) by block, those that `blocks_needed` names, as planes (n, 2)."""
    blocks = sorted(latents)
    fixed = blocks.index(min(view.view_block, n_blocks)) if view.view == "fixed-pca" else 0
    planes = in_view([latents[block] for block in blocks], view, fixed)
    return dict(zip(blocks, planes, strict=True))


def in_view(frames: Sequence[Floats], view: ViewConfig, fixed: int) -> Floats:
    """Frames (n, q) in order as (F, n, 2); `fixed` is the frame whose axes the view "fixed-pca" takes.

    An axis that these latents do not have is their last one.
    """
    draw = Projector(view, frames[min(fixed, len(frames) - 1)])
    return np.stack([draw(X) for X in frames])


class Projector:
    """Frames (n, q), one after the other and in order, as planes (n, 2): the views of `views`, to the bit.

    So that the frames need not all be held at once. `fixed` (n, q) is the frame whose axes the view "fixed-pca" takes.
    `before` (n, 2) is what was drawn last, for one who goes on where another ended.
    """

    def __init__(self, view: ViewConfig, fixed: Floats, before: Floats | None = None) -> None:
        last = fixed.shape[1] - 1
        self.view = view.view
        self.before = before
        self._axes = [min(view.first_axis, last), min(view.second_axis, last)]
        self._plane = views.plane_of(fixed) if view.view == "fixed-pca" else None

    def __call__(self, X: Floats) -> Floats:
        """The next frame."""
        if self.view == "axes":
            return X[:, self._axes]
        if self._plane is not None:
            mean, axes = self._plane
            return (X - mean) @ axes
        drawn = views.own_plane(X)
        if self.before is not None:
            drawn = (views.laid_along if self.view == "aligned-pca" else views.turned_to)(self.before, drawn)
        self.before = drawn
        return drawn


def axis_names(view: ViewConfig, q: int) -> tuple[str, str]:
    """What the two coordinates of a picture are called."""
    if view.view == "axes":
        return f"latent axis {min(view.first_axis, q - 1)}", f"latent axis {min(view.second_axis, q - 1)}"
    return "principal component 1", "principal component 2"
