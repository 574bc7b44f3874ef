"""The objective for any β, from what was computed once, against the objective computed for that β."""

import numpy as np
import pytest
import torch
from torch import Tensor

from dr_transformer import InputError
from dr_transformer.objective import objective
from dr_transformer.objective_terms import Terms, terms


def latents(n: int, q: int) -> Tensor:
    return torch.from_numpy(np.random.RandomState(0).normal(size=(n, q))) * (2 / n) ** 0.5


@pytest.mark.parametrize(("n", "q"), [(40, 6), (5, 8)])  # the second: fewer tokens than dimensions
@pytest.mark.parametrize("n_heads", [1, 2])
@pytest.mark.parametrize("mask_self", [True, False])
def test_at_any_beta_they_are_the_objective(n: int, q: int, n_heads: int, mask_self: bool) -> None:
    X = latents(n, q)
    found = terms(X, alpha=7, n_heads=n_heads, mask_self=mask_self)
    assert (found.trace == 0) == mask_self
    for beta in (1e-4, 0.01, 1.0, 50.0):
        expected = objective(X, alpha=7, beta=beta, n_heads=n_heads, mask_self=mask_self)
        np.testing.assert_allclose(found.at(beta), expected, rtol=1e-12)
        assert found.at(beta).kl == pytest.approx(expected.kl, rel=1e-10)


def test_beta_must_be_positive() -> None:
    for beta in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="beta must be above 0"):
            Terms(1.0, 0.0, (np.ones(3),), 4, 3).at(beta)


@pytest.mark.parametrize("mask_self", [True, False])
def test_check_stops(mask_self: bool) -> None:
    class StopError(Exception):
        pass

    def check() -> None:
        raise StopError

    with pytest.raises(StopError):
        terms(latents(9, 2), alpha=1, mask_self=mask_self, check=check)
