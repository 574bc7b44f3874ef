"""The browser's own run of the model, in Chromium, against `unroll` in float64."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Page

from dr_transformer import Config, load, unroll
from dr_transformer.canvas.source import KERNELS
from tests.e2e.live.engine_page import EnginePage

VARIANTS: list[dict[str, Any]] = [
    {},
    {"mask_self": False},
    {"graph_diffusion": True},
    {"activation": "relu"},
    {"graph_diffusion": True, "mask_self": False, "activation": "relu"},
]
STRENGTHS = [(1.0, 0.01), (30.0, 0.4), (300.0, 0.45), (77.0, 1.0)]
SHAPES = [(2, 2, 1), (37, 6, 3), (301, 128, 1), (301, 128, 4), (122, 256, 1), (64, 250, 2)]


@pytest.fixture
def engine(page: Page) -> EnginePage:
    return EnginePage(page)


def all_steps(Y: npt.NDArray[Any], config: Config) -> npt.NDArray[np.floating[Any]]:
    """All sub-steps, at norm √q, from block 0 on, in the precision of Y."""
    steps = [step.X.numpy() for step in unroll(Y, config) if step.name != "projection"]
    return np.stack(steps) * len(Y) ** 0.5


def error(found: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> float:
    """The largest difference of any sub-step, over its largest coordinate."""
    largest = np.abs(wanted).max(axis=(1, 2))
    return float((np.abs(found - wanted).max(axis=(1, 2)) / np.where(largest > 0, largest, 1)).max())


@pytest.mark.slow
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_sub_step_is_that_of_unroll(engine: EnginePage, shape: tuple[int, int, int], kernel: str) -> None:
    """To 1e-4, or where float32 itself is further off (η = 1 is unstable with A − I), as far as PyTorch's."""
    n, q, n_heads = shape
    Y = load("mnist", 1000).Y[:n].astype(np.float64) / 255
    engine.start(Y, Config(n_components=q), 2, kernel)
    errors, beyond = {}, {}
    for variant, (alpha, eta) in itertools.product(VARIANTS, STRENGTHS):
        config = Config(n_blocks=4, n_components=q, n_heads=n_heads, alpha=alpha, eta=eta, **variant)
        found, _ = engine.run(n, config)
        wanted = all_steps(Y, config)
        name = f"α {alpha:g}, η {eta:g}, {' '.join(variant) or 'standard'}"
        errors[name] = error(found, wanted)
        if errors[name] > 1e-4:
            beyond[name] = errors[name], error(all_steps(Y.astype(np.float32), config), wanted)
    assert all(live <= 6 * float32 for live, float32 in beyond.values()), beyond
    assert not any(name.startswith(("α 1,", "α 30,")) for name in beyond), beyond
    assert len(beyond) <= len(errors) // 3, beyond


def test_the_paper_s_depth_and_values_with_any_number_of_workers(engine: EnginePage) -> None:
    Y = load("mnist", 500).Y.astype(np.float64) / 255
    config = Config()
    wanted = all_steps(Y, config)
    for n_workers in (1, 2, 3):
        engine.start(Y, config, n_workers)
        found, _ = engine.run(len(Y), config)
        assert error(found, wanted) <= 1e-4
        drawn, _ = engine.run(len(Y), config, [5, 0])
        np.testing.assert_array_equal(drawn, found[:, :, [5, 0]])


def test_a_beginning_of_the_tokens_attends_among_itself(engine: EnginePage) -> None:
    Y = load("mnist", 500).Y.astype(np.float64) / 255
    config = Config(n_blocks=2, n_components=16)
    engine.start(Y, config, 2)
    found, _ = engine.run(203, config)
    assert error(found, all_steps(Y[:203], config)) <= 1e-4
