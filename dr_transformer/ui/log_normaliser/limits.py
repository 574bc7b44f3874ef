"""Where the theory stops: weights, several heads, the feed-forward layer."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dr_transformer.theory.exponential_family import asymmetry
from dr_transformer.types import Floats
from dr_transformer.ui.log_normaliser.layout import two_columns
from dr_transformer.ui.text import SHIM

_TEXT = """
Derived in this project from Proposition 1 (SHIM):

- **Weights.** With $W_Q, W_K, W_V$ the query meets keys $W_Q W_K^\\top x_n$ and gathers values $W_V x_n$. A gradient
  has a symmetric Jacobian. Attention's is $J = \\sum_n p_n (v_n - \\bar v)(k_n - \\bar k)^\\top$: symmetric if values
  are multiples of the keys, in general not. The table measures $|J - J^\\top| / 2|J|$: 0 for a gradient, at most 1.
- **Several heads.** Heads on slices of the latent are the gradient of the *sum* of their log normalisers, which is the
  log normaliser of no single softmax. An output matrix that mixes them makes it, in general, no gradient.
- **Feed-forward layer.** It acts on each token alone. No log Z, a function of all tokens, has a part in it.
- **Moving keys.** The gradient is that in the query, with the keys held. When all tokens move at once, so does log Z.
- **Masks.** Tokens that may not attend to themselves, or to later ones, have a log Z each, over other keys.
"""


def limits_section() -> None:
    """Draw text, and the asymmetry of attention's Jacobian with and without weights."""
    st.subheader("6. Where the theory stops", anchor=False)
    left, right = two_columns("limits", wide=0)
    left.markdown(limits_text())
    lines = [f"| {name} | {value:.3f} |" for name, value in asymmetries().items()]
    right.markdown("\n".join(["| keys and values | asymmetry |", "|---|---:|", *lines]))
    right.caption("200 tokens from N(0, I) in 8 dimensions, one query; W has independent normal entries; seed 42.")


def limits_text() -> str:
    """Return the limits, one a paragraph, and their source."""
    return _TEXT.replace("SHIM", SHIM)


def asymmetries(random_state: int = 42) -> dict[str, float]:
    """Measure how far from a gradient attention is with equal keys and values, and with weights."""
    generator = np.random.default_rng(random_state)
    X = generator.standard_normal((200, 8))
    query = generator.standard_normal(8) / np.sqrt(8)
    W: Floats = generator.standard_normal((8, 8)) / np.sqrt(8)
    half = np.triu(W, 1)
    return {
        "$x_n$ and $x_n$": asymmetry(query, X, X),
        "$x_n$ and $2x_n$": asymmetry(query, X, 2 * X),
        "$x_n$ and $W x_n$": asymmetry(query, X, X @ W.T),
        "$W x_n$ and $x_n$": asymmetry(query, X @ W.T, X),
        "$x_n$ and $(W - W^\\top)x_n$": asymmetry(query, X, X @ (half - half.T).T),
    }
