"""The blocks of a run as a saved picture shows them: each in the plane that a `ViewConfig` names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from dr_transformer import views
from dr_transformer.config import Config, ViewConfig

Array = npt.NDArray[np.floating]


def blocks_needed(shown: Iterable[int], config: Config, view: ViewConfig) -> set[int]:
    """The blocks whose latents must be kept to draw the blocks `shown` in this view."""
    chosen = set(shown)
    if view.view == "aligned-pca":  # each is laid on the one before it
        return set(range(max(chosen) + 1))
    return chosen | ({min(view.view_block, config.n_blocks)} if view.view == "fixed-pca" else set())


def blocks_in_view(latents: Mapping[int, Array], view: ViewConfig, n_blocks: int) -> dict[int, Array]:
    """Latents (n, q) by block, those that `blocks_needed` names, as planes (n, 2)."""
    blocks = sorted(latents)
    fixed = blocks.index(min(view.view_block, n_blocks)) if view.view == "fixed-pca" else 0
    planes = in_view([latents[block] for block in blocks], view, fixed)
    return dict(zip(blocks, planes, strict=True))


def in_view(frames: Sequence[Array], view: ViewConfig, fixed: int) -> Array:
    """Frames (n, q) in order as (F, n, 2); `fixed` is the frame whose axes the view "fixed-pca" takes.

    An axis that these latents do not have is their last one.
    """
    last = frames[0].shape[1] - 1
    if view.view == "axes":
        return views.axes_view(frames, min(view.first_axis, last), min(view.second_axis, last))
    if view.view == "pca":
        return views.pca_view(frames)
    if view.view == "fixed-pca":
        return views.fixed_pca_view(frames, fixed)
    return views.aligned_pca_view(frames)


def axis_names(view: ViewConfig, q: int) -> tuple[str, str]:
    """What the two coordinates of a picture are called."""
    if view.view == "axes":
        return f"latent axis {min(view.first_axis, q - 1)}", f"latent axis {min(view.second_axis, q - 1)}"
    return "principal component 1", "principal component 2"
