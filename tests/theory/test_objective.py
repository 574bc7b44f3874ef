"""The objective against a dense float64 evaluation and autograd, and what it does over the blocks."""

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from dr_transformer import Config, InputError, load, unroll
from dr_transformer.theory.objective import (
    Objective,
    Terms,
    cosine,
    data_gradients,
    regulariser_gradient,
    tangent,
    terms,
)
from tests.helpers.plain_theory import kl_floor, objective

pytestmark = pytest.mark.usefixtures("one_thread")

CASES = [
    (40, 6, 1, True),
    (40, 6, 1, False),
    (40, 6, 3, True),
    (40, 6, 2, False),
    (5, 8, 1, True),  # fewer tokens than dimensions
    (5, 8, 2, False),
]


def latents(n: int, q: int, seed: int = 0) -> Tensor:
    """Rows of any norm and mean, as after an attention step, in float64."""
    return torch.from_numpy(np.random.RandomState(seed).normal(size=(n, q))) * (2 / n) ** 0.5


def dense_attention(X: Tensor, alpha: float, mask_self: bool) -> Tensor:
    """A, n × n, of one head."""
    n, q = X.shape
    logits = alpha * n / q * (X @ X.T)
    if mask_self:
        logits = logits.masked_fill(torch.eye(n, dtype=torch.bool), -torch.inf)
    return torch.softmax(logits, dim=1)


def dense(X: Tensor, alpha: float, beta: float, n_heads: int, mask_self: bool) -> tuple[Tensor, Tensor]:
    """L_data and L_reg by their definitions, n × n, with A held fixed."""
    n = len(X)
    data, regulariser = X.new_zeros(()), X.new_zeros(())
    for X_h in X.chunk(n_heads, dim=1):
        identity = torch.eye(n, dtype=X.dtype)
        L = identity - dense_attention(X_h.detach(), alpha, mask_self)
        K = X_h @ X_h.T + beta * identity
        data = data + (L @ K).trace()
        regulariser = regulariser + torch.logdet(K)
    return data, regulariser


@cache
def mnist(block: int, n: int = 2000) -> Tensor:
    config = Config(n_blocks=max(block, 1), random_state=0)
    return next(step.X for step in unroll(load("mnist", n).Y, config) if step.ends_block and step.block == block)


@cache
def trajectory() -> list[Objective]:
    steps = unroll(load("mnist", 2000).Y, Config(n_blocks=12, random_state=0))
    return [objective(step.X, alpha=30, beta=0.01) for step in steps if step.ends_block]


@pytest.mark.parametrize(("n", "q", "n_heads", "mask_self"), CASES)
@pytest.mark.parametrize("beta", [1e-4, 0.01, 1, 50])
def test_terms_are_the_dense_definitions(n: int, q: int, n_heads: int, mask_self: bool, beta: float) -> None:
    X = latents(n, q)
    found = objective(X, alpha=7, beta=beta, n_heads=n_heads, mask_self=mask_self)
    data, regulariser = dense(X, 7, beta, n_heads, mask_self)
    assert found.L_data == pytest.approx(float(data), rel=1e-12)
    assert found.L_reg == pytest.approx(float(regulariser), rel=1e-10)
    constant = n_heads * (beta * n - (n - q // n_heads) * np.log(beta))
    assert found.kl == pytest.approx(float(data - regulariser) - constant, rel=1e-9)


@pytest.mark.parametrize(("n", "q"), [(40, 6), (5, 8)])
@pytest.mark.parametrize("n_heads", [1, 2])
@pytest.mark.parametrize("mask_self", [True, False])
def test_terms_computed_once_serve_every_beta(n: int, q: int, n_heads: int, mask_self: bool) -> None:
    X = latents(n, q)
    found = terms(X, alpha=7, n_heads=n_heads, mask_self=mask_self)
    assert (found.trace == 0) == mask_self
    for beta in (1e-4, 0.01, 1.0, 50.0):
        data, regulariser = dense(X, 7, beta, n_heads, mask_self)
        constant = n_heads * (beta * n - (n - q // n_heads) * np.log(beta))
        assert found.at(beta).L_data == pytest.approx(float(data), rel=1e-12)
        assert found.at(beta).L_reg == pytest.approx(float(regulariser), rel=1e-10)
        assert found.at(beta).kl == pytest.approx(float(data - regulariser) - constant, rel=1e-9)
        expected = objective(X, alpha=7, beta=beta, n_heads=n_heads, mask_self=mask_self)
        np.testing.assert_allclose(found.at(beta), expected, rtol=1e-12)
        assert found.at(beta).kl == pytest.approx(expected.kl, rel=1e-10)


@pytest.mark.parametrize(("n", "q", "n_heads", "mask_self"), CASES)
def test_gradients_are_autograd_s_with_the_stop_gradient(n: int, q: int, n_heads: int, mask_self: bool) -> None:
    X, beta = latents(n, q), 0.02
    free = X.clone().requires_grad_()
    data, regulariser = dense(free, 7, beta, n_heads, mask_self)
    (expected,) = torch.autograd.grad(data, free, retain_graph=True)
    found = data_gradients(X, alpha=7, n_heads=n_heads, mask_self=mask_self)
    torch.testing.assert_close(found.exact, expected, rtol=1e-12, atol=1e-13)
    (expected,) = torch.autograd.grad(regulariser, free)
    torch.testing.assert_close(regulariser_gradient(X, beta, n_heads), expected, rtol=1e-10, atol=1e-12)


def test_the_papers_gradient_is_another_and_so_is_one_through_attention() -> None:
    """What the tests above would notice: 2 L̃ X for (L̃ + L̃ᵀ) X, and a gradient that goes through A."""
    X = latents(40, 6)
    found = data_gradients(X, alpha=7)
    L = torch.eye(40) - dense_attention(X, 7, True)
    torch.testing.assert_close(found.paper, 2 * L @ X)
    assert (found.paper - found.exact).norm() > 0.05 * found.exact.norm()
    free = X.clone().requires_grad_()
    through = torch.trace((torch.eye(40) - dense_attention(free, 7, True)) @ (free @ free.T))
    assert (torch.autograd.grad(through, free)[0] - found.exact).norm() > 0.05 * found.exact.norm()


def test_float32_latents_give_the_float64_terms() -> None:
    X = mnist(8)
    for beta in (0.01, 1.0):
        single, double = (objective(Z, alpha=30, beta=beta) for Z in (X, X.double()))
        np.testing.assert_allclose(single, double, rtol=2e-5)


@pytest.mark.parametrize("beta", [1e-14, 1e-8, 0.1])
def test_log_det_is_right_for_collapsed_latents_and_tiny_beta(beta: float) -> None:
    """Singular values from 1 to 1e-9, and β down to 1e-14: XᵀX in float64 would know only the first half of them."""
    rng = np.random.RandomState(0)
    U, V = np.linalg.qr(rng.normal(size=(300, 10)))[0], np.linalg.qr(rng.normal(size=(10, 10)))[0]
    sizes = np.logspace(0, -9, 10)
    X = torch.from_numpy(U * sizes @ V.T)
    found = objective(X, alpha=1, beta=beta)
    assert found.regulariser == pytest.approx(np.log(sizes**2 + beta).sum(), rel=1e-6)
    assert found.L_reg == pytest.approx(np.log(sizes**2 + beta).sum() + 290 * np.log(beta), rel=1e-6)
    expected = torch.from_numpy(U * (2 * sizes / (sizes**2 + beta)) @ V.T)
    assert (regulariser_gradient(X, beta) - expected).norm() <= 1e-5 * expected.norm()


def test_l_data_falls_and_kl_rises_at_every_block() -> None:
    """MNIST, n = 2 000, β = 0.01: KL 222 → 508 over twelve blocks, because log det falls faster than L_data."""
    terms = trajectory()
    data, kl = np.array([t.data for t in terms]), np.array([t.kl for t in terms])
    assert (np.diff(data) < 0).all()
    assert (np.diff(kl) > 0).all()
    assert (np.diff([t.regulariser for t in terms]) < 0).all()
    assert data[0] == pytest.approx(26.4, abs=0.5)
    assert kl[0] == pytest.approx(222, abs=5)
    assert kl[-1] == pytest.approx(510, abs=20)
    assert terms[0].data_constant == 20  # βn, which the figures above leave out


def test_the_papers_gradient_is_a_good_direction_but_not_the_gradient() -> None:
    """MNIST, n = 4 000: cosine 0.80 at block 0 and 0.72 at block 8 (0.73 for 10 000), norms within 20 %."""
    steps = unroll(load("mnist", 4000).Y, Config())
    ends = [step.X for step in steps if step.ends_block and step.block in (0, 8)]
    first, last = (data_gradients(X, alpha=30) for X in ends)
    assert first.cosine == pytest.approx(0.80, abs=0.01)
    assert last.cosine == pytest.approx(0.72, abs=0.01)
    assert 0.8 < last.norm_ratio < first.norm_ratio < 0.9
    assert first.tangent_cosine == pytest.approx(0.94, abs=0.01)
    assert last.tangent_cosine == pytest.approx(0.97, abs=0.01)


def test_layer_norm_leaves_the_same_of_a_and_of_a_minus_i() -> None:
    X = mnist(2).double()
    paper = data_gradients(X, alpha=30).paper
    AX = X - paper / 2
    torch.testing.assert_close(tangent(AX, X), -tangent(paper, X) / 2)
    torch.testing.assert_close((tangent(paper, X) * X).sum(dim=1), torch.zeros(len(X), dtype=torch.float64))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 30), st.integers(2, 12), st.floats(1e-6, 100), st.integers(0, 1000))
def test_the_papers_regulariser_step_goes_the_other_way(n: int, q: int, beta: float, seed: int) -> None:
    """⟨−2X, 2X(XᵀX + βI)⁻¹⟩ = −4 Σ σ²/(σ² + β) < 0, whatever the latents."""
    X = latents(n, q, seed)
    exact, linear = regulariser_gradient(X, beta), -2 * X  # what the feed-forward step takes, X W_ff / η
    squares = torch.linalg.svdvals(X).square()
    assert float((exact * linear).sum()) == pytest.approx(-4 * float((squares / (squares + beta)).sum()), rel=1e-9)
    assert cosine(exact, linear) < 0


def test_a_small_step_of_either_regulariser_moves_log_det_its_way() -> None:
    X, beta, step = mnist(0).double(), 0.01, 1e-3
    here = objective(X, alpha=30, beta=beta).regulariser
    up = objective(X + step * regulariser_gradient(X, beta), alpha=30, beta=beta).regulariser
    down = objective(X - step * 2 * X, alpha=30, beta=beta).regulariser
    assert down < here < up


def test_no_layer_normed_latents_have_a_smaller_kl_than_the_floor() -> None:
    def gap(X: Tensor, beta: float) -> float:
        return objective(X, alpha=30, beta=beta).kl - kl_floor(X.shape[1], beta)

    assert kl_floor(128, 0.01) == pytest.approx(2.4, abs=0.05)
    for block in (0, 8):
        assert gap(mnist(block), 0.01) > 50
    # Pairs of equal tokens at the corners of a simplex, seen from its centre: white, and each attends to its twin.
    corners = torch.eye(16, dtype=torch.float64) - 1 / 16
    X = torch.cat([corners, corners])
    X = X / X.norm(dim=1, keepdim=True) * (16 / 32) ** 0.5
    for beta in (0.01, 1.0):
        assert 0 <= gap(X, beta) < 1e-6


class _Sizes(TorchDispatchMode):
    """Notes the size of the largest tensor that any operation makes."""

    largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(tensor, Tensor):
                self.largest = max(self.largest, tensor.untyped_storage().nbytes() // tensor.element_size())
        return out


def test_nothing_is_n_by_n() -> None:
    X = latents(4000, 4)
    with _Sizes() as sizes:
        objective(X, alpha=1, beta=0.1, mask_self=False)
        data_gradients(X, alpha=1)
        regulariser_gradient(X, 0.1)
    assert 4000 * 4 <= sizes.largest < 4000**2 / 3


def test_check_stops() -> None:
    class StopError(Exception):
        pass

    def check() -> None:
        raise StopError

    with pytest.raises(StopError):
        data_gradients(latents(9, 2), alpha=1, check=check)
    for mask_self in (True, False):
        with pytest.raises(StopError):
            terms(latents(9, 2), alpha=1, mask_self=mask_self, check=check)


@pytest.mark.parametrize("beta", [0, -1, float("nan"), float("inf")])
def test_beta_must_be_positive(beta: float) -> None:
    X = latents(9, 2)
    for compute in (
        lambda: regulariser_gradient(X, beta),
        lambda: Terms(1.0, 0.0, (np.ones(3),), 4, 3).at(beta),
    ):
        with pytest.raises(InputError, match="beta must be above 0"):
            compute()
