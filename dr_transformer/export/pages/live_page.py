"""A web page that runs its model itself: α, η, depth, variant and seed are live in it, without a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dr_transformer.canvas.blob import Blob
from dr_transformer.canvas.live import MOST_COMPONENTS, balanced_order, first_latents, is_live, live_spec
from dr_transformer.canvas.parts import CanvasSpec, classes, story
from dr_transformer.canvas.picture import Drawing, picture
from dr_transformer.canvas.sliders import slider
from dr_transformer.config import PARAMETERS, Config, ViewConfig
from dr_transformer.data.dataset import Dataset, subset
from dr_transformer.data.mnist import count
from dr_transformer.engine.run import Run
from dr_transformer.errors import InputError
from dr_transformer.export.files import settings
from dr_transformer.export.job import ExportJob
from dr_transformer.export.pages.run_page import page_title
from dr_transformer.export.pages.web_page import LiveParts, web_page
from dr_transformer.model.projection import fit_projection
from dr_transformer.quality.words import describe

LIVE_TOKENS = 1_000
"""Tokens of a page, unless more are asked for: their picture takes a laptop a quarter of a second or less."""
MOST_LIVE_TOKENS = 10_000
_CONTROLS = ("n_blocks", "n_heads", "mask_self", "graph_diffusion")
_MADE = ("n_components", "random_state")  # what a page sets that has the pixels
_SLIDERS = ("alpha", "eta")


def live_page(run: Run, view: ViewConfig) -> bytes:
    """Make the page of a finished run: it opens with its picture, and runs the model itself from then on.

    Of images of bytes it has the pixels and draws the projection itself, for any seed; of other tokens their first
    latents. Raises `InputError` for a run that is not done, or that a browser cannot take over.
    """
    if not run.done.is_set() or run.error is not None:
        raise InputError("the run is not finished, so there is nothing to save yet; wait for its last block.")
    dataset, config = run.dataset, run.config
    if not is_live(config, view):
        raise InputError(
            f"a live page shows two latent axes of at most {MOST_COMPONENTS} dimensions; choose view = axes, or "
            "--recorded for a page with the pictures of this run alone."
        )
    if dataset.n_samples > MOST_LIVE_TOKENS:
        raise InputError(
            f"a live page takes at most {count(MOST_LIVE_TOKENS)} tokens, not {count(dataset.n_samples)}; take fewer, "
            "or --recorded for a page with the pictures of this run alone."
        )
    drawing = Drawing(run, view)
    drawing.grow()
    shown = picture(drawing, float(config.n_blocks))
    assert shown is not None
    latents, names = list(run.full.latents), dataset.class_names
    spec = live_spec(dataset, config, view)
    return web_page(
        replace(
            CanvasSpec.of(dataset, shown.panels, config.n_blocks),
            depth=float(config.n_blocks),
            attention_panel=1,
            live=spec,
            sliders=_SLIDERS,
            opens=True,
            story=story(dataset, _SLIDERS),
        ),
        title=page_title(dataset),
        lead="Each point is a token. Drag α, η or the depth: the model runs in this page, at the very values you see. "
        "Nothing of it was learned.",
        descriptions=[describe(latents, dataset.labels, names, b, config.random_state) for b in range(len(latents))],
        notes=[
            "Everything is computed in your browser, in float32, and nothing is sent anywhere. While you drag on a "
            "slow machine, fewer tokens attend among themselves; when you let go, all do. Between two blocks points "
            "move in a straight line."
        ],
        settings=settings(config, dataset, view=view),
        live=_parts(dataset, config, spec),
    )


@dataclass(eq=False)
class LivePageJob(ExportJob):
    """`live_page` in the background, at the run's settings, of `LIVE_TOKENS` of its tokens at most."""

    def _make(self) -> bytes:
        c = self.run.config
        made = Run(subset(self.run.dataset, LIVE_TOKENS, c.random_state), c)
        made.owners = self.owners  # who gives up this, gives up that
        self.current = "running the model once, for the picture that it opens with"
        made.work()
        self._check()
        if made.error is not None:
            raise InputError(made.error)
        return live_page(made, self.view)


def _parts(dataset: Dataset, config: Config, spec: Mapping[str, Any]) -> LiveParts:
    labels, _ = classes(dataset)
    images = dataset.images
    pixels = (
        images is not None
        and dataset.Y.dtype == np.uint8
        and np.array_equal(images.reshape(len(images), -1), dataset.Y)
        and config.projection == "gaussian"
    )
    values = {name: getattr(config, name) for name in (*_SLIDERS, *_CONTROLS, *_MADE)}
    values["relu"] = config.activation == "relu"
    controls = [_control(name) for name in (*_CONTROLS, *(_MADE if pixels else ()))]
    relu = {"name": "relu", "label": "relu", "help": PARAMETERS["activation"].help, "low": 0, "high": 1}
    page = {
        "spec": dict(spec),
        "settings": values,
        "sliders": [slider(name, values[name]) for name in _SLIDERS],
        "controls": [*controls, relu],
        "pixels": pixels,
        "order": balanced_order(labels, dataset.n_samples, config.random_state).tolist(),
    }
    if pixels:
        return LiveParts(page, None)
    blob = Blob()
    X = first_latents(fit_projection(dataset.Y, config)(dataset.Y))
    return LiveParts(page, blob.pack({"X": blob.add(X)}))


def _control(name: str) -> dict[str, Any]:
    parameter = PARAMETERS[name]
    low, high = parameter.widget_range or (parameter.minimum or 0, parameter.maximum or 1)
    return {"name": name, "label": parameter.label, "help": parameter.help, "low": low, "high": high, "whole": True}
