"""The plain reference: `torch.nn.TransformerEncoderLayer` with the paper's weights, a dense mask, and all it costs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from dr_transformer.config import Config

if TYPE_CHECKING:
    from torch import Tensor


def layer(config: Config, n: int, dtype: torch.dtype) -> torch.nn.TransformerEncoderLayer:
    """Post-norm encoder layer with W_q = √(αn) I, W_k = √(αn/d_h) I, W_v = 2η I, linear1 = I, linear2 = −2η I."""
    q, heads = config.n_components, config.n_heads
    activation = torch.nn.ReLU() if config.activation == "relu" else torch.nn.Identity()
    oracle = torch.nn.TransformerEncoderLayer(
        q,
        heads,
        q,
        dropout=0.0,
        activation=activation,
        layer_norm_eps=1e-10,
        norm_first=False,
        batch_first=True,
        dtype=dtype,
    )
    eye = torch.eye(q, dtype=dtype)
    scales = (math.sqrt(config.alpha * n), math.sqrt(config.alpha * n / (q // heads)), 2 * config.eta)
    with torch.no_grad():
        oracle.self_attn.in_proj_weight.copy_(torch.cat([scale * eye for scale in scales]))
        oracle.self_attn.in_proj_bias.zero_()
        oracle.self_attn.out_proj.weight.copy_(eye)
        oracle.self_attn.out_proj.bias.zero_()
        oracle.linear1.weight.copy_(eye)
        oracle.linear1.bias.zero_()
        oracle.linear2.weight.copy_(-2 * config.eta * eye)
        oracle.linear2.bias.zero_()
        for norm in (oracle.norm1, oracle.norm2):
            norm.weight.fill_(1 / math.sqrt(n))
            norm.bias.zero_()
    return oracle.train()  # eval() would take torch's fused path, whose masking differs between versions


def mask(config: Config, n: int, dtype: torch.dtype) -> Tensor | None:
    """−∞ on the diagonal, or none."""
    return torch.zeros(n, n, dtype=dtype).fill_diagonal_(-torch.inf) if config.mask_self else None
