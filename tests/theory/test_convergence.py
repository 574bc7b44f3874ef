"""Subspaces against Laplacian Eigenmaps, and what unrolling converges to."""

from functools import cache

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles

from dr_transformer import Config, InputError, load, unroll
from dr_transformer.methods.graph import KNNGraph, knn_graph
from dr_transformer.methods.power_iterations import power_iterations
from dr_transformer.methods.spectrum import Eigenmaps, laplacian_eigenmaps
from dr_transformer.theory.convergence import (
    Convergence,
    leading_directions,
    principal_angles,
    subspace,
    subspace_overlap,
)
from dr_transformer.theory.variants import Variant, unroll_variant
from tests.helpers.plain_theory import convergence

pytestmark = pytest.mark.usefixtures("one_thread")


@cache
def eigenmaps(name: str = "mnist", n: int = 2000) -> Eigenmaps:
    return laplacian_eigenmaps(knn_graph(load(name, n).Y, 15), 10)


@cache
def trajectory() -> dict[int, Convergence]:
    """MNIST, n = 2 000, seed 42: some of 64 blocks."""
    blocks = (0, 2, 6, 24, 64)
    steps = unroll(load("mnist", 2000).Y, Config(n_blocks=64))
    latents = [step.X for step in steps if step.ends_block and step.block in blocks]
    return dict(zip(blocks, convergence(latents, eigenmaps(), 10, alpha=30), strict=True))


def basis(n: int, k: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.RandomState(seed).normal(size=(n, k)))[0]


def test_principal_angles_are_scipy_s() -> None:
    U = basis(50, 4, 0)
    for V in (basis(50, 4, 1), np.linalg.qr(U + 0.1 * basis(50, 4, 2))[0]):
        np.testing.assert_allclose(principal_angles(U, V), subspace_angles(U, V)[::-1], atol=1e-7)
    turned = U @ basis(4, 4, 3)
    np.testing.assert_allclose(principal_angles(U, turned), 0, atol=1e-7)
    assert principal_angles(U[:, :0], U[:, :0]).shape == (0,)


def test_overlap_of_random_subspaces_is_k_over_n() -> None:
    found = [subspace_overlap(principal_angles(basis(200, 10, i), basis(200, 10, 1000 + i))) for i in range(40)]
    assert np.mean(found) == pytest.approx(10 / 200, rel=0.1)
    assert subspace_overlap(principal_angles(basis(200, 10, 0), basis(200, 10, 0))) == pytest.approx(1)


@pytest.mark.parametrize("parts", [1, 2])
def test_the_subspace_of_the_coordinates_is_the_eigenvectors(parts: int) -> None:
    """Whatever constants, one for each part of the graph, are added to D^-½ U."""
    rng = np.random.RandomState(0)
    rows = np.concatenate([100 * part + rng.normal(size=(60, 4)) for part in range(parts)])
    graph: KNNGraph = knn_graph(rows, 5)
    maps = laplacian_eigenmaps(graph, 3)
    assert maps.parts.max() == parts - 1
    shifted = maps.embedding + rng.normal(size=(parts, 3))[maps.parts]
    np.testing.assert_allclose(subspace(shifted, maps), maps.eigenvectors, atol=1e-12)


def test_what_converges_is_seen_to() -> None:
    """Power iterations do reach Laplacian Eigenmaps' subspace, from the latents of block 0, by the same measure."""
    maps = laplacian_eigenmaps(knn_graph(load("digits", 300).Y, 15), 4)
    start = next(s.X for s in unroll(load("digits", 300).Y, Config(n_components=32)) if s.ends_block).numpy()
    frames = power_iterations(maps, start[:, :4].astype(np.float64), close=1e-3).frames
    overlaps = []
    for frame in frames:
        X = np.pad(frame, ((0, 0), (0, 1)))  # of latents, LayerNorm makes one dimension depend on the others
        overlaps.append(subspace_overlap(principal_angles(leading_directions(X, maps, 4), maps.eigenvectors)))
    assert overlaps[0] < 0.5
    assert overlaps[-1] > 0.999


def test_unrolling_does_not_converge_to_laplacian_eigenmaps() -> None:
    """The overlap rises from 0.52 to 0.70 over six blocks, and is 0.16 after 64, which is lost."""
    found = {block: subspace_overlap(c.latents) for block, c in trajectory().items()}
    assert found[0] == pytest.approx(0.52, abs=0.03)
    assert found[6] == pytest.approx(0.70, abs=0.03)
    assert found[0] < found[2] < found[6]
    assert found[64] < 0.25
    assert max(found.values()) < 0.75


def test_the_graph_that_attention_infers_drifts_from_the_pixels() -> None:
    found = {block: subspace_overlap(c.attention) for block, c in trajectory().items()}
    assert found[0] == pytest.approx(0.64, abs=0.04)
    assert found[64] < 0.25 < found[2] < 0.5


def test_unrolling_converges_to_the_graph_it_infers() -> None:
    """The latents' leading directions become A's slow eigenvectors, which become few."""
    found = trajectory()
    assert subspace_overlap(found[0].own) < 0.55
    for block in (24, 64):
        assert subspace_overlap(found[block].own) > 0.98
        assert 1 <= len(found[block].own) <= 8
        assert (found[block].eigenvalues < 0.5).sum() == len(found[block].own)
    assert len(found[0].own) == len(found[2].own) == 10


def test_the_exact_regulariser_does_not_converge_to_it_either() -> None:
    variant = Variant(regulariser="exact", beta=1)
    *_, last = unroll_variant(load("mnist", 2000).Y, Config(n_blocks=24), variant)
    directions = leading_directions(last.X.numpy(), eigenmaps(), 10)
    assert subspace_overlap(principal_angles(directions, eigenmaps().eigenvectors)) < 0.3


def test_collapsed_latents_have_no_slow_directions_but_figures() -> None:
    """All tokens in one place: no cluster to tell from another."""
    maps = laplacian_eigenmaps(knn_graph(load("digits", 120).Y, 10), 3)
    row = torch.linspace(-1, 1, 8, dtype=torch.float64)
    X = (row - row.mean()).repeat(120, 1) + 1e-9 * torch.from_numpy(basis(120, 8, 0))
    (found,) = convergence([X], maps, 3, alpha=5)
    assert len(found.own) == 0
    assert np.isfinite(found.latents).all()
    assert found.eigenvalues == pytest.approx(1 + 1 / 119, rel=0.01)  # of the complete graph


def test_bad_input_is_a_sentence() -> None:
    maps = laplacian_eigenmaps(knn_graph(load("digits", 120).Y, 10), 3)
    for count in (0, 8):
        with pytest.raises(InputError, match="choose from 1 to 7"):
            leading_directions(np.ones((120, 8)), maps, count)
