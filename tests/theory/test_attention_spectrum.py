"""The spectrum of I − A against dense solvers."""

import numpy as np
import pytest
import torch
from torch import Tensor

from dr_transformer import Config, InputError, load, unroll
from dr_transformer.model.attention import attention_rows
from dr_transformer.theory import attention_graph, attention_spectrum
from dr_transformer.theory.attention_spectrum import attention_spectrum as spectrum_of

pytestmark = pytest.mark.usefixtures("one_thread")


def latents(n: int, block: int = 0) -> Tensor:
    config = Config(n_components=32, n_blocks=max(1, block), precision="float64")
    return next(s.X for s in unroll(load("digits", n).Y, config) if s.ends_block and s.block == block)


def dense(X: Tensor, alpha: float, mask_self: bool = True) -> np.ndarray:
    return attention_rows(X, torch.arange(len(X)), alpha=alpha, mask_self=mask_self).numpy()


def clusters(sizes: list[int], q: int = 12, spread: float = 0.0) -> Tensor:
    """LayerNormed rows about as many orthogonal directions, far apart."""
    rng = np.random.RandomState(0)
    centres = np.linalg.qr(rng.normal(size=(q, q)))[0]
    centres = np.linalg.qr(centres - centres.mean(axis=1, keepdims=True))[0][:, : len(sizes)].T
    rows = np.repeat(centres, sizes, axis=0) + spread * rng.normal(size=(sum(sizes), q))
    rows -= rows.mean(axis=1, keepdims=True)
    return torch.from_numpy(rows / np.linalg.norm(rows, axis=1, keepdims=True) * (q / len(rows)) ** 0.5)


@pytest.mark.parametrize("normed", [True, False])
@pytest.mark.parametrize("mask_self", [True, False])
def test_a_has_a_real_spectrum_because_it_is_similar_to_a_symmetric_matrix(mask_self: bool, normed: bool) -> None:
    """Whatever the norms of the rows: W = exp(logits) is symmetric."""
    X = latents(150)
    if not normed:
        X = X * (1 + torch.rand(150, 1, dtype=X.dtype, generator=torch.Generator().manual_seed(0)))
    A = dense(X, 10, mask_self)
    assert np.abs(A - A.T).max() > 0.01
    values = np.linalg.eigvals(A)
    assert np.abs(values.imag).max() < 1e-9
    values = np.sort(1 - values.real)
    assert values[0] == pytest.approx(0, abs=1e-12)
    found = spectrum_of(X, 20, alpha=10, mask_self=mask_self)
    np.testing.assert_allclose(found.eigenvalues, values[1:21], atol=1e-9)
    symmetric = found.roots[:, None] * A / found.roots
    np.testing.assert_allclose(symmetric, symmetric.T, atol=1e-14)
    np.testing.assert_allclose(symmetric @ found.roots, found.roots, atol=1e-12)


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize(("block", "mask_self"), [(0, True), (0, False), (4, True), (12, True)])
def test_block_lanczos_is_the_dense_solver(
    monkeypatch: pytest.MonkeyPatch, block: int, mask_self: bool, held: bool
) -> None:
    X = latents(700, block)
    A = dense(X, 30, mask_self)
    monkeypatch.setattr(attention_graph, "_BLOCK_BYTES", 700 * 8 * 150)
    if not held:
        monkeypatch.setattr(attention_spectrum, "_HELD_BYTES", 0)
    found = spectrum_of(X, 6, alpha=30, mask_self=mask_self)
    P = found.roots[:, None] * A / found.roots
    values, U = np.linalg.eigh((P + P.T) / 2)
    np.testing.assert_allclose(1 - found.eigenvalues, values[::-1][1:7], atol=1e-8)
    assert np.linalg.norm(U[:, -7:-1] @ (U[:, -7:-1].T @ found.vectors) - found.vectors) < 1e-3
    assert found.residual <= 1e-5
    assert np.linalg.norm(P @ found.vectors - found.vectors * (1 - found.eigenvalues), axis=0).max() <= 1.1e-5


def test_maps_are_right_eigenvectors_of_a() -> None:
    X = latents(700, 2)
    found = spectrum_of(X, 5, alpha=30, tolerance=1e-9)
    maps = found.maps
    np.testing.assert_allclose(dense(X, 30) @ maps, maps * (1 - found.eigenvalues), atol=1e-6)
    np.testing.assert_allclose(maps.max(axis=0), 1)
    np.testing.assert_allclose(np.abs(maps).max(axis=0), 1)
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(5), atol=1e-10)
    np.testing.assert_allclose(found.vectors.T @ found.roots, 0, atol=1e-8)
    assert (np.diff(found.eigenvalues) >= 0).all()


@pytest.mark.parametrize("sizes", [[200, 200, 200], [300, 150, 100, 80, 70], [50, 40, 30, 20]])
@pytest.mark.parametrize("spread", [0.0, 0.01])
def test_slow_eigenvalues_count_the_clusters(sizes: list[int], spread: float) -> None:
    """One less; and where clusters have collapsed to points, whose other eigenvalues are all the same, too."""
    found = spectrum_of(clusters(sizes, spread=spread), 8, alpha=30)
    assert found.n_slow == len(sizes) - 1
    assert found.eigenvalues[len(sizes) - 1 :] == pytest.approx(1, abs=0.1)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    for values in found.maps[:, : found.n_slow].T:  # a map of a slow one is constant on every cluster
        assert max(np.ptp(values[labels == label]) for label in range(len(sizes))) < 0.05


def test_settings_and_data_decide_alone() -> None:
    X = latents(700)
    first, again, other = (spectrum_of(X, 4, alpha=30, random_state=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.vectors, again.vectors)
    np.testing.assert_allclose(first.maps, other.maps, atol=1e-3)
    np.testing.assert_allclose(first.eigenvalues, spectrum_of(X.float(), 4, alpha=30).eigenvalues, atol=1e-6)


def test_bad_input_and_cancelling() -> None:
    X = latents(40)
    for count in (0, 40):
        with pytest.raises(InputError, match="choose from 1 to 39"):
            spectrum_of(X, count, alpha=1)

    def check() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        spectrum_of(X, 2, alpha=1, check=check)
