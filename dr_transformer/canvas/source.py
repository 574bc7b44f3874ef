"""The source of the latent canvas: files of `assets/canvas/` and `assets/live/`, joined without a build step."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable

from dr_transformer.paths import asset, asset_text

STYLE = ("canvas.css", "panel/panel.css", "panel/controls.css", "panel/side.css", "live/live.css")
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
    "panel/names.js",
    "panel/images.js",
    "panel/panel.js",
    "input/gestures.js",
    "panel/scrubber.js",
    "live/shared.js",
    "live/engine.js",
    "live/frames.js",
    "live/measures.js",
    "live/controls.js",
    "live/live.js",
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
LIVE_SETTINGS_JS = ("live/shared.js", "transport/sending.js", "live/settings_entry.js")
KERNELS = ("kernel_relaxed.wasm", "kernel.wasm")
LIVE_PAGE_JS = ("live/random.js",)
LIVE_TOKENS_JS = ("transport/blob.js", "live/shared.js", "live/tokens_entry.js")


def source(names: Iterable[str]) -> str:
    """The files `names` of `assets/canvas/`, or with its name of `assets/live/`, joined in this order."""
    return asset_text(*(name if name.startswith("live/") else f"canvas/{name}" for name in names))


def live_engine() -> str:
    """Return constants with the kernels in base64, the fastest first, and the text of their worker."""
    kernels = [base64.b64encode(asset(f"live/{name}").read_bytes()).decode() for name in KERNELS]
    worker = asset_text("live/worker.js")
    return f"const LIVE_KERNELS = {json.dumps(kernels)};\nconst LIVE_WORKER = {json.dumps(worker)};\n"
