"""The figures of every sub-step, against the sub-steps that `unroll` yields."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from dr_transformer import Config, load, unroll
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.inside import InsideRun, Place, depth_of, difference, latent_figures, sub_steps
from dr_transformer.engine.run import Run
from dr_transformer.model.unroll import SUB_STEPS
from dr_transformer.quality.metrics import effective_rank
from dr_transformer.theory.objective import data_gradients
from tests.helpers.plain_theory import objective

CONFIG = Config(n_components=16, n_blocks=3)


@cache
def tokens() -> Dataset:
    return load("digits", 300)


def run(config: Config = CONFIG) -> Run:
    made = Run(tokens(), config, owners={"test"})
    made.work()
    assert made.error is None
    return made


def inside(config: Config = CONFIG) -> InsideRun:
    job = InsideRun(run(config), owners={"test"})
    job.work()
    assert job.error is None
    assert job.finished
    return job


def expected(config: Config) -> dict[Place, torch.Tensor]:
    return {(s.block, s.name): s.X for s in unroll(tokens().Y, config) if s.name != "projection"}


@pytest.mark.parametrize("config", [CONFIG, replace(CONFIG, activation="relu", eta=0.7), replace(CONFIG, n_heads=2)])
def test_a_run_gives_the_sub_steps_of_unroll(config: Config) -> None:
    found = {(s.block, s.name): s.X for s in sub_steps(run(config).full, config)}
    steps = expected(config)
    assert list(found) == list(steps)
    for place, X in steps.items():
        assert torch.equal(found[place], X), place
    later = [(s.block, s.name) for s in sub_steps(run(config).full, config, first_block=2)]
    assert later == [place for place in steps if place[0] >= 2]


@pytest.mark.parametrize("config", [CONFIG, replace(CONFIG, n_heads=2, mask_self=False, graph_diffusion=True)])
def test_figures_objective_and_cosines_are_those_of_the_latents(config: Config) -> None:
    job, steps = inside(config), expected(config)
    model: dict[str, Any] = {"alpha": 30, "n_heads": config.n_heads, "mask_self": config.mask_self}
    assert job.places == list(steps) == list(job.figures)
    for place, found in zip(job.places, job.terms, strict=True):
        X = steps[place]
        for beta in (0.01, 1.0):
            np.testing.assert_allclose(found.at(beta), objective(X, beta=beta, **model), rtol=1e-9)
        norms = X.double().norm(dim=1)
        figures = job.figures[place]
        np.testing.assert_allclose(figures.norms, [norms.min(), norms.mean(), norms.max()], rtol=1e-9)
        assert figures.mean_norm == pytest.approx(float(X.double().mean(dim=0).norm()))
        assert figures.effective_rank == pytest.approx(effective_rank(X.numpy()))
    ends = [X for (_, name), X in steps.items() if name in ("layer_norm_0", "layer_norm_2")]
    assert [c.cosine for c in job.cosines] == [data_gradients(X, **model).cosine for X in ends]
    assert job.progress == 1


def test_a_layer_norm_holds_norm_and_mean_and_the_other_sub_steps_do_not() -> None:
    """Norm √(q/n) and mean 0 over coordinates after each LayerNorm; attention and feed-forward change the norm."""
    figures, norm = inside().figures, (16 / 300) ** 0.5
    for (_, name), found in figures.items():
        if name.startswith("layer_norm"):
            np.testing.assert_allclose(found.norms, norm, rtol=1e-5)
        assert found.coordinate_mean < 1e-6 * norm
    for block in (1, 2, 3):
        assert figures[block, "attention"].norms[0] > 1.3 * norm
        np.testing.assert_allclose(figures[block, "feed_forward"].norms, 0.2 * norm, rtol=1e-5)
    uneven = np.array([[3.0, 4.0], [-3.0, 1.0]])
    assert latent_figures(uneven).coordinate_mean == 3.5


@pytest.mark.parametrize(
    ("eta", "activation", "low", "high"), [(0.4, "none", 0, 1e-4), (0.8, "none", 0, 1e-4), (0.4, "relu", 0.1, 9)]
)
def test_the_second_layer_norm_undoes_a_linear_feed_forward_step_alone(
    eta: float, activation: str, low: float, high: float
) -> None:
    undone = inside(replace(CONFIG, eta=eta, activation=activation)).undone
    assert list(undone) == [1, 2, 3]
    assert all(low <= value < high for value in undone.values())


def test_depths_are_those_of_the_explorer() -> None:
    frames = run().full.frames(CONFIG)
    assert [depth_of(s.block, s.name) for s in sub_steps(run().full, CONFIG)] == [frame.depth for frame in frames]
    assert [depth_of(2, name) for name in SUB_STEPS] == [1.5, 1.75, 1.875, 2.0]


def test_difference_is_of_the_largest_coordinate() -> None:
    assert difference(np.array([1.0, -4.5]), np.array([1.0, -4.0])) == 0.125
