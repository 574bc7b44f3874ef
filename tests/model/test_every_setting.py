"""The whole space of settings and data that people may bring: what is always so of the answer, or of the sentence."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dr_transformer import Config, InputError, TransformerDR, unroll
from dr_transformer.model.unroll import run_block


def decades(low: float, high: float) -> st.SearchStrategy[float]:
    """Numbers of any size between these, each size as likely."""
    return st.floats(np.log10(low), np.log10(high)).map(lambda power: float(10**power))


near_half = st.builds(lambda side, apart: 0.5 + side * apart, st.sampled_from([-1, 1]), decades(1e-12, 0.1))
etas = st.one_of(st.floats(1e-6, 1.0), near_half, st.just(1.0))


@st.composite
def configs(draw: st.DrawFn, **given: Any) -> Config:
    """Any settings of the model, small enough for a test."""
    n_components = draw(st.integers(2, 12))
    heads = [h for h in (1, 2, 3, 4, 6) if n_components % h == 0 and n_components // h >= 2]
    values = {
        "n_blocks": draw(st.integers(1, 4)),
        "alpha": draw(decades(1e-6, 1e9)),
        "eta": draw(etas),
        "n_components": n_components,
        "random_state": draw(st.integers(0, 1000)),
        "mask_self": draw(st.booleans()),
        "graph_diffusion": draw(st.booleans()),
        "n_heads": draw(st.sampled_from(heads)),
        "activation": draw(st.sampled_from(["none", "relu"])),
        "precision": draw(st.sampled_from(["float32", "float64"])),
        "device": "cpu",
    } | given
    assume(values["activation"] == "relu" or values["eta"] != 0.5)
    return Config(**values)


@st.composite
def data(draw: st.DrawFn) -> np.ndarray:
    """Rows as people have them: of any scale, blank, equal, with one far off, as pixels or one-hot."""
    n, d, seed = draw(st.integers(2, 24)), draw(st.integers(1, 16)), draw(st.integers(0, 1000))
    rng = np.random.default_rng(seed)
    kind = draw(st.sampled_from(["normal", "pixels", "equal", "copies", "blank", "far", "one-hot"]))
    Y = rng.normal(size=(n, d))
    if kind == "pixels":
        return rng.integers(0, 256, size=(n, d)).astype(np.uint8)
    if kind == "equal":
        Y[:] = Y[0]
    elif kind == "copies":
        Y[n // 2 :] = Y[: n - n // 2]
    elif kind == "blank":
        Y[::2] = 0
    elif kind == "far":
        Y[0] *= draw(decades(1, 1e12))
    elif kind == "one-hot":
        Y = np.eye(max(n, d))[:n, :d]
    return Y * draw(decades(1e-150, 1e150))


def latents(Y: np.ndarray, config: Config) -> list[torch.Tensor]:
    """The latents after each block; nothing, where a sentence says why there are none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return [step.X for step in unroll(Y, config) if step.ends_block]
        except InputError as refusal:
            said = str(refusal)
    assert said.endswith(".")
    assert "\n" not in said
    return []


def block(X: torch.Tensor, config: Config) -> torch.Tensor:
    """One block of the model."""
    *_, (_, after) = run_block(X, X, config, torch.arange(len(X)) if config.mask_self else None)
    return after


def apart(X: torch.Tensor, reference: torch.Tensor) -> float:
    """The largest difference over the largest coordinate."""
    largest = float(reference.abs().max())
    return float((X.double() - reference.double()).abs().max()) / largest if largest else float(X.abs().max())


@settings(max_examples=1200, deadline=None)
@given(Y=data(), config=configs())
def test_it_is_finite_or_a_sentence(Y: np.ndarray, config: Config) -> None:
    for X in latents(Y, config):
        assert X.isfinite().all()
        # LayerNorm's own bound; a row that is all but constant is shorter.
        assert X.norm(dim=1).max() <= (config.n_components / len(Y)) ** 0.5 * 1.001


@settings(max_examples=150, deadline=None)
@given(Y=data(), config=configs(precision="float64"), seed=st.integers(0, 100))
def test_the_order_of_tokens_is_none(Y: np.ndarray, config: Config, seed: int) -> None:
    """Of a block: over many, what rounding has changed grows where attention has to choose between equals."""
    assume(tolerance(config) < 0.1)
    order = np.random.default_rng(seed).permutation(len(Y))
    for X in latents(Y, config)[:-1]:
        if nearly_blank(X):
            break
        try:
            assert apart(block(X[order], config), block(X, config)[order]) < tolerance(config)
        except InputError:
            continue


@settings(max_examples=150, deadline=None)
@given(Y=data(), config=configs(precision="float64"))
def test_equal_tokens_stay_equal(Y: np.ndarray, config: Config) -> None:
    assume(tolerance(config) < 0.1)
    doubled = np.concatenate([Y, Y])
    for X in latents(doubled, config)[:1]:
        try:
            after = block(X, config)
        except InputError:
            continue
        assert apart(after[: len(Y)], after[len(Y) :]) < tolerance(config)


@settings(max_examples=80, deadline=None)
@given(Y=data(), config=configs(precision="float64", device="auto"))
def test_fitted_rows_are_found_where_they_were(Y: np.ndarray, config: Config) -> None:
    model = TransformerDR(**config.to_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model.fit(Y)
        except InputError:
            return
        found = model.transform(Y)
    bound = tolerance(config) * 10**config.n_blocks
    if len(np.unique(Y, axis=0)) == len(Y) and bound < 0.1:
        assert apart(torch.from_numpy(found), torch.from_numpy(model.embedding_)) < bound


@settings(max_examples=250, deadline=None)
@given(Y=data(), config=configs(precision="float64"))
def test_float32_is_float64_but_where_it_is_said(Y: np.ndarray, config: Config) -> None:
    assume(not parts_in_float32(config))
    for X in latents(Y, config)[:-1]:
        if nearly_blank(X):
            break
        assert apart(block(X.float(), config), block(X.float().double(), config)) < 1e-2


def nearly_blank(X: torch.Tensor) -> bool:
    """Tell whether a token has no length, so that a block makes it of what others cancel to: of rounding, perhaps."""
    return bool(X.norm(dim=1).min() < 0.5 * X.norm(dim=1).max())


def parts_in_float32(config: Config) -> bool:
    """Where single precision does not give what double precision does: docs/reliability.md names them."""
    nearly_half = config.activation == "none" and abs(config.eta - 0.5) < 1e-4
    return (
        config.alpha >= 1e4
        or config.n_components <= 3
        or nearly_half
        or (config.activation == "relu" and config.eta > 0.99)
    )


def tolerance(config: Config) -> float:
    """Relative, in float64, of one block: rounding of the logits, and of a difference that LayerNorm enlarges."""
    logits = 1e-15 * max(config.alpha, 1.0)
    # What the feed-forward step leaves of a row, at the least: with relu perhaps two numbers that are all but equal.
    left = abs(1 - 2 * config.eta) if config.activation == "none" else abs(1 - config.eta)
    return 1e-9 + 1e3 * logits / max(left, 1e-16)
