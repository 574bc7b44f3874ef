"""The decoder language model: GPT-2 as nanoGPT has it, with one of three attentions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from dr_transformer.training.blocks import make_blocks
from dr_transformer.training.settings import LMSettings


class LanguageModel(nn.Module):
    """Tokens (B, T), T ≤ block_size, to logits of the next token (B, T, vocab_size).

    The output shares its matrix with the token embedding, as in GPT-2. Parameters have no values until
    `blocks.initialise` gives them.
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
