"""The variants of a block: against `unroll`, against dense formulas, and what each does to objective and clusters."""

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dr_transformer import Config, InputError, load, unroll
from dr_transformer.model import unroll as model
from dr_transformer.model.attention import attention_rows
from dr_transformer.model.unroll import SUB_STEPS, Step, layer_norm
from dr_transformer.quality.metrics import effective_rank, knn_accuracy
from dr_transformer.theory import variants
from dr_transformer.theory.variants import (
    ATTENTIONS,
    REGULARISERS,
    Variant,
    diffusion_eta,
    run_variant,
    unroll_variant,
)
from tests.helpers.plain_scores import kmeans_nmi
from tests.helpers.plain_theory import kl_floor, objective

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = Config(n_components=16, n_blocks=3, precision="float64")


@cache
def digits() -> np.ndarray:
    return load("digits", 300).Y


def ends(Y: np.ndarray, config: Config, variant: Variant) -> list[Tensor]:
    return [step.X for step in unroll_variant(Y, config, variant) if step.ends_block]


def difference(X: Tensor, expected: Tensor) -> float:
    return float((X - expected).abs().max() / expected.abs().max())


@cache
def depth(attention: str, regulariser: str, beta: float = 1.0, n_blocks: int = 32) -> dict[int, Tensor]:
    """MNIST, n = 2 000, seed 0: latents by block."""
    config = Config(n_blocks=n_blocks, random_state=0)
    variant = Variant(attention=attention, regulariser=regulariser, beta=beta)
    steps = unroll_variant(load("mnist", 2000).Y, config, variant)
    return {step.block: step.X for step in steps if step.ends_block}


def kls(latents: dict[int, Tensor], beta: float, blocks: list[int]) -> np.ndarray:
    return np.array([objective(latents[block], alpha=30, beta=beta).kl for block in blocks])


def accuracy(X: Tensor) -> float:
    labels = load("mnist", 2000).labels
    assert labels is not None
    return knn_accuracy(X.numpy(), labels)


@pytest.mark.parametrize(
    ("seed", "single", "double"), [(0, 0.672, 0.712), (1, 0.748, 0.762), (2, 0.760, 0.785), (3, 0.748, 0.795)]
)
def test_the_accuracies_of_the_docstring(seed: int, single: float, double: float) -> None:
    """Rounding differs from machine to machine, and at block 32 it is of consequence."""
    for precision, expected in (("float32", single), ("float64", double)):
        config = Config(n_blocks=32, random_state=seed, precision=precision)
        steps = unroll_variant(load("mnist", 2000).Y, config, Variant())
        *_, last = (step.X for step in steps if step.ends_block)
        assert accuracy(last) == pytest.approx(expected, abs=0.06)
        assert f"{expected:.3f}" in str(variants.__doc__)


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        replace(SMALL, precision="float32", activation="relu", eta=0.5),
        replace(SMALL, n_heads=4, mask_self=False),
        replace(SMALL, projection="pca"),
    ],
)
@pytest.mark.parametrize("attention", ["standard", "diffusion"])
def test_the_papers_variants_are_unroll_to_the_bit(config: Config, attention: str) -> None:
    expected = list(unroll(digits(), replace(config, graph_diffusion=attention == "diffusion")))
    for flag in (False, True):  # which is not looked at
        found = list(unroll_variant(digits(), replace(config, graph_diffusion=flag), Variant(attention=attention)))
        assert [s[:2] for s in found] == [s[:2] for s in expected]
        for step, other in zip(found, expected, strict=True):
            assert torch.equal(step.X, other.X)


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("regulariser", REGULARISERS)
def test_every_sub_step_is_its_formula(attention: str, regulariser: str) -> None:
    variant = Variant(attention=attention, regulariser=regulariser, eta_r=0.3, beta=0.2)
    X = torch.empty(0)
    for step in unroll_variant(digits(), SMALL, variant):
        if step.name == "attention":
            A, eye = attention_rows(X, torch.arange(300), alpha=30), torch.eye(300, dtype=X.dtype)
            expected = {
                "standard": X + 0.8 * A @ X,
                "diffusion": X + 0.8 * (A - eye) @ X,
                "gradient": X - 0.4 / 1.8 * (2 * eye - A - A.T) @ X,
            }[attention]
        elif step.name == "feed_forward":
            inverse = torch.linalg.inv(X.T @ X + 0.2 * torch.eye(16, dtype=X.dtype))
            expected = {"feed_forward": X - 0.8 * X, "exact": X + 0.6 * X @ inverse, "none": X}[regulariser]
        elif step.name.startswith("layer_norm"):
            expected = layer_norm(X, 300)
        else:
            expected = step.X
        assert difference(step.X, expected) < 1e-12, step.name
        X = step.X
    assert step[:2] == (3, SUB_STEPS[-1])


def test_the_gradient_step_is_standard_attention_with_a_symmetric_a() -> None:
    X = next(step.X for step in unroll(digits(), SMALL) if step.name == "layer_norm_0")
    A = attention_rows(X, torch.arange(300), alpha=30)
    found = dict(run_variant(X, SMALL, Variant(attention="gradient")))
    expected = layer_norm(X + 0.8 * (A + A.T) / 2 @ X, 300)
    assert difference(found["layer_norm_1"], expected) < 1e-6  # LayerNorm's ε sees the scale
    assert difference(found["layer_norm_1"], layer_norm(X + 0.8 * A @ X, 300)) > 0.01


def test_each_head_has_a_gradient_and_a_regulariser_of_its_own() -> None:
    config = replace(SMALL, n_heads=2)
    variant = Variant(attention="gradient", regulariser="exact", beta=0.2)
    X = next(step.X for step in unroll(digits(), config) if step.name == "layer_norm_0")
    half_config = replace(SMALL, n_components=8)
    halves = [dict(run_variant(X_h.contiguous(), half_config, variant)) for X_h in X.split(8, dim=1)]
    whole = dict(run_variant(X, config, variant))
    expected = torch.cat([half["attention"] for half in halves], dim=1)
    assert difference(whole["attention"], expected) < 1e-12
    Z = whole["layer_norm_1"]
    jitter = 0.2 * torch.eye(8, dtype=Z.dtype)
    steps = [Z_h + 0.8 * Z_h @ torch.linalg.inv(Z_h.T @ Z_h + jitter) for Z_h in Z.split(8, dim=1)]
    assert difference(whole["feed_forward"], torch.cat(steps, dim=1)) < 1e-12


@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-12), ("float32", 1e-6)])
@pytest.mark.parametrize("eta", [0.1, 0.4, 0.9])
def test_standard_attention_is_diffusion_reparametrised(
    monkeypatch: pytest.MonkeyPatch, precision: str, tolerance: float, eta: float
) -> None:
    """η' = η/(1 + 2η): every block the same, from the same latents, once LayerNorm's ε is out of the way."""
    monkeypatch.setattr(model, "LAYER_NORM_EPS", 0.0)
    config = Config(n_blocks=4, eta=eta, precision=precision)
    other = replace(config, eta=diffusion_eta(eta))
    sign = 1 if eta < 0.5 else -1  # above ½ the feed-forward step mirrors the latents, which at η' it never does
    for X, expected in pairwise(ends(load("mnist", 1000).Y, config, Variant())):
        same = dict(run_variant(X, other, Variant(attention="diffusion")))["layer_norm_2"]
        assert difference(sign * same, expected) < tolerance
        off = dict(run_variant(X, replace(other, eta=1.01 * other.eta), Variant(attention="diffusion")))
        assert difference(sign * off["layer_norm_2"], expected) > 100 * tolerance


def test_the_reparametrisation_holds_to_layer_norms_epsilon() -> None:
    """With ε = 1e-10 two whole runs drawn on top of each other agree to 1e-4 of the picture, not to the last digit."""
    Y = load("mnist", 1000).Y
    standard = ends(Y, Config(precision="float64"), Variant())
    diffusion = ends(Y, Config(precision="float64", eta=diffusion_eta(0.4)), Variant(attention="diffusion"))
    apart = [difference(X, Z) for X, Z in zip(diffusion, standard, strict=True)]
    assert max(apart) < 1e-4
    assert min(apart[1:]) > 1e-8


@given(st.floats(1e-6, 1))
def test_etas_are_inverse(eta: float) -> None:
    graph = diffusion_eta(eta)
    assert 0 < graph < 0.5
    assert graph / (1 - 2 * graph) == pytest.approx(eta, rel=1e-9)


def test_the_models_examples_of_eta() -> None:
    assert diffusion_eta(0.4) == pytest.approx(2 / 9)
    assert diffusion_eta(2) == pytest.approx(0.4)


def test_no_regulariser_is_as_good_as_the_papers() -> None:
    """Behind a LayerNorm the feed-forward step changes nothing that ε does not."""
    for X, Z in zip(ends(digits(), SMALL, Variant()), ends(digits(), SMALL, Variant(regulariser="none")), strict=True):
        assert difference(X, Z) < 1e-5


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_kl_rises_under_every_attention_step_alone(attention: str) -> None:
    """MNIST, n = 2 000, β = 0.01: from 222 to 487 and more in twelve blocks, up at each."""
    found = kls(depth(attention, "feed_forward", n_blocks=12 if attention == "gradient" else 32), 0.01, list(range(13)))
    assert (np.diff(found) > 0).all()
    assert found[0] == pytest.approx(222, abs=5)
    assert found[-1] > 480


def test_the_exact_regulariser_brings_kl_to_its_floor_and_whitens() -> None:
    """KL 222 → 2.4, the least possible; the latents have all 127 directions, and k-means finds no classes."""
    data = load("mnist", 2000)
    latents = depth("standard", "exact", 0.01, 12)
    found = kls(latents, 0.01, [0, 1, 2, 4, 12])
    assert (np.diff(found) < 0).all()
    assert 0 < found[-1] - kl_floor(128, 0.01) < 0.1
    assert found[-1] == pytest.approx(2.4, abs=0.1)
    assert effective_rank(latents[0].numpy()) < 25
    assert effective_rank(latents[12].numpy()) > 120
    assert data.labels is not None
    before, after = (kmeans_nmi(latents[block].numpy(), data.labels) for block in (0, 12))
    assert after < before / 2


def test_which_term_collapses_the_latents() -> None:
    """5-NN accuracy of MNIST after 32 blocks, n = 2 000: 0.84 and 0.77 with the exact regulariser at β = 1; without,
    standard attention has 0.73 and graph diffusion 0.24. Rank and KL say the same.
    """
    plain = {attention: depth(attention, "feed_forward")[32] for attention in ("standard", "diffusion")}
    exact = {attention: depth(attention, "exact")[32] for attention in ("standard", "diffusion")}
    assert accuracy(depth("standard", "exact")[0]) > 0.87
    assert accuracy(exact["standard"]) > 0.8 > accuracy(plain["standard"]) > 0.6
    assert accuracy(exact["diffusion"]) > 0.7
    assert accuracy(plain["diffusion"]) < 0.35
    for attention in plain:
        assert effective_rank(plain[attention].numpy()) < 2 < 10 < effective_rank(exact[attention].numpy())
    falls = kls(depth("standard", "exact"), 1.0, [0, 4, 12, 32])
    assert (np.diff(falls) < 0).all()
    assert falls[0] == pytest.approx(-19, abs=3)
    assert falls[-1] == pytest.approx(-88, abs=3)


def test_parameters_are_checked() -> None:
    for wrong in ({"attention": "both"}, {"regulariser": "ln"}, {"beta": 0}, {"eta_r": 0}, {"beta": float("nan")}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            Variant(**wrong)  # type: ignore[arg-type]
    assert Variant.from_dict(Variant(beta=0.5).to_dict()) == Variant(beta=0.5)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_check_stops(attention: str) -> None:
    class StopError(Exception):
        pass

    def check() -> None:
        raise StopError

    steps: list[Step] = []
    with pytest.raises(StopError):
        steps.extend(unroll_variant(digits(), SMALL, Variant(attention=attention), check=check))
    with pytest.raises(StopError):
        dict(run_variant(next(unroll(digits(), SMALL)).X, SMALL, Variant(attention=attention), check))
