"""The tiles against torch's own attention in float64: every routine, shape, mask, temperature and number of heads."""

import subprocess
import sys
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dr_transformer.config import Config
from dr_transformer.data.dataset import load
from dr_transformer.engine.jobs import Cancelled
from dr_transformer.engine.run import Run
from dr_transformer.hardware import products
from dr_transformer.hardware.products import multiplies_bfloat16
from dr_transformer.model import kernels
from dr_transformer.model.attention import attend
from dr_transformer.model.kernels import weighted_means
from dr_transformer.model.unroll import layer_norm, resolve_products, unroll
from dr_transformer.quality.metrics import knn_accuracy
from tests.helpers import oracle
from tests.helpers.machine import DEVICES, WITH_FLOAT64

# Of A X, relative to its largest value, at α = 30: latents, products, bound
PRECISIONS = [
    (torch.float64, torch.float64, 1e-13),
    (torch.float32, torch.float32, 2e-6),
    (torch.float32, torch.bfloat16, 2.5e-2),
]
_NAMES = ["float64", "float32", "bfloat16"]
by_precision = pytest.mark.parametrize(("latents", "by", "bound"), PRECISIONS, ids=_NAMES)
by_device_and_precision = pytest.mark.parametrize(
    ("device", "latents", "by", "bound"),
    [
        pytest.param(device, *formats, id=f"{device}-{name}")
        for device in DEVICES
        for formats, name in zip(PRECISIONS, _NAMES, strict=True)
        if device in WITH_FLOAT64 or name == "float32"  # an Apple GPU computes in no other
    ],
)


@pytest.fixture(params=["onednn", "plain"])
def routine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both routines for products, whichever this processor would choose of those that it has.

    Where it has no bfloat16, oneDNN refuses such products; there the choice is to be the plain routine, and float32.
    """
    formats = {torch.float32, torch.bfloat16}
    if not multiplies_bfloat16(torch.device("cpu")):
        formats.remove(torch.bfloat16)
        assert products.Products(torch.bfloat16, torch.device("cpu"))._linear is None
        assert resolve_products(Config(precision="bfloat16"), torch.float32, 10, torch.device("cpu")) == torch.float32
    which = request.param == "onednn" and torch.backends.mkldnn.is_available()
    monkeypatch.setattr(products, "_onednn_is_faster", lambda dtype: which and dtype in formats)
    return request.param


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many tiles of few tokens, the last ones smaller, on each device."""
    for device in DEVICES:
        monkeypatch.setitem(kernels._TILE, device, 37)


def tokens(n: int, q: int, seed: int = 0) -> Tensor:
    """LayerNormed rows (n, q), float64, in clusters."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(5, q))[rng.integers(5, size=n)] + 0.5 * rng.normal(size=(n, q))
    return layer_norm(torch.from_numpy(X), n)


def reference(queries: Tensor, keys: Tensor, alpha: float, n_heads: int = 1, masked: Tensor | None = None) -> Tensor:
    """A keys by `torch.nn.MultiheadAttention` in float64, with a dense mask; 2η = 1 leaves the values as they are."""
    q, k = keys.shape[1], len(keys)
    config = Config(n_components=q, n_heads=n_heads, alpha=alpha, eta=0.5, activation="relu")
    layer = oracle.layer(config, k, torch.float64).self_attn
    mask = torch.zeros(len(queries), k, dtype=torch.float64)
    if masked is not None:
        which = torch.nonzero(masked >= 0).squeeze(1)
        mask[which, masked[which]] = -torch.inf
    Q, K = queries.double()[None], keys.double()[None]
    with torch.no_grad():
        result: Tensor = layer(Q, K, K, attn_mask=mask, need_weights=False)[0][0]
    return result


@by_device_and_precision
@pytest.mark.parametrize(("n", "q", "n_heads"), [(2, 3, 1), (40, 12, 3), (1535, 16, 1), (1536, 8, 2), (1540, 128, 1)])
@pytest.mark.parametrize("masks", [True, False])
def test_self_attention_is_torchs(
    routine: str,
    n: int,
    q: int,
    n_heads: int,
    masks: bool,
    device: str,
    latents: torch.dtype,
    by: torch.dtype,
    bound: float,
) -> None:
    X = tokens(n, q)
    masked = torch.arange(n, device=device) if masks else None
    own = X.to(latents).to(device)
    result = attend(own, own, alpha=30, n_samples=n, n_heads=n_heads, masked=masked, products=by).cpu()
    assert result.dtype == latents
    expected = reference(X, X, 30, n_heads, torch.arange(n) if masks else None)
    assert oracle.relative_error(result, expected) < bound * n_heads


@by_device_and_precision
@pytest.mark.parametrize("m", [0, 1, 50, 1600])
def test_attention_to_others_is_torchs(
    routine: str, m: int, device: str, latents: torch.dtype, by: torch.dtype, bound: float
) -> None:
    """Some queries are masked from a key, others from none (−1)."""
    keys, queries = tokens(1600, 16), layer_norm(torch.from_numpy(np.random.default_rng(1).normal(size=(m, 16))), 1600)
    masked = torch.from_numpy(np.random.default_rng(2).integers(-1, 1600, size=m))
    masked[::3] = -1
    Q, K = queries.to(latents).to(device), keys.to(latents).to(device)
    result = attend(Q, K, alpha=30, n_samples=1600, masked=masked.to(device), products=by).cpu()
    assert result.shape == (m, 16)
    if m:
        assert oracle.relative_error(result, reference(queries, keys, 30, 1, masked)) < bound


@by_device_and_precision
@pytest.mark.parametrize("itself", [True, False])
@pytest.mark.parametrize("masks", ["none", "own", "some"])
@pytest.mark.usefixtures("small_tiles")
def test_many_tiles_are_torchs(
    routine: str, masks: str, itself: bool, device: str, latents: torch.dtype, by: torch.dtype, bound: float
) -> None:
    """Symmetric tiles and their transposes, plain ones, and masked keys on and off the diagonal; two heads."""
    X = tokens(301, 16)
    some = torch.from_numpy(np.random.default_rng(2).integers(-1, 301, size=301))
    masked = {"none": None, "own": torch.arange(301), "some": some}[masks]
    keys = X.to(latents).to(device)
    queries = keys if itself else keys.clone()
    there = {} if masked is None else {"masked": masked.to(device)}
    result = attend(queries, keys, alpha=30, n_samples=301, n_heads=2, products=by, **there).cpu()
    assert oracle.relative_error(result, reference(X, X, 30, 2, masked)) < bound * 2


@settings(max_examples=80, deadline=None)
@given(
    n=st.integers(2, 50),
    m=st.integers(1, 30),
    width=st.integers(2, 9),
    n_heads=st.integers(1, 3),
    alpha=st.floats(-3, 4).map(lambda exponent: 10**exponent),
    masks=st.sampled_from(["none", "own", "some"]),
    itself=st.booleans(),
    normed=st.booleans(),
    duplicated=st.integers(0, 10),
    tile=st.integers(4, 60),
    seed=st.integers(0, 1000),
)
def test_any_shape_mask_and_temperature(
    n: int,
    m: int,
    width: int,
    n_heads: int,
    alpha: float,
    masks: str,
    itself: bool,
    normed: bool,
    duplicated: int,
    tile: int,
    seed: int,
) -> None:
    """Equal and unequal norms, tiles larger than n and tiles that do not divide it, duplicates, α from 10⁻³ to 10⁴."""
    rng = np.random.default_rng(seed)
    X = torch.from_numpy(rng.normal(size=(n, n_heads * width)))
    X = layer_norm(X, n) if normed else X / n**0.5
    X = X[torch.from_numpy(rng.integers(0, max(1, n - duplicated), size=n))]  # tokens may coincide
    queries = X if itself else X[torch.from_numpy(rng.integers(0, n, size=m))] * 1.5
    masked = None
    if masks == "own" and itself:
        masked = torch.arange(n)
    elif masks != "none":
        masked = torch.from_numpy(rng.integers(-1, n, size=len(queries)))
    with patch.dict(kernels._TILE, {"cpu": tile}):
        result = attend(queries, X, alpha=alpha, n_samples=n, n_heads=n_heads, masked=masked)
        single = X.float()
        of_single = single if itself else queries.float()
        rough = attend(of_single, single, alpha=alpha, n_samples=n, n_heads=n_heads, masked=masked)
    # A logit of size 10 α is wrong by as many units in its last place, and a weight by that factor.
    assert oracle.relative_error(result, reference(queries, X, alpha, n_heads, masked)) < 1e-14 * (10 + 10 * alpha)
    exact = reference(of_single, single, alpha, n_heads, masked)
    assert oracle.relative_error(rough, exact) < min(1e-6 * (10 + 10 * alpha), 2.1)


@pytest.mark.parametrize("latents", [torch.float64, torch.float32])
@pytest.mark.parametrize("n_heads", [1, 4])
def test_half_of_the_tiles_is_as_good_as_all(routine: str, latents: torch.dtype, n_heads: int) -> None:
    """The symmetric kernel and the plain one agree; a copy of the keys is not known to be the keys."""
    X = tokens(1700, 16).to(latents)
    settings = {"alpha": 30.0, "n_samples": 1700, "n_heads": n_heads, "masked": torch.arange(1700)}
    bound = 1e-13 if latents == torch.float64 else 5e-6
    assert oracle.relative_error(attend(X, X, **settings), attend(X.clone(), X, **settings)) < bound


@pytest.mark.parametrize("alpha", [300.0, 1e4, 1e8])
@by_precision
def test_one_hot_rows_are_the_nearest_token(alpha: float, latents: torch.dtype, by: torch.dtype, bound: float) -> None:
    """The exponentials of all others underflow, and no row becomes 0 / 0."""
    X, masked = tokens(200, 8).to(latents), torch.arange(200)
    result = attend(X, X, alpha=alpha, n_samples=200, masked=masked, products=by)
    assert torch.isfinite(result).all()
    gram = (X.double() @ X.double().T).fill_diagonal_(-torch.inf)
    first, second = gram.topk(2, dim=1).values.T * (alpha * 200 / 8)
    clear = first - second > 50 + alpha * (2e-2 if by == torch.bfloat16 else 1e-6)
    assert alpha < 1e4 or clear.sum() > 20
    nearest = X[gram.argmax(dim=1)]
    torch.testing.assert_close(result[clear], nearest[clear], rtol=0, atol=1e-2 if by == torch.bfloat16 else 1e-6)


def test_logits_rounded_to_above_their_bound() -> None:
    """At α = 10¹¹ the rounding of a logit alone is more than exp can take; each token attends to itself alone."""
    X = tokens(100, 128).float()
    torch.testing.assert_close(attend(X, X, alpha=1e11, n_samples=100), X, rtol=0, atol=1e-6)


def test_rows_far_below_the_bound_are_compared_with_their_own_maximum() -> None:
    """One token has no neighbour near: it alone is lost in float32, and found again."""
    X = tokens(60, 8)
    X[17] = -X.mean(dim=0) * X[0].norm() / X.mean(dim=0).norm()  # away from all, at the same distance from the origin
    single, masked = X.float(), torch.arange(60)
    lost = weighted_means(single, single, 300 * 60 / 8, masked, symmetric=True, products=torch.float32).lost
    assert 17 in lost
    assert len(lost) < 60
    result = attend(single, single, alpha=300, n_samples=60, masked=masked)
    assert oracle.relative_error(result, reference(single, single, 300, 1, masked)) < 1e-4


def test_unequal_norms_beyond_the_range_of_floats() -> None:
    """Logits from 10⁻² to 10⁶: exp of the largest alone would be infinite."""
    rng = np.random.default_rng(0)
    X = torch.from_numpy(rng.normal(size=(50, 6)) * np.logspace(-2, 2, 50)[:, None])
    for dtype, bound in ((torch.float64, 1e-9), (torch.float32, 1e-2)):
        own = X.to(dtype)
        for masked in (None, torch.arange(50)):
            result = attend(own, own, alpha=5, n_samples=50, masked=masked)
            assert oracle.relative_error(result, reference(own, own, 5, 1, masked)) < bound


@pytest.mark.parametrize("by", [torch.float64, torch.float32, torch.bfloat16])
def test_same_bits_each_time(by: torch.dtype) -> None:
    X, masked = tokens(3200, 32).to(torch.float64 if by == torch.float64 else torch.float32), torch.arange(3200)
    first, second = (attend(X, X, alpha=30, n_samples=3200, masked=masked, products=by) for _ in range(2))
    assert torch.equal(first, second)


def test_bfloat16_after_eight_blocks() -> None:
    """The paper's setting: latents within 2e-3 (of their norm), and the same neighbours."""
    mnist = load("mnist")
    assert mnist.labels is not None
    exact = list(unroll(mnist.Y, Config(precision="float32", device="cpu")))[-1].X
    asked = Config(precision="bfloat16", device="cpu")
    if not multiplies_bfloat16(torch.device("cpu")):
        with pytest.warns(UserWarning, match="bfloat16"):
            assert torch.equal(list(unroll(mnist.Y, asked))[-1].X, exact)
        return
    rough = list(unroll(mnist.Y, asked))[-1].X
    assert rough.dtype == torch.float32
    assert 1e-5 < (rough - exact).norm() / exact.norm() < 2e-3
    accuracies = [knn_accuracy(X.numpy(), mnist.labels) for X in (exact, rough)]
    assert accuracies[1] == pytest.approx(accuracies[0], abs=2e-3)


@pytest.mark.parametrize(("itself", "tiles"), [(True, 10), (False, 16)])
def test_check_is_called_before_every_tile(itself: bool, tiles: int) -> None:
    X = tokens(100, 4)
    calls: list[int] = []

    def check() -> None:
        calls.append(1)
        if len(calls) == tiles + 3:
            raise Cancelled

    with patch.dict(kernels._TILE, {"cpu": 25}):
        attend(X if itself else X.clone(), X, alpha=3, n_samples=100, check=check)
        assert len(calls) == tiles
        with pytest.raises(Cancelled):
            list(unroll(X.numpy(), Config(n_components=4), check=check))
    assert len(calls) == tiles + 3


def test_a_run_without_owners_stops_before_the_next_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = load("digits", 300)
    run = Run(dataset, Config(n_components=8))
    run.owners.add("a")
    steps = run._steps(dataset.Y)
    assert [next(steps).name for _ in range(2)] == ["projection", "layer_norm_0"]
    run.owners.clear()
    monkeypatch.setattr(products.Products, "exponentials", lambda *_: pytest.fail("computed in vain"))
    with pytest.raises(Cancelled):
        next(steps)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_memory_beside_the_tokens_is_small(precision: str) -> None:
    """Two blocks of ten thousand tokens: the logits alone would take 400 MB."""
    code = f"""
import re, pathlib, torch
from dr_transformer.config import Config
from dr_transformer.model.unroll import layer_norm, run_block
def held(which):  # in kB; resource.getrusage would begin with the peak of the process that started this one
    return int(re.search(which + ":\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])
X, masked, config = layer_norm(torch.randn(10_000, 128), 10_000), torch.arange(10_000), Config(precision={precision!r})
before = held("VmRSS")
for _ in range(2):
    *_, (_, X) = run_block(X, X, config, masked)
print(1024 * (held("VmHWM") - before))
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0 < int(out.stdout) < 150e6
