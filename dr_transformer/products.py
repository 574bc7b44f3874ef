"""Matrix products of a tile, by the fastest routine that PyTorch has on this processor.

PyTorch multiplies float32 matrices on x86 by MKL, which keeps its AVX-512 kernels for Intel's processors; on AMD's,
oneDNN, which PyTorch carries too, is 2.3 times as fast. bfloat16 always goes through oneDNN. Nothing here is timed: the
choice depends on the processor alone, so that the same settings give the same picture on it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor


class Products:
    """Exponentials of a product, and products added to a total, with operands of `dtype` on `device`."""

    def __init__(self, dtype: torch.dtype, device: torch.device) -> None:
        self.dtype = dtype
        self._linear = _onednn_linear() if device.type == "cpu" and _onednn_is_faster(dtype) else None
        self._widens = dtype == torch.bfloat16 and _multiplies_into_float32(device)
        self._tile = torch.empty(0, dtype=dtype, device=device)

    def exponentials(self, left: Tensor, right: Tensor, bias: Tensor) -> Tensor:
        """exp(left rightᵀ + bias), (m, k), for operands (m, d), (k, d) and (k,). Valid until the next call.

        The bias is added before the logits are rounded to `dtype`.
        """
        if self._linear is not None:
            return self._linear(left, right, bias, "none", [], "").exp_()
        shape = len(left), len(right)
        if self._tile.numel() < math.prod(shape):
            self._tile = left.new_empty(math.prod(shape))
        return torch.addmm(bias, left, right.T, out=self._tile[: math.prod(shape)].view(shape)).exp_()

    def add(self, total: Tensor, left: Tensor, right: Tensor) -> None:
        """Add left right to `total`, in place. The total may be of a wider format than the operands."""
        if self._linear is not None:
            total += self._linear(left, right.T, None, "none", [], "")
        elif total.dtype == self.dtype:
            total.addmm_(left, right)
        elif self._widens and total.dtype == torch.float32:
            total += torch.mm(left, right, out_dtype=torch.float32)  # not rounded to bfloat16 in between
        else:
            total += torch.mm(left, right)


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the processor itself multiplies bfloat16: AVX512_BF16 or AMX on x86, compute capability 8.0 on a GPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    found = _capabilities()
    return device.type == "cpu" and bool(found.get("avx512_bf16") or found.get("amx_bf16"))


def _multiplies_into_float32(device: torch.device) -> bool:
    """Whether torch.mm gives bfloat16 operands a float32 result: `out_dtype`, on a GPU, since PyTorch 2.8."""
    return device.type == "cuda" and hasattr(torch.ops.aten.mm, "dtype")


def _onednn_is_faster(dtype: torch.dtype) -> bool:
    found = _capabilities()
    if dtype == torch.bfloat16:
        return multiplies_bfloat16(torch.device("cpu"))
    amd = str(found.get("cpu_name", "")).startswith("AMD")
    return dtype == torch.float32 and amd and bool(found.get("avx512_f"))


def _capabilities() -> Mapping[str, Any]:
    # Not in older versions of PyTorch, where all there is to lose is speed.
    return torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}


@lru_cache(maxsize=1)
def _onednn_linear() -> Any:
    """X Wᵀ + b by oneDNN, as torch.compile calls it too; None where PyTorch has it not, or not as expected."""
    X, W, b = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 5.0], [7.0, 11.0]]), torch.tensor([0.5, 0.25])
    try:
        linear = torch.ops.mkldnn._linear_pointwise
        right = torch.equal(linear(X, W, b, "none", [], ""), torch.tensor([[13.5, 29.25]]))
    except (AttributeError, RuntimeError, TypeError):
        return None
    return linear if right else None
