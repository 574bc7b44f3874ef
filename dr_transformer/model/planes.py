"""The planes of a view as maps, so that a token that had no part in choosing them can be drawn in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.linalg import orthogonal_procrustes

from dr_transformer.config import ViewConfig
from dr_transformer.model.views import plane_of, signs_towards
from dr_transformer.types import Floats


class Plane(NamedTuple):
    """The map x ↦ (x − mean) axes; `mean` (q,), `axes` (q, 2)."""

    mean: Floats
    axes: Floats

    def __call__(self, X: Floats) -> Floats:
        """Tokens X (n, q) in the plane, (n, 2)."""
        return (X - self.mean) @ self.axes


def planes(latents: Sequence[Floats], view: ViewConfig) -> list[Plane]:
    """The plane in which each of the blocks' latents (n, q) is drawn, as `view_frames.in_view` draws them.

    An axis that these latents do not have is their last one, and so with the block of the view "fixed-pca".
    """
    q = latents[0].shape[1]
    if view.view == "axes":
        chosen = np.eye(q, dtype=latents[0].dtype)[:, [min(view.first_axis, q - 1), min(view.second_axis, q - 1)]]
        return [Plane(np.zeros(q, latents[0].dtype), chosen)] * len(latents)
    if view.view == "fixed-pca":
        return [_principal(latents[min(view.view_block, len(latents) - 1)])] * len(latents)
    found = [_principal(X) for X in latents]
    for i in range(1, len(found)):
        here, before = found[i](latents[i]), found[i - 1](latents[i - 1])
        if view.view == "aligned-pca":
            turn, _ = orthogonal_procrustes(here, before)
        else:
            turn = np.diag(signs_towards(before, here))
        found[i] = Plane(found[i].mean, found[i].axes @ turn)
    return found


def _principal(X: Floats) -> Plane:
    return Plane(*plane_of(X))
