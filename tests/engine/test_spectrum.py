"""The spectrum over depth in the background, and the sentence that its figures give."""

from functools import cache

import numpy as np
import pytest

from dr_transformer import Config, load, unroll
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.spectrum import N_MAPS, SpectrumRun, overlaps, verdict
from dr_transformer.methods.graph import knn_graph
from dr_transformer.methods.graph_store import GraphStore
from dr_transformer.methods.spectrum import laplacian_eigenmaps
from dr_transformer.theory.attention_spectrum import attention_spectrum
from dr_transformer.theory.convergence import subspace_overlap
from tests.helpers.plain_theory import convergence

pytestmark = pytest.mark.usefixtures("one_thread")

CONFIG = Config(n_components=16, n_blocks=4)
K, NEIGHBORS = 5, 10


@cache
def mnist() -> Dataset:
    return load("mnist", 300)


def job(config: Config = CONFIG, k: int = K) -> SpectrumRun:
    return SpectrumRun(mnist(), config, k, NEIGHBORS, GraphStore())


@cache
def finished() -> SpectrumRun:
    run = job()
    run.owners.add("test")
    run.work()
    return run


@cache
def latents() -> list:
    return [step.X for step in unroll(mnist().Y, CONFIG) if step.ends_block]


def test_every_block_is_what_convergence_says_of_it() -> None:
    run = finished()
    assert run.complete
    assert run.progress == 1
    eigenmaps = laplacian_eigenmaps(knn_graph(mnist().Y, NEIGHBORS), K)
    expected = list(convergence(latents(), eigenmaps, K, alpha=CONFIG.alpha))
    assert len(run.blocks) == len(expected) == 5
    for found, wanted in zip(run.blocks, expected, strict=True):
        for part, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(part, other, atol=1e-6)
    assert overlaps(run.blocks)["latents"] == pytest.approx([subspace_overlap(block.latents) for block in expected])


def test_the_maps_are_eigenvectors_of_a_whose_signs_stay() -> None:
    run = finished()
    for block, maps in enumerate(run.maps):
        assert maps.shape == (300, min(K, N_MAPS))
        np.testing.assert_allclose(np.abs(maps).max(axis=0), 1, rtol=1e-6)
        X = latents()[block].double()
        logits = CONFIG.alpha * 300 / 16 * X @ X.T
        logits.fill_diagonal_(-np.inf)
        A = logits.softmax(dim=1).numpy()
        np.testing.assert_allclose(maps - A @ maps, maps * run.blocks[block].eigenvalues[: maps.shape[1]], atol=1e-4)
        if block:
            assert ((maps * run.maps[block - 1]).sum(axis=0) >= 0).all()
    expected = attention_spectrum(latents()[0], K, alpha=CONFIG.alpha).maps
    np.testing.assert_allclose(np.abs(run.maps[0]), np.abs(expected[:, :N_MAPS]), atol=1e-5)


@pytest.mark.parametrize(
    ("latents", "said"),
    [
        ([0.5, 0.6, 0.7, 0.3], "until block 2 (subspace overlap 0.50 → 0.70) and leaves them again (0.30 at block 3)"),
        ([0.5, 0.6, 0.7], "Up to block 2 unrolling nears Laplacian Eigenmaps (subspace overlap 0.50 → 0.70)"),
        ([0.5, 0.4, 0.2], "Unrolling leaves Laplacian Eigenmaps (subspace overlap 0.50 → 0.20 at block 2)"),
        ([0.5, 0.51, 0.5], "Over 2 blocks unrolling neither nears Laplacian Eigenmaps nor leaves them (0.50)"),
        ([0.5], "Over 0 blocks"),
    ],
)
def test_the_verdict_follows_the_overlaps(latents: list[float], said: str) -> None:
    sentences = verdict(latents, None, 0, 0.005)
    assert said in sentences[0]
    assert ("does not converge" in sentences[0]) == (len(latents) == 4)
    assert sentences[1] == "Two random subspaces overlap by 0.005."
    assert "no eigenvalue is below ½" in sentences[2]


def test_the_verdict_says_whether_it_is_its_own_graph_that_unrolling_converges_to() -> None:
    assert "What it converges to is its own graph, the 3 eigenvectors" in verdict([0.5, 0.2], 0.99, 3, 0.005)[2]
    assert "It has not converged to its own graph, the 1 eigenvector of" in verdict([0.5, 0.2], 0.6, 1, 0.005)[2]
