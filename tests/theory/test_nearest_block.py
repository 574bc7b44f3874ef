"""A hand-written block is found again where a layer is one, and what is left over is 0 there."""

import numpy as np
import pytest

from dr_transformer import Config, load, unroll
from dr_transformer.theory import nearest_block as module
from dr_transformer.theory.nearest_block import nearest_block

Y = load("mnist", 300).Y


def layers(**settings: float) -> list[np.ndarray]:
    config = Config(n_components=24, n_blocks=2, precision="float64", **settings)
    return [step.X.numpy() for step in unroll(Y, config) if step.ends_block]


@pytest.mark.parametrize(("alpha", "eta"), [(20, 0.3), (60, 0.1), (5, 0.45), (30, 0.7)])
def test_a_block_of_the_model_is_found_again(alpha: float, eta: float) -> None:
    before, after = layers(alpha=alpha, eta=eta)[:2]
    rng = np.random.default_rng(0)
    # LayerNorm takes a row's length and its mean, as the networks' own does
    stretched = after * rng.uniform(0.1, 10, (300, 1)) + rng.normal(size=(300, 1))
    found = nearest_block(before, stretched)
    assert found.alpha == pytest.approx(alpha, rel=1e-4)
    assert found.eta == pytest.approx(eta, abs=1e-5)
    assert found.left < 1e-10
    assert found.unmoved > 1e-3


def test_what_is_left_is_that_of_the_best_of_many_blocks() -> None:
    """With noise added nothing is exact, and no block of a grid does better."""
    before, after = layers(alpha=20, eta=0.3)[:2]
    noisy = after + np.random.default_rng(0).normal(scale=0.3 * after.std(), size=after.shape)
    found = nearest_block(before, noisy)
    assert 0.03 < found.left < found.unmoved
    end = module._normed(noisy)
    for alpha in np.geomspace(1, 200, 12):
        for eta in np.linspace(0.02, 0.98, 14):
            config = Config(n_components=24, n_blocks=1, alpha=alpha, eta=eta)
            *_, (_, X) = module_block(before, config)
            left = float(((X - end) ** 2).sum() / (end**2).sum())
            assert left >= found.left - 1e-9


def module_block(before: np.ndarray, config: Config) -> list:
    import torch

    from dr_transformer.model.unroll import run_block

    X = module._normed(before)
    return list(run_block(X, X, config, torch.arange(len(X))))


def test_unrelated_layers_have_nothing_in_common() -> None:
    rng = np.random.default_rng(0)
    found = nearest_block(rng.normal(size=(400, 32)), rng.normal(size=(400, 32)))
    assert found.left == pytest.approx(2, abs=0.1)
    same = nearest_block(X := rng.normal(size=(400, 32)), X)
    assert same.unmoved == 0
    assert same.left < 1e-6  # η is next to 0


def test_many_tokens_are_a_seeded_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = layers(alpha=20, eta=0.3)[:2]
    monkeypatch.setattr(module, "N_FITTED", 100)
    one, again, other = (nearest_block(before, after, random_state=seed) for seed in (1, 1, 2))
    assert one == again
    assert one != other
