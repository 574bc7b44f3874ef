"""What the tests of figures share: a small run, all templates of it, and how to read an SVG's points."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import defusedxml.ElementTree
import numpy as np

from dr_transformer import Config, Dataset, load, unroll
from dr_transformer.config import ViewConfig
from dr_transformer.export.content import attention, figure1, methods, metrics, strip
from dr_transformer.export.figure import Rendered, render
from dr_transformer.export.figure_config import FigureConfig
from dr_transformer.export.files import settings
from dr_transformer.export.templates import Drawing
from dr_transformer.methods.graph_store import GraphStore
from dr_transformer.methods.pca import pca
from dr_transformer.quality.curves import CURVES, Analysis

CONFIG = Config(n_components=16, n_blocks=2, alpha=12.5)
N = 150
SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"
UMAP_IS_MISSING = "it was stopped"


@cache
def data() -> Dataset:
    return load("mnist", N)


@cache
def run() -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Y W_proj, and the latents by block."""
    steps = list(unroll(data().Y, CONFIG))
    return steps[0].X.numpy(), {step.block: step.X.numpy() for step in steps if step.ends_block}


@cache
def curves() -> dict[str, list[float | None]]:
    analysis, (_, latents) = Analysis(), run()
    steps = analysis.steps(data(), CONFIG, list(latents.values()), GraphStore(), lambda: None)
    for _ in latents:
        next(steps)
    return {title: analysis.curves[name] for name, title in CURVES.items()}


def drawing(options: FigureConfig, view: ViewConfig | None = None, align: str = "none") -> Drawing:
    view, (start, latents) = view or ViewConfig(), run()
    if options.template == "figure1":
        return figure1(start, latents, data(), CONFIG, view)
    if options.template == "strip":
        return strip(latents, data(), CONFIG, view)
    if options.template == "metrics":
        return metrics(curves(), {"5-NN accuracy": {"PCA": 0.5, "UMAP": None}})
    if options.template == "attention":
        return attention(latents, data(), CONFIG, options)
    found = {"pca": pca(data().Y, 2).scores, "umap": UMAP_IS_MISSING}
    titles = {"pca": "PCA", "umap": "UMAP"}
    return methods(latents, found, titles, data(), CONFIG, view, options, align)


@cache
def drawn(kind: str, view: ViewConfig | None = None, **options: Any) -> Rendered:
    chosen = FigureConfig(**options)
    made_with = settings(CONFIG, data(), view=view or ViewConfig(), figure=chosen)
    return render(drawing(chosen, view), chosen, kind, made_with)


def group(svg: bytes, name: str) -> Any:
    (found,) = [g for g in defusedxml.ElementTree.fromstring(svg).iter(f"{SVG}g") if g.get("id") == name]
    return found


def points(svg: bytes, name: str) -> np.ndarray:
    """Where the markers of a group stand, (n, 2)."""
    uses = group(svg, name).iter(f"{SVG}use")
    return np.array([[float(use.get("x")), float(use.get("y"))] for use in uses])


def colours(svg: bytes, name: str) -> list[str]:
    found = []
    for use in group(svg, name).iter(f"{SVG}use"):
        match = re.search("fill: (#[0-9a-f]{6})", use.get("style"))
        assert match
        found.append(match[1])
    return found


def affine(model: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """The slopes (2,) of the map, axis by axis, from coordinates to the page, which must be one; y points down."""
    slopes = []
    for axis, direction in ((0, 1), (1, -1)):
        slope, offset = np.polyfit(model[:, axis], shown[:, axis], 1)
        assert np.sign(slope) == direction
        np.testing.assert_allclose(model[:, axis] * slope + offset, shown[:, axis], atol=1e-3)
        slopes.append(abs(slope))
    return np.array(slopes)
