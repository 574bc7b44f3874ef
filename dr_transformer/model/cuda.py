"""Self-attention on a GPU in one fused kernel: PyTorch's FlexAttention, compiled, where each token leaves itself out.

A tile of `kernels.py` goes through a GPU's memory several times; the fused kernel keeps it on the chip (as
flash attention does, Dao et al., arXiv 2205.14135) and compares each row with its own maximum, so that none is lost.
It is taken for bfloat16 products alone: with operands rounded to TF32's 10 bits, as tensor cores take float32, A X is
wrong by 1e-4, where float32 promises 1e-5.

How much faster it is has not been measured. Whether it is right is tried on the device before it is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor

Attention = Callable[..., Any]  # of FlexAttention's signature

_FROM = 8192  # tokens: what one tile holds is done before a kernel would be compiled
_BLOCK = 128  # rows and columns that the mask tells apart, FlexAttention's own default
_LEAST_WIDTH = 16  # of a head, in Triton's products; and a power of two
_TRIED_WITH = 300  # tokens, no multiple of _BLOCK


def means_of_others(X: Tensor, scale: float, products: torch.dtype) -> Tensor | None:
    """Means of X (n, d) with weights softmax(scale · X Xᵀ), diagonal excluded: (n, d); None where tiles are to do it.

    That is anywhere but on a GPU with bfloat16 products of more than 8 192 tokens, and where PyTorch cannot compile the
    kernel or it is wrong. A GPU without memory for it raises torch's error.
    """
    if not _is_for(X.device, products, len(X)):
        return None
    attention = _compiled(X.device, _padded_width(X.shape[1]))
    if attention is None:
        return None
    try:
        return fused_means(X, scale, products, attention)
    except torch.cuda.OutOfMemoryError:
        raise
    except (RuntimeError, NotImplementedError):  # what was compiled for a few tokens need not be for many
        return None


def fused_means(X: Tensor, scale: float, products: torch.dtype, attention: Attention) -> Tensor:
    """`means_of_others` by `attention`: `flex_attention` of torch, compiled or not, on any device.

    X has the dtype of the result; operands of the products and what `attention` returns are of the dtype `products`.
    """
    n, width = X.shape
    centre = X.mean(dim=0)
    # √scale on both sides instead of FlexAttention's own factor, which is part of a kernel: a new α would compile again
    keys = _as_heads(X * math.sqrt(scale), products)
    values = _as_heads(X - centre, products)
    means = attention(keys, keys, values, block_mask=_others(n, X.device), scale=1.0)
    return means[0, 0, :, :width].to(X.dtype).add_(centre)


def _is_for(device: torch.device, products: torch.dtype, n: int) -> bool:
    return device.type == "cuda" and products == torch.bfloat16 and n > _FROM


def _as_heads(X: Tensor, dtype: torch.dtype) -> Tensor:
    """(1, 1, n, a power of two): columns of zeros change no product, and are cut off again."""
    return torch.nn.functional.pad(X.to(dtype), (0, _padded_width(X.shape[1]) - X.shape[1]))[None, None]


def _padded_width(width: int) -> int:
    return max(_LEAST_WIDTH, 1 << (width - 1).bit_length())


def _is_other(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
    return query != key


def _others(n: int, device: torch.device) -> Any:
    """The mask of n tokens from themselves: only blocks on the diagonal, and those that end beyond n, need a look.

    `create_block_mask` would hold all of its n² entries first. This holds (n / 128)² numbers twice.
    """
    from torch.nn.attention.flex_attention import BlockMask

    block = torch.arange(math.ceil(n / _BLOCK), device=device)
    cut = (block + 1) * _BLOCK > n
    partly = (block[:, None] == block) | cut | cut[:, None]

    def listed(which: Tensor) -> tuple[Tensor, Tensor]:
        order = which.to(torch.uint8).argsort(dim=1, descending=True, stable=True)
        return which.sum(dim=1, dtype=torch.int32)[None, None], order.to(torch.int32)[None, None]

    return BlockMask.from_kv_blocks(
        *listed(partly), *listed(~partly), BLOCK_SIZE=_BLOCK, mask_mod=_is_other, seq_lengths=(n, n)
    )


@lru_cache(maxsize=16)
def _compiled(device: torch.device, width: int) -> Attention | None:
    """FlexAttention compiled for heads of `width`; None where PyTorch has it not, cannot compile it, or it is wrong."""
    try:
        from torch.nn.attention.flex_attention import flex_attention

        # One kernel for any n. Whole or not at all: in part it would be the plain way, which holds n × n.
        attention = torch.compile(flex_attention, fullgraph=True, dynamic=True)
        return attention if _is_right(partial(fused_means, attention=attention), device, width) else None
    except torch.cuda.OutOfMemoryError:
        raise
    except Exception:  # no compiler, no Triton, too old a GPU: each fails in its own way
        return None


def _is_right(means: Callable[[Tensor, float, torch.dtype], Tensor], device: torch.device, width: int) -> bool:
    """Tell whether `means` are those of a plain softmax in float64, up to the rounding of bfloat16: logits up to 10."""
    generator = torch.Generator().manual_seed(0)
    X = torch.nn.functional.normalize(torch.randn(_TRIED_WITH, width, generator=generator)).to(device)
    weights = (10 * X.double() @ X.T.double()).fill_diagonal_(-torch.inf).softmax(dim=1)
    expected = weights @ X.double()
    found = means(X, 10.0, torch.bfloat16).double()
    return bool((found - expected).abs().max() < 2e-2 * expected.abs().max())
