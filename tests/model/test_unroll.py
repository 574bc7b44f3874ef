"""Every sub-step against `torch.nn.TransformerEncoderLayer`, and what follows from the formulas."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dr_transformer.config import Config
from dr_transformer.errors import InputError
from dr_transformer.model import kernels
from dr_transformer.model.attention import attend, attention_rows, effective_neighbours
from dr_transformer.model.unroll import SUB_STEPS, layer_norm, run_block, unroll
from tests.helpers import oracle
from tests.helpers.machine import DEVICES, WITH_FLOAT64, has_bfloat16, pretend

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def tokens(n: int, d: int = 30, seed: int = 0) -> np.ndarray:
    """Clustered, non-negative data, so that attention has something to find."""
    rng = np.random.default_rng(seed)
    return np.abs(rng.normal(size=(5, d))[rng.integers(5, size=n)] + 0.3 * rng.normal(size=(n, d)))


def trajectory(Y: np.ndarray, config: Config) -> list[torch.Tensor]:
    return [step.X for step in unroll(Y, config) if step.ends_block]


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(
    "config",
    [
        Config(n_components=16),
        Config(n_components=16, mask_self=False),
        Config(n_components=64, alpha=5, eta=0.1),
        Config(n_components=2, alpha=3),
        Config(n_components=16, eta=0.9),
        Config(n_components=16, graph_diffusion=True),
        Config(n_components=16, activation="relu"),
        Config(n_components=16, activation="relu", eta=0.5),
        Config(n_components=16, n_heads=4),
        Config(n_components=12, n_heads=3, mask_self=False, activation="relu"),
        Config(n_components=16, alpha=500),
        Config(n_components=10, projection="pca"),
    ],
    ids=lambda c: "-".join(f"{k}={v}" for k, v in c.to_dict().items() if v != getattr(Config(), k)),
)
@pytest.mark.parametrize("n", [2, 17, 300])
def test_every_sub_step_equals_the_encoder_layer(config: Config, precision: str, n: int) -> None:
    """Each sub-step from the same input: relative error ≤ 1e-5 in float32, ≤ 1e-12 in float64."""
    if config.projection == "pca" and n <= 10:
        n = 40  # PCA cannot give ten components of so few tokens; that sentence is tested elsewhere
    config = Config(**config.to_dict() | {"precision": precision, "n_blocks": 3})
    dtype = getattr(torch, precision)
    reference, src_mask = oracle.layer(config, n, dtype), oracle.mask(config, n, dtype)
    steps = list(unroll(tokens(n), config))
    assert [s.name for s in steps] == ["projection", "layer_norm_0", *SUB_STEPS * 3]
    for b in range(3):
        before = steps[1 + 4 * b].X
        ours = steps[2 + 4 * b : 6 + 4 * b]
        for step, expected in zip(ours, oracle.sub_steps(reference, before, src_mask, config), strict=True):
            assert step.block == b + 1
            assert oracle.relative_error(step.X, expected) <= TOLERANCE[precision], step.name
        if not config.graph_diffusion:
            whole = oracle.block(reference, before, src_mask)
            assert oracle.relative_error(ours[-1].X, whole) <= TOLERANCE[precision]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    "settings",
    [{}, {"mask_self": False}, {"n_heads": 4}, {"activation": "relu"}, {"graph_diffusion": True}, {"alpha": 300.0}],
)
def test_blank_tokens_are_as_the_oracle_has_them(settings: dict, dtype: torch.dtype) -> None:
    Y = tokens(120).astype(np.float64 if dtype == torch.float64 else np.float32)
    Y[[3, 50, 51]] = 0
    config = Config(n_components=16, n_blocks=4, **settings)
    steps = [step.X for step in unroll(Y, config) if step.ends_block]
    assert not steps[0][[3, 50, 51]].any()
    reference = oracle.layer(config, 120, dtype)
    X = steps[0]
    for found in steps[1:]:
        if config.graph_diffusion:
            *_, X = oracle.sub_steps(reference, X, oracle.mask(config, 120, dtype), config)
        else:
            X = oracle.block(reference, X, oracle.mask(config, 120, dtype))
        assert oracle.relative_error(found, X) < (1e-12 if dtype == torch.float64 else 2e-5)
        X = found
    torch.testing.assert_close(steps[-1][50], steps[-1][51], rtol=1e-3, atol=1e-6)
    if config.mask_self and config.n_heads == 1:  # attention alone moves it, to the mean of all others
        first = next(step.X for step in unroll(Y, config) if (step.block, step.name) == (1, "attention"))
        mean = steps[0].sum(dim=0) / 119
        torch.testing.assert_close(first[3], 2 * config.eta * mean, rtol=1e-4, atol=1e-9)


def test_the_oracle_can_fail() -> None:
    """The comparison above notices α wrong by one in a thousand."""
    Y, config = tokens(100), Config(n_components=16, precision="float64")
    off = Config(n_components=16, precision="float64", alpha=30.03)
    reference = oracle.layer(off, 100, torch.float64)
    steps = list(unroll(Y, config))
    assert (
        oracle.relative_error(steps[5].X, oracle.block(reference, steps[1].X, oracle.mask(config, 100, torch.float64)))
        > 1e-6
    )


def test_projection_is_the_published_draw() -> None:
    Y = tokens(50)
    start = next(iter(unroll(Y.astype(np.float32), Config(random_state=42)))).X.numpy()
    np.testing.assert_array_equal(start, oracle.published_start(Y.astype(np.float32).astype(np.float64), 128, 42))


def test_uint8_is_pixels() -> None:
    Y = np.random.default_rng(0).integers(0, 256, size=(20, 49), dtype=np.uint8)
    pixels, scaled = (trajectory(data, Config(precision="float64", n_blocks=2)) for data in (Y, Y / 255))
    torch.testing.assert_close(pixels[-1], scaled[-1], rtol=0, atol=0)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(3, 60),
    q=st.integers(3, 24),
    alpha=st.floats(0.01, 200),
    eta=st.floats(0.01, 0.45),
    seed=st.integers(0, 1000),
)
def test_rows_are_centred_and_on_the_sphere(n: int, q: int, alpha: float, eta: float, seed: int) -> None:
    """After every LayerNorm: row mean 0, row norm √(q/n) (up to its eps), so the logits' diagonal is α."""
    config = Config(n_blocks=3, n_components=q, alpha=alpha, eta=eta, random_state=seed, precision="float64")
    for step in unroll(tokens(n), config):
        if step.name.startswith("layer_norm"):
            assert step.X.mean(dim=1).abs().max() < 1e-12
            norms = step.X.norm(dim=1) / (q / n) ** 0.5
            # LayerNorm's eps against the variance of a row after the feed-forward step, (1 − 2η)²/n
            assert (norms - 1).abs().max() < 1e-6 + 1e-10 * n / (1 - 2 * eta) ** 2
            diagonal = alpha * n / q * (step.X * step.X).sum(dim=1)
            assert (diagonal / alpha - 1).abs().max() < 1e-5


@settings(max_examples=25, deadline=None)
@given(eta=st.floats(0.01, 1).filter(lambda e: abs(e - 0.5) > 0.02), seed=st.integers(0, 1000))
def test_graph_diffusion_is_a_reparametrisation(eta: float, seed: int) -> None:
    """Standard attention with η equals graph diffusion with η' = η / (1 + 2η) (MODEL: 0.4 ↔ 0.2222…)."""
    Y = tokens(40, seed=seed)
    settings = {"n_components": 8, "alpha": 10, "precision": "float64", "random_state": seed}
    standard = trajectory(Y, Config(eta=eta, **settings))
    diffusion = trajectory(Y, Config(eta=eta / (1 + 2 * eta), graph_diffusion=True, **settings))
    # The feed-forward step flips the sign for η > ½ and never for η' < ½
    for b, (X, Z) in enumerate(zip(standard, diffusion, strict=True)):
        sign = (-1) ** b if eta > 0.5 else 1
        assert oracle.relative_error(sign * X, Z) < 1e-5  # what LayerNorm's eps leaves, at these n


def test_permutation_of_tokens_permutes_latents() -> None:
    Y, order = tokens(60), np.random.default_rng(1).permutation(60)
    config = Config(n_components=8, precision="float64")
    torch.testing.assert_close(trajectory(Y, config)[-1][order], trajectory(Y[order], config)[-1], rtol=0, atol=1e-12)


def test_rotation_of_latents_changes_nothing_but_the_picture() -> None:
    config = Config(n_components=8, alpha=10)
    X = torch.from_numpy(tokens(50, 8))
    X = X - X.mean(dim=1, keepdim=True)
    # A rotation that keeps the all-ones direction, which LayerNorm treats apart
    basis, _ = torch.linalg.qr(
        torch.cat([torch.ones(8, 1), torch.randn(8, 7, generator=torch.manual_seed(0))], 1).double()
    )
    turn, _ = torch.linalg.qr(torch.randn(7, 7, generator=torch.manual_seed(1)).double())
    R = basis @ torch.block_diag(torch.ones(1, 1).double(), turn) @ basis.T
    masked = torch.arange(50)
    plain, turned = (
        list(run_block(layer_norm(start, 50), layer_norm(start, 50), config, masked))[-1][1] for start in (X, X @ R)
    )
    torch.testing.assert_close(plain @ R, turned, rtol=0, atol=1e-12)


def test_tiles_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    X = layer_norm(torch.from_numpy(tokens(101, 12)), 101)
    arguments = {"alpha": 30.0, "n_samples": 101, "masked": torch.arange(101)}
    whole = attend(X, X, **arguments)
    monkeypatch.setitem(kernels._TILE, X.device.type, 7)
    torch.testing.assert_close(attend(X, X, **arguments), whole, rtol=0, atol=1e-14)


@pytest.mark.parametrize("n_heads", [1, 3])
def test_attention_rows_are_rows_of_what_attend_applies(n_heads: int) -> None:
    X = layer_norm(torch.from_numpy(tokens(40, 12)), 40)
    A = attention_rows(X, torch.arange(40), alpha=20.0, n_heads=n_heads)
    torch.testing.assert_close(A.sum(dim=1), torch.ones(40, dtype=torch.float64))
    assert A.diagonal().abs().max() == 0
    if n_heads == 1:
        torch.testing.assert_close(A @ X, attend(X, X, alpha=20.0, n_samples=40, masked=torch.arange(40)))


def test_effective_neighbours() -> None:
    A = torch.tensor([[0.0, 1, 0, 0], [0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0]])
    torch.testing.assert_close(effective_neighbours(A), torch.tensor([1.0, 4.0, 2.0]))


def test_huge_alpha_is_one_hot_and_finite() -> None:
    Y = tokens(80)
    X = trajectory(Y, Config(alpha=1e8))
    assert all(torch.isfinite(x).all() for x in X)
    A = attention_rows(X[0], torch.arange(80), alpha=1e8)
    torch.testing.assert_close(effective_neighbours(A), torch.ones(80, dtype=A.dtype), rtol=1e-3, atol=0)


def test_same_settings_same_latents() -> None:
    Y = tokens(200).astype(np.float32)
    first, second = (trajectory(Y, Config(n_components=32)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    other = trajectory(Y, Config(n_components=32, random_state=43))
    assert not torch.allclose(first[-1], other[-1])


@pytest.mark.parametrize(
    ("Y", "sentence"),
    [
        (np.ones((1, 5)), "at least two tokens"),
        (np.ones((0, 5)), "at least two tokens"),
        (np.ones((3, 0)), "must be a matrix"),
        (np.ones(4), "must be a matrix"),
        (np.array([["a", "b"], ["c", "d"]]), "must be real numbers"),
        (np.array([[1, None], [2, 3]], dtype=object), "must be real numbers"),
        (np.ones((2, 2), dtype=complex), "must be real numbers"),
        (np.array([[1.0, 2], [np.nan, 1]]), "row 1 of the data holds NaN or infinity"),
        (np.array([[1.0, 2], [np.inf, 1]]), "row 1 of the data holds NaN or infinity"),
        (np.zeros((3, 2)), "all tokens are blank"),
        (np.zeros((3, 2), dtype=np.uint8), "all tokens are blank"),
        (np.array([[1e308, 1e308], [1, 2]]), "too large"),
    ],
)
def test_bad_tokens_are_one_sentence(Y: np.ndarray, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        list(unroll(Y, Config()))
    assert "\n" not in str(caught.value)


def test_a_missing_gpu_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, None)
    with pytest.raises(InputError, match=r"finds no CUDA GPU.*use 'auto' or 'cpu'"):
        list(unroll(tokens(5), Config(device="cuda")))


def test_pca_needs_as_many_tokens_and_values_as_components() -> None:
    with pytest.raises(InputError, match="use at most 30"):
        list(unroll(tokens(50, d=30), Config(projection="pca")))


def test_pca_projection_is_the_principal_scores() -> None:
    from sklearn.decomposition import PCA

    Y = tokens(50)
    start = next(iter(unroll(Y, Config(projection="pca", n_components=4)))).X.numpy()
    np.testing.assert_allclose(start, PCA(4, svd_solver="full").fit_transform(Y), atol=1e-10)


@pytest.mark.parametrize(
    ("device", "precision", "bound"),
    [
        (device, precision, bound)
        for device in DEVICES
        for precision, bound in (("bfloat16", 5e-2), ("float32", 1e-4), ("float64", 1e-11))
        if precision != "float64" or device in WITH_FLOAT64
    ],
)
def test_every_device_and_precision_equals_float64_on_the_cpu(device: str, precision: str, bound: float) -> None:
    Y = tokens(500)
    exact = trajectory(Y, Config(device="cpu", precision="float64"))[-1]
    config = Config(device=device, precision=precision)
    replaced = precision == "bfloat16" and not has_bfloat16(device)
    with pytest.warns(UserWarning, match="bfloat16") if replaced else nullcontext():
        found = trajectory(Y, config)[-1].cpu()
    assert oracle.relative_error(found, exact) < (1e-4 if replaced else bound)
