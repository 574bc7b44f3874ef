"""What is said of the difference between the two parametrisations, with LayerNorm's ε and without, is measured."""

import pytest

from dr_transformer import Config, load
from dr_transformer.data.dataset import subset
from dr_transformer.engine.inside import both_ways, difference
from dr_transformer.model import unroll
from dr_transformer.theory.variants import diffusion_eta
from dr_transformer.ui.inside.reparametrisation import WITHOUT_EPSILON


@pytest.mark.parametrize(("precision", "least", "most"), [("float64", 0, 1e-13), ("float32", 5e-7, 5e-6)])
def test_without_epsilon_rounding_is_left(
    monkeypatch: pytest.MonkeyPatch, precision: str, least: float, most: float
) -> None:
    said = {
        "float64": f"ε = {unroll.LAYER_NORM_EPS:g}: without ε less than 1e-13 stays, which is rounding",
        "float32": "without ε some 1e-6 stay",
    }
    assert said[precision] in WITHOUT_EPSILON
    some, config = subset(load("mnist"), 2000, 42), Config(precision=precision)
    monkeypatch.setattr(unroll, "LAYER_NORM_EPS", 0.0)
    apart = [difference(B, A) for A, B in both_ways(some.Y, config, diffusion_eta(config.eta))]
    assert len(apart) == 9
    assert least <= max(apart) < most


def test_with_epsilon_float64_has_a_thousand_times_more() -> None:
    some, config = subset(load("mnist"), 2000, 42), Config(precision="float64")
    apart = [difference(B, A) for A, B in both_ways(some.Y, config, diffusion_eta(config.eta))]
    assert max(apart) > 1e-10
