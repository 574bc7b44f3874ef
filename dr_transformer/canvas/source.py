"""The source of the latent canvas: the files of `assets/canvas/`, in folders by role, joined without a build step."""

from __future__ import annotations

from collections.abc import Iterable

from dr_transformer.paths import asset_text

STYLE = ("canvas.css", "panel/panel.css", "panel/controls.css", "panel/side.css")
# In this order they make one module: each file uses only what stands before it, or is called later.
CANVAS_JS = (
    "dom.js",
    "transport/blob.js",
    "drawing/sprites.js",
    "transport/extras.js",
    "input/clock.js",
    "transport/shared_depth.js",
    "drawing/track.js",
    "input/selection.js",
    "drawing/colouring.js",
    "drawing/view.js",
    "drawing/webgl.js",
    "drawing/canvas2d.js",
    "panel/panel.js",
    "input/gestures.js",
    "panel/scrubber.js",
    "panel/controls.js",
    "panel/side.js",
    "panel/table.js",
    "transport/report.js",
    "transport/handle.js",
    "input/actions.js",
    "latent_canvas.js",
)
# The components' own modules; the first goes with `CANVAS_JS`, which a page without a server has alone.
ENTRY_JS = ("transport/sending.js", "transport/entry.js")
EXTRAS_JS = ("transport/blob.js", "transport/extras.js", "transport/extras_entry.js")
SPRITES_JS = ("transport/blob.js", "drawing/sprites.js", "transport/sprites_entry.js")


def source(names: Iterable[str]) -> str:
    """The files `names` of `assets/canvas/`, joined in this order."""
    return asset_text(*(f"canvas/{name}" for name in names))
