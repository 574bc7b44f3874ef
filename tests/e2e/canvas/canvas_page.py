"""The latent canvas on a page of the harness (`canvas_app.py`), as the browser tests see it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, expect

from dr_transformer.palette import PETROFF10

SCRIPT = Path(__file__).with_name("canvas_app.py")
N = 400
ISOLATED = 0  # the token that stands alone in every frame; its class is 0

FIND = """(() => {
  for (const host of document.querySelectorAll('[data-testid="stBidiComponentIsolated"]')) {
    const found = host.shadowRoot?.querySelector('.latent-canvas');
    if (found) return found.latentCanvas;
  }
  return document.querySelector('.latent-canvas')?.latentCanvas ?? null; // of a saved page
})()"""


class Canvas:
    """The canvas on a page: asks its `element.latentCanvas`, named `c` in the expressions."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(url)
        self.wait("c.stats.firstDrawMs !== null")

    def get(self, expression: str) -> Any:
        return self.page.evaluate(f"() => {{ const c = {FIND}; return {expression}; }}")

    def wait(self, expression: str, timeout: float = 60_000) -> None:
        self.page.wait_for_function(f"() => {{ const c = {FIND}; return c && {expression}; }}", timeout=timeout)

    def next_frame(self) -> None:
        """Wait until what was asked for is drawn."""
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def array(self, expression: str) -> np.ndarray:
        return np.array(self.get(f"[...{expression}]")).reshape(-1, 2)

    def pixel(self, panel: int, x: float, y: float) -> list[int]:
        return list(self.get(f"c.readPixel({panel}, {x}, {y})"))

    def screen(self, panel: int, index: int) -> tuple[float, float]:
        x, y = self.get(f"[...c.screen({panel}).slice({2 * index}, {2 * index + 2})]")
        return x, y

    def on_page(self, panel: int, index: int) -> tuple[float, float]:
        box = self.page.locator(".plot canvas").nth(panel).bounding_box()
        assert box is not None
        x, y = self.screen(panel, index)
        return box["x"] + x, box["y"] + y

    def python_has_depth(self, depth: float) -> None:
        expect(self.page.get_by_text(f"Python has depth {depth!r}", exact=True)).to_be_visible()

    def python_has_selection(self, indices: Sequence[int]) -> None:
        text = f"Python has selection {[int(i) for i in indices]}"[:400].strip()
        expect(self.page.get_by_text(text, exact=True)).to_be_visible()

    def python_has_pinned(self, index: int | None) -> None:
        expect(self.page.get_by_text(f"Python has pinned {index!r}", exact=True)).to_be_visible()

    def drag(self, panel: int, path: Sequence[Sequence[float]], *held: str) -> None:
        """Drag the mouse along CSS pixels of the panel's canvas while keys are held."""
        box = self.page.locator(".plot canvas").nth(panel).bounding_box()
        assert box is not None
        for key in held:
            self.page.keyboard.down(key)
        for step, (x, y) in enumerate(path):
            self.page.mouse.move(box["x"] + x, box["y"] + y)
            if step == 0:
                self.page.mouse.down()
        self.page.mouse.up()
        for key in held:
            self.page.keyboard.up(key)

    def click(self, name: str) -> None:
        """Click a button of the harness and wait until its run is over."""
        shown = self.page.get_by_text(re.compile(r"^run \d+$"))
        run = int(shown.inner_text().split()[1])
        self.page.get_by_role("button", name=name, exact=True).click()
        expect(self.page.get_by_text(f"run {run + 1}", exact=True)).to_be_visible()


def rgb(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def has_class_colour(pixel: list[int], label: int) -> bool:
    """Opaque, and the palette's colour up to the rounding of its blending."""
    return pixel[3] > 250 and bool(np.abs(np.array(pixel[:3]) - rgb(PETROFF10[label])).max() <= 2)


def quantisation(frame: np.ndarray) -> np.ndarray:
    """Largest error of a coordinate stored as int16: half a step, and float32's rounding when it is read back."""
    return np.ptp(frame, axis=0) / 65534 / 2 * 1.001 + 1e-6 * np.abs(frame).max()
