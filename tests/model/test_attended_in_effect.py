"""The entropy of A's rows out of one pass of attention is that of the rows themselves, written down whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dr_transformer.errors import InputError
from dr_transformer.model.attention import attended_in_effect, attention_rows, effective_neighbours
from dr_transformer.model.unroll import layer_norm


def latents(n: int, q: int, dtype: torch.dtype, seed: int = 0) -> torch.Tensor:
    X = torch.from_numpy(np.random.default_rng(seed).normal(size=(n, q)))
    return layer_norm(X.to(dtype), n)


def in_float64(X: torch.Tensor, alpha: float, n_heads: int, mask_self: bool) -> torch.Tensor:
    rows = attention_rows(X.double(), torch.arange(len(X)), alpha=alpha, n_heads=n_heads, mask_self=mask_self)
    return effective_neighbours(rows)


@pytest.mark.parametrize("mask_self", [True, False])
@pytest.mark.parametrize("n_heads", [1, 2])
@pytest.mark.parametrize("alpha", [0.1, 1.0, 30.0, 300.0, 3000.0])
def test_one_pass_has_the_entropies(alpha: float, n_heads: int, mask_self: bool) -> None:
    """α = 3000 loses rows of the pass, which are then taken one by one."""
    for dtype, rtol in ((torch.float64, 1e-9), (torch.float32, 2e-5 * max(alpha, 30))):
        X = latents(1700, 16, dtype)
        found = attended_in_effect(X, alpha=alpha, n_heads=n_heads, mask_self=mask_self)
        assert found.dtype == dtype
        assert found.min() >= 1 - 1e-6
        expected = in_float64(X, alpha, n_heads, mask_self)
        torch.testing.assert_close(found.double(), expected, rtol=rtol, atol=0)


@given(st.integers(2, 40), st.integers(2, 9), st.floats(0, 100), st.booleans(), st.integers(0, 99))
def test_it_holds_for_any_few_tokens(n: int, q: int, alpha: float, mask_self: bool, seed: int) -> None:
    X = latents(n, q, torch.float64, seed)
    found = attended_in_effect(X, alpha=alpha, mask_self=mask_self)
    torch.testing.assert_close(found, in_float64(X, alpha, 1, mask_self), rtol=1e-8, atol=1e-8)


def test_it_can_be_stopped_within_the_pass() -> None:
    def stop() -> None:
        raise InputError("stopped")

    with pytest.raises(InputError, match="stopped"):
        attended_in_effect(latents(100, 4, torch.float32), alpha=1.0, check=stop)
