"""The fused kernel's mathematics, by FlexAttention as it runs anywhere; on a GPU, where there is one, compiled too."""

from functools import partial

import pytest
import torch
from torch import Tensor
from torch._dynamo.testing import CompileCounter
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from dr_transformer.model import attention, cuda
from dr_transformer.model.attention import attend
from dr_transformer.model.cuda import fused_means, means_of_others
from tests.helpers.machine import DEVICES
from tests.helpers.oracle import relative_error
from tests.model.test_attention import reference, tokens

CPU = torch.device("cpu")
pytestmark = pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")


@pytest.mark.parametrize("n", [2, 3, 127, 128, 129, 300, 513])
@pytest.mark.parametrize("q", [3, 16, 100])
@pytest.mark.parametrize(
    ("dtype", "bound"), [(torch.float64, 1e-12), (torch.float32, 1e-6), (torch.bfloat16, 2e-2)], ids=str
)
def test_it_is_torchs_attention(n: int, q: int, dtype: torch.dtype, bound: float) -> None:
    """One block and many, blocks cut by the end, a head that needs columns of zeros; values far from 0 are centred."""
    X = tokens(n, q)
    latents = X if dtype == torch.float64 else X.float()
    result = fused_means(latents, 30 * n / q, dtype, flex_attention)
    assert result.dtype == latents.dtype
    assert result.shape == (n, q)
    assert relative_error(result, reference(X, X, 30, 1, torch.arange(n))) < bound


def test_values_are_centred() -> None:
    """Far from 0 bfloat16 has two digits, which are not wasted on what all tokens share: the queries hardly differ."""
    X = tokens(200, 8).float()
    far = X + 100
    found = fused_means(far, 1e-6, torch.bfloat16, flex_attention)
    others = (far.double().sum(dim=0) - far.double()) / 199
    assert (found - others).abs().max() < 1e-3


@pytest.mark.parametrize("n", [1, 2, 128, 129, 300, 513, 1024])
def test_the_mask_is_that_of_create_block_mask(n: int) -> None:
    ours, theirs = cuda._others(n, CPU), create_block_mask(cuda._is_other, None, None, n, n, "cpu")
    seen = torch.zeros(2, *ours.kv_indices.shape[2:])
    for blocks, indices, which in [
        (ours.kv_num_blocks, ours.kv_indices, 0),
        (ours.full_kv_num_blocks, ours.full_kv_indices, 1),
    ]:
        for row, count in enumerate(blocks[0, 0].tolist()):
            seen[which, row, indices[0, 0, row, :count].long()] += 1
    assert torch.equal(seen.sum(dim=0), torch.ones_like(seen[0]))  # each block once
    assert ours.shape == theirs.shape
    assert torch.equal(ours.full_kv_num_blocks, theirs.full_kv_num_blocks)
    assert (ours.kv_num_blocks - theirs.kv_num_blocks).abs().sum() <= 1  # a last block of one token alone is empty


def test_one_kernel_serves_any_n_and_alpha() -> None:
    """Compiled as for a GPU, up to the code: once, and whole."""
    counter = CompileCounter()
    torch._dynamo.reset()
    compiled = torch.compile(flex_attention, fullgraph=True, dynamic=True, backend=counter)
    for n, alpha in ((300, 30), (701, 10), (1024, 3)):
        X = tokens(n, 16)
        result = fused_means(X, alpha * n / 16, torch.float64, compiled)
        assert relative_error(result, reference(X, X, alpha, 1, torch.arange(n))) < 1e-12
    torch._dynamo.reset()
    assert counter.frame_count == 1


def test_attend_takes_it_where_each_token_leaves_itself_out(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def means(K: Tensor, scale: float, products: torch.dtype) -> Tensor:
        calls.append(K.shape[1])
        return fused_means(K, scale, products, flex_attention)

    monkeypatch.setattr(attention, "means_of_others", means)
    X, own = tokens(200, 12), torch.arange(200)
    for n_heads in (1, 3):
        result = attend(X, X, alpha=30, n_samples=200, n_heads=n_heads, masked=own)
        assert relative_error(result, reference(X, X, 30, n_heads, own)) < 1e-12
    assert calls == [12, 4, 4, 4]
    for queries, masked in [(X, None), (X, own.flip(0)), (X.clone(), own), (X[:50], own[:50])]:
        result = attend(queries, X, alpha=30, n_samples=200, masked=masked)
        assert relative_error(result, reference(queries, X, 30, 1, masked)) < 1e-12
    assert len(calls) == 4


@pytest.mark.parametrize("device", DEVICES)
def test_on_a_gpu_it_is_compiled_and_right(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU keeps its tiles."""
    monkeypatch.setattr(cuda, "_FROM", 100)
    X = tokens(1000, 48).float()
    there, own = X.to(device), torch.arange(1000, device=device)
    capable = device == "cuda" and torch.cuda.get_device_capability() >= (8, 0)
    fused = means_of_others(there, 30 * 1000 / 48, torch.bfloat16)
    assert (fused is not None) == capable
    assert means_of_others(there, 30 * 1000 / 48, torch.float32) is None
    assert means_of_others(there[:100], 30 * 1000 / 48, torch.bfloat16) is None
    result = attend(there, there, alpha=30, n_samples=1000, masked=own, products=torch.bfloat16).cpu()
    assert relative_error(result, reference(X, X, 30, 1, own.cpu())) < 2e-2


def test_when_it_is_worth_it() -> None:
    gpu = torch.device("cuda")
    assert cuda._is_for(gpu, torch.bfloat16, 8193)
    assert not cuda._is_for(gpu, torch.bfloat16, 8192)
    for dtype in (torch.float32, torch.float64):
        assert not cuda._is_for(gpu, dtype, 10**6)
    assert not cuda._is_for(CPU, torch.bfloat16, 10**6)


def test_what_cannot_be_compiled_or_is_wrong_is_left_to_the_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    X = tokens(300, 16).float()
    monkeypatch.setattr(cuda, "_is_for", lambda *_: True)
    find = cuda._compiled.__wrapped__
    monkeypatch.setattr(cuda, "_compiled", find)

    def kernel(Q: Tensor, K: Tensor, V: Tensor, masked: float, **_: object) -> Tensor:
        own = torch.eye(Q.shape[2], dtype=torch.bool)
        return (Q.float() @ K.float().mT).masked_fill(own, masked).softmax(dim=-1).bfloat16() @ V

    for masked, expected in [(-torch.inf, True), (10.0, False)]:
        monkeypatch.setattr(torch, "compile", lambda *_, masked=masked, **__: partial(kernel, masked=masked))
        assert (means_of_others(X, 30 * 300 / 16, torch.bfloat16) is not None) == expected

    def failing(error: Exception) -> Tensor:
        raise error

    for error in (RuntimeError("no C++ compiler"), NotImplementedError("NYI"), ImportError("no triton")):
        monkeypatch.setattr(torch, "compile", lambda *_, error=error, **__: failing(error))
        assert means_of_others(X, 30 * 300 / 16, torch.bfloat16) is None
        monkeypatch.setattr(torch, "compile", lambda *_, error=error, **__: lambda *_, **__: failing(error))
        assert means_of_others(X, 30 * 300 / 16, torch.bfloat16) is None


def test_what_fails_for_many_tokens_is_left_to_the_tiles_but_too_little_memory_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cuda, "_is_for", lambda *_: True)
    for error in (RuntimeError("too many shared bytes"), torch.cuda.OutOfMemoryError("no memory")):

        def kernel(*_: object, error: Exception = error, **__: object) -> Tensor:
            raise error

        monkeypatch.setattr(cuda, "_compiled", lambda *_, kernel=kernel: kernel)
        if isinstance(error, torch.cuda.OutOfMemoryError):
            with pytest.raises(torch.cuda.OutOfMemoryError):
                means_of_others(tokens(300, 16).float(), 500, torch.bfloat16)
        else:
            assert means_of_others(tokens(300, 16).float(), 500, torch.bfloat16) is None


def test_tf32_would_not_keep_what_float32_promises() -> None:
    """Why the fused kernel is for bfloat16 alone: ten bits, as tensor cores take float32, emulated."""
    X, own = tokens(500, 32), torch.arange(500)
    single = X.float()
    rounded = ((single.view(torch.int32) + 0x1000) & ~0x1FFF).view(torch.float32)
    expected = reference(single, single, 30, 1, own)
    assert relative_error(attend(single, single, alpha=30, n_samples=500, masked=own), expected) < 1e-5
    coarse = fused_means(rounded, 30 * 500 / 32, torch.float32, flex_attention)
    assert relative_error(coarse, expected) > 5e-5
