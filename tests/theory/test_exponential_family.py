"""Proposition 1: attention is the gradient of the log normaliser, and the softmax covariance its Hessian."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dr_transformer import InputError
from dr_transformer.model.attention import attend
from dr_transformer.theory import exponential_family
from dr_transformer.theory.exponential_family import (
    asymmetry,
    attention,
    attention_covariance,
    check_gradient,
    check_hessian,
    effective_sample_size,
    log_normaliser,
)


def keys_and_query(seed: int = 0, n: int = 200, d: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=d)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    d=st.integers(1, 32),
    n=st.integers(1, 300),
    scale=st.floats(0.01, 10),
    offset=st.floats(-10, 10),
)
def test_attention_is_the_gradient(seed: int, d: int, n: int, scale: float, offset: float) -> None:
    """Proposition 1(a), by central differences of log Z."""
    X, query = keys_and_query(seed, n, d)
    check = check_gradient(query, X * scale + offset)
    assert check.error <= 1e-6
    assert check.numeric.shape == check.exact.shape == check.steps.shape == (d,)


def test_the_check_is_exact_to_ten_digits_and_would_see_an_error() -> None:
    X, query = keys_and_query()
    assert check_gradient(query, X).error < 1e-9
    wrong = attention(query[None] * 1.0001, X)[0]  # attention at another temperature is no gradient of this log Z
    assert np.abs(check_gradient(query, X).numeric - wrong).max() > 1e-6
    assert check_gradient(query, X, step=0.1).error > 1e-5  # a coarse step is a coarse derivative
    assert check_gradient(query, X, step=1e-14).error > 1e-5  # and so is one lost in rounding


@pytest.mark.parametrize("scale", [0.1, 1, 10])
def test_the_hessian_is_the_softmax_covariance(scale: float) -> None:
    X, query = keys_and_query()
    check = check_hessian(query, scale * X)
    assert check.error <= 1e-6
    assert check.exact.shape == (3, 3)
    eigenvalues = np.linalg.eigvalsh(check.exact)
    assert eigenvalues[0] >= -1e-12  # log Z is convex
    assert eigenvalues[-1] > 1e-3
    np.testing.assert_allclose(attention_covariance(np.zeros(3), X), np.cov(X.T, bias=True), rtol=1e-12)


def test_autograd_agrees() -> None:
    X, query = keys_and_query()
    eta = torch.tensor(query, requires_grad=True)
    value = torch.logsumexp(torch.from_numpy(X) @ eta, dim=0)
    (gradient,) = torch.autograd.grad(value, eta)
    np.testing.assert_allclose(attention(query[None], X)[0], gradient.numpy(), rtol=1e-12)
    np.testing.assert_allclose(log_normaliser(query[None], X), [value.item()], rtol=1e-14)


def test_the_models_attention_is_this_gradient() -> None:
    """At η = (αn/q) x; with the diagonal masked, of the log normaliser without the token's own key."""
    X = np.random.default_rng(0).normal(size=(30, 4)) / 30**0.5
    alpha, tokens = 7.0, torch.from_numpy(X)
    queries = X * alpha * 30 / 4
    np.testing.assert_allclose(attend(tokens, tokens, alpha=alpha, n_samples=30), attention(queries, X), rtol=1e-10)
    masked = attend(tokens, tokens, alpha=alpha, n_samples=30, masked=torch.arange(30)).numpy()
    for i in range(30):
        others = np.delete(X, i, axis=0)
        np.testing.assert_allclose(masked[i], check_gradient(queries[i], others).numeric, atol=1e-8)
        np.testing.assert_allclose(masked[i], attention(queries[i : i + 1], others)[0], rtol=1e-10)


def test_with_a_value_matrix_it_is_no_gradient() -> None:
    X, query = keys_and_query()
    W = np.random.default_rng(1).normal(size=(3, 3))
    assert asymmetry(query, X, 2 * X) < 1e-15
    assert asymmetry(query, X, X @ W) > 0.1
    assert asymmetry(query, X, X @ np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 0]])) > 0.8

    def gathered(eta: np.ndarray) -> np.ndarray:
        return np.exp(X @ eta) @ X @ W / np.exp(X @ eta).sum()

    steps = 1e-6 * np.eye(3)
    J = np.stack([(gathered(query + h) - gathered(query - h)) / 2e-6 for h in steps], axis=1)
    expected = np.linalg.norm(J - J.T) / (2 * np.linalg.norm(J))
    assert asymmetry(query, X, X @ W) == pytest.approx(expected, rel=1e-6)


def test_heads_are_the_gradient_of_a_sum() -> None:
    X = np.random.default_rng(0).normal(size=(30, 4)) / 30**0.5
    both = attend(torch.from_numpy(X), torch.from_numpy(X), alpha=7.0, n_samples=30, n_heads=2).numpy()
    for head in (slice(0, 2), slice(2, 4)):
        query = 7.0 * 30 / 2 * X[5, head]
        np.testing.assert_allclose(both[5, head], check_gradient(query, X[:, head]).numeric, atol=1e-8)
    assert np.abs(both - attend(torch.from_numpy(X), torch.from_numpy(X), alpha=7.0, n_samples=30).numpy()).max() > 0.01


def test_z_is_a_sum() -> None:
    X, _ = keys_and_query(n=200)
    assert log_normaliser(np.zeros((1, 3)), X)[0] == pytest.approx(np.log(200))
    np.testing.assert_allclose(attention(np.zeros((1, 3)), X)[0], X.mean(axis=0), rtol=1e-12)


def test_weights_count_like_copies() -> None:
    X, query = keys_and_query()
    times = np.arange(len(X)) % 3 + 1
    copies, log_weights = np.repeat(X, times, axis=0), np.log(times)
    for function in (log_normaliser, attention):
        np.testing.assert_allclose(function(query[None], X, log_weights), function(query[None], copies), rtol=1e-12)
    np.testing.assert_allclose(
        attention_covariance(query, X, log_weights), attention_covariance(query, copies), rtol=1e-11
    )


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    X, _ = keys_and_query()
    whole = attention(X, X), log_normaliser(X, X)
    monkeypatch.setattr(exponential_family, "_BLOCK_BYTES", 8 * len(X) * 7)
    np.testing.assert_allclose(attention(X, X), whole[0], rtol=1e-12)
    np.testing.assert_allclose(log_normaliser(X, X), whole[1], rtol=1e-12)


def test_far_queries_attend_to_one_key_without_overflow() -> None:
    X, query = keys_and_query()
    far = 1e100 * query
    np.testing.assert_allclose(attention(far[None], X)[0], X[(X @ query).argmax()])
    assert effective_sample_size(far, X) == pytest.approx(1)
    assert effective_sample_size(np.zeros(3), X) == pytest.approx(200)
    p = np.exp(X @ query) / np.exp(X @ query).sum()
    assert effective_sample_size(query, X) == pytest.approx(1 / (p**2).sum())


def test_bad_shapes_are_a_sentence() -> None:
    X, query = keys_and_query()
    for queries, keys in ((query, X), (X[:, :2], X), (X, X[:0])):
        with pytest.raises(InputError, match="matrices of as many columns"):
            attention(queries, keys)
