"""A page with nothing but the live engine, as the app has it."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import numpy.typing as npt
from playwright.sync_api import Page

from dr_transformer.canvas.live import first_latents
from dr_transformer.canvas.source import KERNELS, live_engine, source
from dr_transformer.config import Config
from dr_transformer.model.projection import fit_projection

_SCRIPT = "Object.assign(window, { LiveEngine, LIVE_KERNELS, LIVE_WORKER });"
_START = """([kernel, count, X, q]) => {
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  window.engine?.dispose();
  window.engine = new LiveEngine(bytes(LIVE_KERNELS[kernel]), LIVE_WORKER, count);
  engine.setTokens({ key: String(Math.random()), X: new Float32Array(bytes(X).buffer), q });
}"""
_RUN = """async (settings) => {
  const { frames, milliseconds } = await engine.run(settings);
  const bytes = new Uint8Array(frames.buffer);
  let text = "";
  for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  return [btoa(text), milliseconds];
}"""


class EnginePage:
    """The engine on a page of its own: `run` gives its latents."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.set_content("<title>engine</title>")
        page.add_script_tag(content=live_engine() + source(("live/engine.js",)) + _SCRIPT)

    def start(self, Y: npt.NDArray[Any], config: Config, n_workers: int, kernel: str = KERNELS[0]) -> None:
        """Give tokens Y (m, d) to a new engine with so many workers."""
        X = first_latents(fit_projection(Y, config)(Y))
        number = KERNELS.index(kernel)
        self.page.evaluate(_START, [number, n_workers, base64.b64encode(X.tobytes()).decode(), config.n_components])

    def run(self, m: int, config: Config, columns: list[int] | None = None) -> tuple[npt.NDArray[np.float32], float]:
        """Return the first m tokens' latents, at norm √q, after each sub-step (1 + 4 L, m, q), and milliseconds."""
        settings = {
            "m": m,
            "n_blocks": config.n_blocks,
            "alpha": config.alpha,
            "eta": config.eta,
            "n_heads": config.n_heads,
            "mask_self": config.mask_self,
            "graph_diffusion": config.graph_diffusion,
            "relu": config.activation == "relu",
            "columns": columns,
        }
        text, milliseconds = self.page.evaluate(_RUN, settings)
        frames = np.frombuffer(base64.b64decode(text), dtype="<f4")
        return frames.reshape(1 + 4 * config.n_blocks, m, -1), milliseconds
