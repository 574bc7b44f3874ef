"""Power iterations: where they end, how fast, and that the way there is smooth."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from scipy import linalg

from dr_transformer import InputError, load
from dr_transformer.methods.graph import knn_graph
from dr_transformer.methods.power_iterations import ITERATIONS, power_iterations
from dr_transformer.methods.spectrum import Eigenmaps, laplacian_eigenmaps
from tests.methods.test_spectrum import ring, two_parts


@cache
def mnist(k: int = 2, beta: float | None = None) -> Eigenmaps:
    return laplacian_eigenmaps(knn_graph(load("mnist", 1000).Y, 15), k, beta=beta)


def start(n: int, k: int = 2) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, k))


@pytest.mark.parametrize("beta", [None, 1.0])
def test_they_converge_to_lanczos(beta: float | None) -> None:
    maps = mnist(2, beta)
    found = power_iterations(maps, start(1000), close=0)
    assert found.iterations == ITERATIONS
    assert found.frames.shape == (len(ITERATIONS), 1000, 2)
    assert found.angles[0] > 1
    assert (np.diff(found.angles) < 0).all()
    assert found.angles[-1] < 1e-4
    np.testing.assert_allclose(found.frames[-1], maps.embedding, atol=1e-4 * np.abs(maps.embedding).max())
    seen = power_iterations(maps, start(1000))
    assert 0.001 < seen.angles[-1] <= 0.01 < seen.angles[-2]
    assert seen.iterations == ITERATIONS[: len(seen.angles)]
    np.testing.assert_array_equal(seen.frames, found.frames[: len(seen.angles)])


def test_they_converge_as_fast_as_the_gap_says() -> None:
    """tan(angle) falls as ((1 + μ₄) / (1 + μ₃))^t, μ counted from 1 without the trivial one."""
    maps = mnist(2)
    _, third = mnist(3).eigenvalues[1:]
    found = power_iterations(maps, start(1000), [1000, 1200, 1400], close=0)
    expected = (1 - third / 2) / (1 - maps.eigenvalues[1] / 2)
    falls = np.exp(np.diff(np.log(np.tan(found.angles))) / 200)
    np.testing.assert_allclose(falls, expected, rtol=1e-4)


def test_frame_0_is_an_affine_image_of_the_start() -> None:
    pixels = start(1000)
    frame = power_iterations(mnist(), pixels, [0]).frames[0]
    fit = np.column_stack([pixels, np.ones(1000)])
    residual = frame - fit @ np.linalg.lstsq(fit, frame, rcond=None)[0]
    assert np.abs(residual).max() < 1e-12 * np.abs(frame).max() * 1000


def test_frames_neither_flip_nor_spin() -> None:
    """No frame comes nearer to the eigenvectors, or to the frame before it, by turning or mirroring it."""
    maps = mnist()
    found = power_iterations(maps, start(1000), close=0)
    bases = found.frames * np.sqrt(maps.degrees)[:, None]
    for basis in bases:
        np.testing.assert_allclose(basis.T @ basis, np.eye(2), atol=1e-12)
        turn, _ = linalg.orthogonal_procrustes(basis, maps.eigenvectors)
        np.testing.assert_allclose(turn, np.eye(2), atol=1e-9)
    for before, after in pairwise(bases):
        turn, _ = linalg.orthogonal_procrustes(before, after)
        assert np.arccos(np.clip(np.trace(turn) / 2, -1, 1)) < np.radians(30)
        assert linalg.det(turn) > 0


def test_a_bipartite_graph_does_not_spoil_them() -> None:
    """An even ring has the eigenvalue μ = −1; the start is made of its eigenvector, for the most part."""
    maps = laplacian_eigenmaps(ring(20), 2)
    assert np.linalg.eigvalsh(maps.P.toarray())[0] == pytest.approx(-1)
    sides = np.where(np.arange(20) % 2, 1.0, -1.0)[:, None]
    found = power_iterations(maps, start(20) + 1e3 * sides, [0, 10, 1000])
    assert found.angles[0] > 1
    assert found.angles[-1] < 1e-7


def test_in_parts_every_trivial_direction_is_taken_out() -> None:
    large, small = two_parts()
    X = np.concatenate([large, small, np.full((30, 3), 50.0)])  # the last: copies, which have no coordinate
    maps = laplacian_eigenmaps(knn_graph(X, 6), 3)
    found = power_iterations(maps, X, [0, 4000], close=0)
    assert found.angles[-1] < 1e-6
    assert (found.frames[:, 340:] == 0).all()
    np.testing.assert_allclose(found.frames[-1], maps.embedding, atol=1e-6)


def test_check_may_stop_them() -> None:
    calls = []

    def check() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        power_iterations(mnist(), start(1000), [1000], check=check)


@pytest.mark.parametrize(
    ("begin", "iterations", "sentence"),
    [
        (start(1000, 3), [0], "one row a token and one column a component, 1000 × 2"),
        (start(999), [0], "1000 × 2"),
        (np.ones((1000, 2)), [0], "fewer than 2 directions"),
        (start(1000)[:, [0, 0]], [0], "fewer than 2 directions"),
        (start(1000), [0, 5, 5], "iterations must ascend"),
        (start(1000), [-1, 5], "iterations must ascend"),
        (start(1000), [], "iterations must ascend"),
    ],
)
def test_bad_input_is_a_sentence(begin: np.ndarray, iterations: list[int], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        power_iterations(mnist(), begin, iterations)
