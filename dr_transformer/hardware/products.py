"""Matrix products of a tile, by the fastest routine that PyTorch has on this processor.

PyTorch multiplies float32 matrices on x86 by MKL, which keeps its AVX-512 kernels for Intel's processors; on AMD's,
oneDNN, which PyTorch carries too, is twice as fast, and 7 % faster where it may use AVX2 alone (measured on Zen 5).
bfloat16 goes through oneDNN, where the processor has it. Nothing here is timed: the choice depends on the processor and
on oneDNN's own switch, so that the same settings give the same picture there.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from dr_transformer.hardware.devices import accelerator, device_for, torch_is_loaded

if TYPE_CHECKING:
    from torch import Tensor


class Products:
    """Exponentials of a product, and products added to a total, with operands of `dtype` on `device`."""

    def __init__(self, dtype: torch.dtype, device: torch.device) -> None:
        self.dtype = dtype
        self._linear = _onednn_linear() if device.type == "cpu" and _onednn_is_faster(dtype) else None
        self._widens = dtype == torch.bfloat16 and _multiplies_into_float32(device)
        self._tile = torch.empty(0, dtype=dtype, device=device)
        self._upright = device.type == "cpu" and self._linear is None

    def exponentials(self, left: Tensor, right: Tensor, bias: Tensor, least: float = 0.0) -> Tensor:
        """exp(left rightᵀ + bias), (m, k), for operands (m, d), (k, d) and (k,). Valid until the next call.

        The bias is added before the logits are rounded to `dtype`. `least` is a bound below all logits: where they may
        fall out of the format's normal numbers, those that do give 0, for products of denormal numbers take ten times
        as long.
        """
        if self._linear is not None:
            logits = self._linear(left, right, bias, "none", [], "")
        else:
            shape = len(left), len(right)
            if self._tile.numel() < math.prod(shape):
                self._tile = left.new_empty(math.prod(shape))
            logits = torch.addmm(bias, left, right.T, out=self._tile[: math.prod(shape)].view(shape))
        smallest = math.log(torch.finfo(self.dtype).tiny)
        if least < smallest:
            torch.threshold_(logits, smallest, -math.inf)
        return logits.exp_()

    def values(self, V: Tensor) -> Tensor:
        """The values (k, d) as `add` wants them: as they are, or (d + 1, k) with a row of ones."""
        V = V.to(self.dtype)
        return V if self._upright else torch.cat([V.T, V.new_ones((1, len(V)))])

    def total(self, like: Tensor) -> Total:
        """Nothing yet, for the rows of `like` (m, d) and values of its width, in its dtype."""
        m, width = like.shape
        if self._upright:
            return Total(like.new_zeros((m, width)), like.new_zeros(m))
        turned = like.new_zeros((width + 1, m))
        return Total(turned[:-1].T, turned[-1], turned)

    def add(self, total: Total, E: Tensor, values: Tensor) -> None:
        """Add E V and Σ E of a tile E (m, k), or of a transposed one, to the total of its rows, in place.

        MKL is quickest with E on the left, oneDNN and GPUs with Vᵀ; there a row of ones among the values gives Σ E for
        little. The total may be of a wider format than E.
        """
        weighted, sums, turned = total
        if turned is None:
            sums += E.sum(1, dtype=sums.dtype)
            if weighted.dtype == self.dtype:
                weighted.addmm_(E, values)
            else:
                weighted.addmm_(E.to(weighted.dtype), values.to(weighted.dtype))  # not rounded once more
        elif self._linear is not None:
            turned += self._linear(values, E, None, "none", [], "")
        elif turned.dtype == self.dtype:
            turned.addmm_(values, E.T)
        elif self._widens and turned.dtype == torch.float32:
            turned += torch.mm(values, E.T, out_dtype=torch.float32)  # not rounded to bfloat16 in between
        else:
            turned += torch.mm(values, E.T)


class Total(NamedTuple):
    """Σ E V (m, d) and Σ E (m,) over tiles E; `turned` (d + 1, m) holds both where the products give them so."""

    weighted: Tensor
    sums: Tensor
    turned: Tensor | None = None


def multiplies_bfloat16(device: torch.device) -> bool:
    """Tell whether the processor itself multiplies bfloat16: by AVX512_BF16 or AMX; on a GPU, from capability 8.0 on.

    On a CPU PyTorch's oneDNN has to be allowed to do it as well.
    """
    if device.type == "cuda":
        return torch.cuda.is_available() and torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu" or _onednn_limit() != "all":
        return False
    found = _capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


def without_bfloat16(device: torch.device) -> str | None:
    """Say in a sentence why products on this device are not taken in bfloat16; None where they are."""
    return None if multiplies_bfloat16(device) else _without_bfloat16(device.type)


def bfloat16_is_offered() -> bool:
    """Tell whether bfloat16 is of use where "auto" computes; without torch where it is not loaded and Linux tells."""
    flags = Path("/proc/cpuinfo")
    if torch_is_loaded() or accelerator() is not None or not flags.exists():
        return multiplies_bfloat16(device_for("auto", torch.float32))
    return _onednn_limit() == "all" and re.search(r"\b(avx512_bf16|amx_bf16)\b", flags.read_text()) is not None


def bfloat16_refusal() -> str:
    """Return the sentence on bfloat16 where it is not offered; without torch, as `bfloat16_is_offered`."""
    return _without_bfloat16("cpu" if accelerator() is None else "gpu")


def _without_bfloat16(device: str) -> str:
    processor = "processor" if device == "cpu" else "GPU"
    return (
        f"This {processor} does not multiply bfloat16 itself, so products are in float32, which is faster here and "
        "exact to more digits."
    )


def _multiplies_into_float32(device: torch.device) -> bool:
    """Tell whether torch.mm gives bfloat16 operands a float32 result: `out_dtype`, on a GPU, since PyTorch 2.8."""
    return device.type == "cuda" and hasattr(torch.ops.aten.mm, "dtype")


def _onednn_is_faster(dtype: torch.dtype) -> bool:
    if dtype == torch.bfloat16:
        return multiplies_bfloat16(torch.device("cpu"))
    found = _capabilities()
    amd = str(found.get("cpu_name", "")).startswith("AMD")
    return dtype == torch.float32 and amd and bool(found.get("avx2")) and _onednn_limit() != "none"


def _onednn_limit() -> str:
    """Return what oneDNN's own switch leaves it of the processor: "all", "float32" alone, or "none" that is worth
    it.
    """
    limit = (os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or "all").lower()
    if limit in ("sse41", "avx"):
        return "none"
    return "float32" if limit.startswith("avx2") or limit in ("avx512_core", "avx512_core_vnni") else "all"


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
