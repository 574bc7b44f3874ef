"""The latents, A's eigenvectors and Laplacian Eigenmaps side by side on one depth axis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st

from dr_transformer.canvas.parts import CanvasSpec, Colouring, Panel
from dr_transformer.config import ViewConfig
from dr_transformer.engine.spectrum import N_MAPS, SpectrumRun
from dr_transformer.model.planes import in_view
from dr_transformer.types import Floats
from dr_transformer.ui.canvas import latent_canvas
from dr_transformer.ui.remember import remembered

CANVAS = "spectrum_canvas"
_HEIGHT = 280


def first_drawn(available: int) -> int:
    """Which of the non-trivial eigenvectors, from 0, is drawn to the right; the next one upwards."""
    state = st.session_state
    pairs = list(range(max(1, available - 1)))
    with remembered("spectrum pair", {"spectrum_pair": 0}):
        state["spectrum_pair"] = min(state["spectrum_pair"], pairs[-1])
        chosen = st.segmented_control(
            "Eigenvectors drawn",
            pairs,
            required=True,
            format_func=lambda j: f"{j + 2}, {j + 3}",
            key="spectrum_pair",
            help="Of I − A and of Laplacian Eigenmaps, by ascending eigenvalue; the first is constant.",
        )
    return chosen or 0


def spectrum_canvas(run: SpectrumRun, start: float, first: int) -> float:
    """Latents, A's eigenvectors and Laplacian Eigenmaps, side by side, from the depth `start` on.

    Returns the depth at which the user rests.
    """
    dataset, done = run.dataset, len(run.blocks)
    shown = replace(
        CanvasSpec.of(dataset, panels(run, done, first), run.config.n_blocks),
        depth=start,
        height=_HEIGHT,
        colourings=colourings(run, done),
        content_key=f"{dataset.key} {run.config} {run.n_components} {run.n_neighbors}",
        key=CANVAS,
    )
    return latent_canvas(shown).depth


def panels(run: SpectrumRun, done: int, first: int = 0) -> list[Panel]:
    """The first `done` blocks: latents, two of A's eigenvectors from `first` on, and the same of the pixels' graph."""
    assert run.eigenmaps is not None
    depths, names = tuple(map(float, range(done))), tuple(f"block {b}" for b in range(done))
    principal = in_view(run.principal[:done], ViewConfig(view="aligned-pca"))
    maps = np.stack([_two(each, first) for each in run.maps[:done]])
    reference = _two(run.eigenmaps.embedding, first)[None]
    components = ("principal component 1", "principal component 2")
    axes = (f"eigenvector {first + 2}", f"eigenvector {first + 3}")
    return [
        Panel("Latents after {frame}", principal, depths, *components, frame_names=names),
        Panel("Eigenvectors of I − A, {frame}", maps, depths, *axes, frame_names=names),
        Panel("Laplacian Eigenmaps of the pixels", reference, (0.0,), *axes),
    ]


def colourings(run: SpectrumRun, done: int) -> list[Colouring]:
    """A's eigenvectors block by block, and those of the pixels' graph, to colour all panels by."""
    assert run.eigenmaps is not None
    found = []
    for j in range(min(N_MAPS, run.n_components)):
        values = np.stack([maps[:, j] for maps in run.maps[:done]])
        found.append(Colouring(f"eigenvector {j + 2} of I − A", values, low=-1.0, high=1.0))
    for j, column in enumerate(run.eigenmaps.embedding.T[:2]):
        most = float(np.abs(column).max())
        name = f"eigenvector {j + 2}, Laplacian Eigenmaps"
        found.append(Colouring(name, column / most, low=-1.0, high=1.0))
    return found


def _two(maps: Floats, first: int) -> Floats:
    """Two columns of maps (n, k) from `first` on; 0 for one that there is not."""
    found = maps[:, first : first + 2]
    return np.pad(found, ((0, 0), (0, 2 - found.shape[1])))
