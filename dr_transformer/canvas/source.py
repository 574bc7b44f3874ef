"""The source of the latent canvas in `assets/canvas/`: short files that are joined, without a build step."""

from __future__ import annotations

from collections.abc import Iterable

from dr_transformer.paths import asset

STYLE = "canvas.css"
# In this order they make one module: each file uses only what stands before it, or is called later.
CANVAS_JS = (
    "dom.js",
    "blob.js",
    "sprites.js",
    "extras.js",
    "clock.js",
    "shared_depth.js",
    "track.js",
    "region.js",
    "selection.js",
    "colouring.js",
    "paint.js",
    "view.js",
    "webgl.js",
    "canvas2d.js",
    "overlay.js",
    "panel.js",
    "gestures.js",
    "scrubber.js",
    "legend.js",
    "toolbar.js",
    "look.js",
    "search.js",
    "tooltip.js",
    "thumbnails.js",
    "side.js",
    "table.js",
    "keys.js",
    "memory.js",
    "report.js",
    "handle.js",
    "actions.js",
    "latent_canvas.js",
)


def source(names: Iterable[str]) -> str:
    """The files `names` of `assets/canvas/`, joined in this order."""
    return "\n".join(asset(f"canvas/{name}").read_text(encoding="utf-8") for name in names)
