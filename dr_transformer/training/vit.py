"""The vision transformer (Dosovitskiy et al. 2021), with one of three attentions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dr_transformer.errors import InputError
from dr_transformer.training.blocks import make_blocks
from dr_transformer.training.settings import ViTSettings


class VisionTransformer(nn.Module):
    """Images (B, channels, side, side) to logits of the classes (B, n_classes), read from a class token.

    Parameters have no values until `blocks.initialise` gives them.
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
