"""The explorer as the browser tests see it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from playwright.sync_api import Page

from dr_transformer import Config, load, unroll
from tests.e2e.canvas.canvas_page import Canvas, quantisation

APP = Path(__file__).parents[3] / "app.py"
SMALL = {"n_samples": 600, "n_components": 16, "n_blocks": 4}


def frames(config: Config, n_samples: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Columns 0 and 1 of Y W_proj, and of the latents after each block."""
    steps = list(unroll(load("mnist", n_samples, config.random_state).Y, config))
    return steps[0].X[:, :2].numpy(), [s.X[:, :2].numpy() for s in steps if s.ends_block]


def sub_step(config: Config, n_samples: int, block: int, name: str) -> np.ndarray:
    """Columns 0 and 1 of the latents after one sub-step."""
    steps = unroll(load("mnist", n_samples, config.random_state).Y, config)
    return next(step.X[:, :2].numpy() for step in steps if (step.block, step.name) == (block, name))


def curve_values(page: Page) -> list[str]:
    """What the curves under the picture say they have at the depth on screen."""
    return page.locator(".depth-mark text").all_text_contents()


def assert_drawn(canvas: Canvas, panel: int, expected: np.ndarray, steps: list[np.ndarray]) -> None:
    """The drawn coordinates are the expected ones, up to the quantisation of the frames they are mixed from."""
    bound = np.max([quantisation(frame) for frame in steps], axis=0)
    for _ in range(40):  # a page says what it shows before a busy browser has drawn it
        error = np.abs(canvas.array(f"c.positions({panel})") - expected).max(axis=0)
        if (error <= bound).all():
            return
        canvas.page.wait_for_timeout(250)
    raise AssertionError(error)
