"""The unrolled transformer: one generator that yields the latents after every sub-step.

    X ← LN(Y W_proj) / √n                     block 0
    X ← X + 2η A X        attention           A = softmax((αn/q) X Xᵀ, diagonal excluded); or X + 2η (A − I) X
    X ← LN(X) / √n        layer_norm_1
    X ← X − 2η X          feed_forward        with activation "relu": X − 2η relu(X)
    X ← LN(X) / √n        layer_norm_2

Ravuri & Lawrence, arXiv 2507.21040, sections 3 and 4.1. The same as `torch.nn.TransformerEncoderLayer` (post-norm) with
W_q = √(αn) I, W_k = √(αn/q) I, W_v = 2η I, linear1 = I, linear2 = −2η I, which the tests hold it against.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from dr_transformer.config import Config
from dr_transformer.errors import InputError
from dr_transformer.hardware.devices import device_for, has_float64
from dr_transformer.hardware.products import multiplies_bfloat16, without_bfloat16
from dr_transformer.model.attention import attend
from dr_transformer.model.magnitude import moderate
from dr_transformer.model.projection import Projection, fit_projection
from dr_transformer.types import Check

if TYPE_CHECKING:
    from torch import Tensor

LAYER_NORM_EPS = 1e-10
LARGE = 20_000  # tokens: beyond it "auto" may take bfloat16
SUB_STEPS = ("attention", "layer_norm_1", "feed_forward", "layer_norm_2")


class Step(NamedTuple):
    """The latents `X` (n, q) after sub-step `name` of block `block` (0: before the first block).

    After "attention", `effective` (n,) is to how many others each token attended, as `attention.attend` tells it.
    """

    block: int
    name: str
    X: Tensor
    effective: Tensor | None = None

    @property
    def ends_block(self) -> bool:
        """Tell whether these are the latents that the next block, or the reader, receives."""
        return self.name in ("layer_norm_0", "layer_norm_2")


def unroll(
    Y: npt.NDArray[np.generic], config: Config, projection: Projection | None = None, check: Check | None = None
) -> Iterator[Step]:
    """Push tokens Y (n, d) through the transformer, yielding each sub-step's latents as it is computed.

    First come `projection` (Y W_proj) and `layer_norm_0` (the latents of block 0), then the four `SUB_STEPS` of each
    block. Memory is O(n q): A is never held. Raises `InputError` for bad data or device. Stop iterating to cancel;
    within a step `check` is called every few milliseconds, and what it raises comes out of the iteration.
    """
    Y = check_tokens(Y)
    if (note := precision_note(config)) is not None:
        warnings.warn(note, stacklevel=2)
    projection = projection or fit_projection(Y, config)
    start = torch.from_numpy(projection(Y)).to(resolve_dtype(config, Y.dtype)).to(resolve_device(config, Y.dtype))
    X = layer_norm(moderate(start), len(Y))
    yield Step(0, "projection", start)
    yield Step(0, "layer_norm_0", X)
    masked = torch.arange(len(Y), device=X.device) if config.mask_self else None
    for block in range(1, config.n_blocks + 1):
        effective = torch.empty_like(X[:, 0])
        for name, latents in run_block(X, X, config, masked, check, effective):
            X = latents
            yield Step(block, name, X, effective if name == "attention" else None)


def run_block(
    X: Tensor,
    keys: Tensor,
    config: Config,
    masked: Tensor | None,
    check: Check | None = None,
    effective: Tensor | None = None,
) -> Iterator[tuple[str, Tensor]]:
    """One block: tokens X (m, q) attend to `keys` (n, q), for the fitted tokens themselves `keys = X`.

    Yields (name, latents) after each of the four `SUB_STEPS`. `masked`, `check` and `effective` are as in
    `attention.attend`.
    """
    n = len(keys)
    AX = attend(
        X,
        keys,
        alpha=config.alpha,
        n_samples=n,
        n_heads=config.n_heads,
        masked=masked,
        products=resolve_products(config, X.dtype, n, X.device),
        effective=effective,
        check=check,
    )
    if not AX.isfinite().all():
        raise InputError(
            f"attention at alpha = {config.alpha:g} is not finite: its logits are too large for "
            f"{str(X.dtype).removeprefix('torch.')}; use a smaller alpha."
        )
    X = X + 2 * config.eta * (AX - X if config.graph_diffusion else AX)
    yield "attention", X
    yield from after_attention(X, n, config)


def after_attention(X: Tensor, n_samples: int, config: Config) -> Iterator[tuple[str, Tensor]]:
    """The other three sub-steps of a block, from the latents X (m, q) that its attention left: row by row, O(m q)."""
    X = layer_norm(X, n_samples)
    yield "layer_norm_1", X
    X = X - 2 * config.eta * (torch.nn.functional.relu(X) if config.activation == "relu" else X)
    yield "feed_forward", X
    yield "layer_norm_2", layer_norm(X, n_samples)


def layer_norm(X: Tensor, n_samples: int) -> Tensor:
    """LN(X) / √n: every row of X (m, q) to mean 0 and norm √(q/n). Population variance, eps 1e-10, no bias."""
    return torch.nn.functional.layer_norm(X, X.shape[1:], eps=LAYER_NORM_EPS) / n_samples**0.5


def check_tokens(Y: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Return Y as a real numeric array (n, d), n ≥ 2, without NaN or infinity, or raise `InputError`."""
    Y = np.asarray(Y)
    if Y.dtype == bool:
        Y = Y.astype(np.uint8) * np.uint8(255)
    if Y.dtype.kind not in "uif":
        raise InputError(f"tokens must be real numbers, but the array holds {Y.dtype}.")
    if Y.ndim != 2 or Y.shape[1] == 0:
        raise InputError(f"tokens must be a matrix of rows (n_samples, n_features), but the shape is {Y.shape}.")
    if len(Y) < 2:
        raise InputError(f"a transformer needs at least two tokens to attend to each other, but there is {len(Y)}.")
    if Y.dtype.kind == "f" and not np.isfinite(Y).all():
        bad = int(np.flatnonzero(~np.isfinite(Y).all(axis=1))[0])
        raise InputError(f"row {bad} of the data holds NaN or infinity; remove or fill such values first.")
    return Y


def resolve_device(config: Config, data_dtype: np.dtype[np.generic], *, shared: bool = False) -> torch.device:
    """The torch device that `config.device` means on this machine, for data of that dtype.

    "auto" prefers the format to the accelerator: what is in float64 runs on the CPU if all there is is an Apple GPU.
    `shared`, and what raises `InputError`, are as in `devices.device_for`.
    """
    return device_for(config.device, resolve_dtype(config, data_dtype), shared=shared)


def latents_dtype(config: Config, data_dtype: np.dtype[Any]) -> np.dtype[np.floating]:
    """Return the dtype of the latents; "auto" keeps float64 data in float64, all else is float32 as in the paper.

    So are float64 data where an Apple GPU was asked for by name, and "auto" leaves the format open. It needs no torch,
    so pages may ask.
    """
    kept = config.precision == "auto" and data_dtype == np.float64 and has_float64(config.device)
    return np.dtype(np.float64 if kept or config.precision == "float64" else np.float32)


def resolve_dtype(config: Config, data_dtype: np.dtype[Any]) -> torch.dtype:
    """Return torch's name for `latents_dtype`."""
    return torch.float64 if latents_dtype(config, data_dtype) == np.float64 else torch.float32


def resolve_products(config: Config, latents: torch.dtype, n_samples: int, device: torch.device) -> torch.dtype:
    """The dtype of the operands of attention's products: tokens attend to `n_samples` keys, with `latents` in a dtype.

    "auto" is the latents' own, so that the paper's setting gives the published figure to the last digit. It is bfloat16
    where that is worth it (float32 latents of more than `LARGE` tokens), right to 2e-3 (one head, α up to the paper's)
    and done by the processor itself; one that cannot takes float32, also where bfloat16 was asked for: there that is
    ten times as fast, and more exact (`precision_note` says so). Nothing is timed: the same settings give the same
    picture on the same device.
    """
    if latents != torch.float32:
        return latents
    worth_it = n_samples > LARGE and config.alpha <= 30 and config.n_heads == 1
    wanted = config.precision == "bfloat16" or (config.precision == "auto" and worth_it)
    return torch.bfloat16 if wanted and multiplies_bfloat16(device) else torch.float32


def precision_note(config: Config) -> str | None:
    """Say in a sentence that another precision is taken than `config` asks for; None if it is the one asked for."""
    return without_bfloat16(device_for(config.device, torch.float32)) if config.precision == "bfloat16" else None


def resolve_precision(config: Config, data_dtype: np.dtype[np.generic], n_samples: int) -> str:
    """The precision of a run over `n_samples` tokens in words: "float64", "float32" or, of its products, "bfloat16"."""
    latents, device = resolve_dtype(config, data_dtype), resolve_device(config, data_dtype)
    return str(resolve_products(config, latents, n_samples, device)).removeprefix("torch.")
