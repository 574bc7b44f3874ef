"""The decoder language model, GPT-2 as nanoGPT has it, and the vision transformer, each with one of three attentions.

Names and shapes are nanoGPT's. Shapes in comments: B batch, T tokens, C = n_embd, H = n_head.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from dr_transformer.errors import InputError
from dr_transformer.training.settings import ATTENTIONS, LMSettings, Settings, ViTSettings

INIT_STD = 0.02  # of GPT-2's weights


class SelfAttention(nn.Module):
    """Multi-head attention; returns (B, T, C). The variants differ in the subtraction after `att @ v` alone.

    `a` is None for standard attention (A), 1 for the graph Laplacian's negative (A − I), or the scalar parameter a of
    A − aI, shape (). With dropout, entries of A are dropped, never those of I.
    """

    def __init__(self, settings: Settings, a: nn.Parameter | float | None, *, causal: bool) -> None:
        super().__init__()
        self.n_head, self.dropout, self.causal = settings.n_head, settings.dropout, causal
        self.c_attn = nn.Linear(settings.n_embd, 3 * settings.n_embd, bias=settings.bias)
        self.c_proj = nn.Linear(settings.n_embd, settings.n_embd, bias=settings.bias)
        self.resid_dropout = nn.Dropout(settings.dropout)
        self.a = a

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) → (B, T, C)."""
        B, T, C = x.shape
        q, k, v = (part.view(B, T, self.n_head, -1).transpose(1, 2) for part in self.c_attn(x).split(C, dim=2))
        dropout = self.dropout if self.training else 0.0
        y = functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=self.causal)  # (B, H, T, C/H)
        if self.a is not None:
            y = y - self.a * v
        return self.resid_dropout(self.c_proj(y.transpose(1, 2).reshape(B, T, C)))


class MLP(nn.Module):
    """The feed-forward part, C → 4C → C, with GELU."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.c_fc = nn.Linear(settings.n_embd, 4 * settings.n_embd, bias=settings.bias)
        self.c_proj = nn.Linear(4 * settings.n_embd, settings.n_embd, bias=settings.bias)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) → (B, T, C)."""
        return self.dropout(self.c_proj(functional.gelu(self.c_fc(x))))


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x))."""

    def __init__(self, settings: Settings, a: nn.Parameter | float | None, *, causal: bool) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(settings.n_embd, bias=settings.bias)
        self.attn = SelfAttention(settings, a, causal=causal)
        self.ln_2 = nn.LayerNorm(settings.n_embd, bias=settings.bias)
        self.mlp = MLP(settings)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) → (B, T, C)."""
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


def make_blocks(settings: Settings, attention: str, *, causal: bool) -> nn.ModuleList:
    """Return all blocks of a model.

    "learned": one scalar a for all of them, or one each, as `settings.a_per_layer` says.
    """
    if attention not in ATTENTIONS:
        raise InputError(f"unknown attention {attention!r}; choose one of {', '.join(ATTENTIONS)}.")

    def scalar() -> nn.Parameter:
        return nn.Parameter(torch.empty(()), requires_grad=settings.a_learned)

    one_for_all = scalar() if attention == "learned" and not settings.a_per_layer else None

    def term() -> nn.Parameter | float | None:
        if attention == "learned":
            return scalar() if one_for_all is None else one_for_all
        return 1.0 if attention == "laplacian" else None

    return nn.ModuleList([Block(settings, term(), causal=causal) for _ in range(settings.n_layer)])


class LanguageModel(nn.Module):
    """Tokens (B, T), T ≤ block_size, to logits of the next token (B, T, vocab_size).

    The output shares its matrix with the token embedding, as in GPT-2. Parameters have no values until
    `initialise` gives them.
    """

    def __init__(self, settings: LMSettings, vocab_size: int, attention: str) -> None:
        super().__init__()
        self.wte = nn.Embedding(vocab_size, settings.n_embd)
        self.wpe = nn.Embedding(settings.block_size, settings.n_embd)
        self.drop = nn.Dropout(settings.dropout)
        self.h = make_blocks(settings, attention, causal=True)
        self.ln_f = nn.LayerNorm(settings.n_embd, bias=settings.bias)

    def forward(self, idx: Tensor) -> Tensor:
        """(B, T) → (B, T, vocab_size)."""
        positions = torch.arange(idx.shape[1], device=idx.device)
        x = self.drop(self.wte(idx) + self.wpe(positions))
        for block in self.h:
            x = block(x)
        return functional.linear(self.ln_f(x), self.wte.weight)


class VisionTransformer(nn.Module):
    """Images (B, channels, side, side) to logits of the classes (B, n_classes), read from a class token.

    As of Dosovitskiy et al. (2021). Parameters have no values until `initialise` gives them.
    """

    def __init__(self, settings: ViTSettings, channels: int, side: int, n_classes: int, attention: str) -> None:
        super().__init__()
        self.patch_size = settings.patch_size
        if side % self.patch_size:
            raise InputError(
                f"patch_size = {self.patch_size} does not divide the images' side {side}; choose one that does."
            )
        self.patches = nn.Linear(channels * self.patch_size**2, settings.n_embd, bias=settings.bias)
        self.cls = nn.Embedding(1, settings.n_embd)
        self.wpe = nn.Embedding(1 + (side // self.patch_size) ** 2, settings.n_embd)
        self.drop = nn.Dropout(settings.dropout)
        self.h = make_blocks(settings, attention, causal=False)
        self.ln_f = nn.LayerNorm(settings.n_embd, bias=settings.bias)
        self.head = nn.Linear(settings.n_embd, n_classes, bias=settings.bias)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, side, side) → (B, n_classes)."""
        B, channels, side, _ = images.shape
        p = self.patch_size
        patches = (
            images.view(B, channels, side // p, p, side // p, p)
            .permute(0, 2, 4, 1, 3, 5)
            .reshape(B, -1, channels * p * p)
        )
        tokens = torch.cat([self.cls.weight.expand(B, 1, -1), self.patches(patches)], dim=1)
        x = self.drop(tokens + self.wpe.weight)
        for block in self.h:
            x = block(x)
        return self.head(self.ln_f(x[:, 0]))


def initialise(model: nn.Module, settings: Settings, generator: torch.Generator) -> None:
    """GPT-2's initial weights, drawn from `generator` alone: N(0, 0.02²), biases 0, norms 1, a at its start.

    The projections back into the residual stream are drawn with 0.02 / √(2 n_layer). The scalar a is not drawn, so for
    one state of the generator all variants get the same weights.
    """
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            *_, owner, kind = name.split(".") if "." in name else ("", name)
            if kind == "a":
                parameter.fill_(settings.a_start)
            elif kind == "bias":
                parameter.zero_()
            elif owner.startswith("ln_"):
                parameter.fill_(1.0)
            else:
                std = INIT_STD / math.sqrt(2 * settings.n_layer) if owner == "c_proj" else INIT_STD
                # Drawn on the CPU in float32, so that every device and precision starts from the same numbers.
                drawn = torch.empty(parameter.shape, dtype=torch.float32).normal_(0.0, std, generator=generator)
                parameter.copy_(drawn)


def learned_a(model: nn.Module) -> list[float] | None:
    """The scalars a of A − aI in the order of the blocks (one, if all share it); None for the other variants."""
    values = [float(p.detach()) for name, p in model.named_parameters() if name.rpartition(".")[2] == "a"]
    return values or None
