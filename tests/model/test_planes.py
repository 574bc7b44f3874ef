"""Views: what they show, and that they change nothing they do not name."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA

from dr_transformer import Config, load, unroll
from dr_transformer.config import VIEWS, ViewConfig
from dr_transformer.model import planes
from dr_transformer.model.planes import Projector, blocks_in_view, blocks_needed, in_view, signing
from tests.helpers import plain_views


@pytest.fixture
def latents() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 6)) * [5, 3, 2, 1, 1, 1]
    turn, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    return [X, X @ turn + 1, 0.5 * X @ turn @ turn]


@pytest.mark.parametrize("view", VIEWS)
def test_frames_one_by_one_are_the_views_of_all_at_once(view: str, latents: list[np.ndarray]) -> None:
    """To the bit; and who goes on where another ended, draws the same."""
    chosen = ViewConfig(view=view, first_axis=3, second_axis=99, view_block=1)
    plain = {
        "axes": lambda X: plain_views.axes_view(X, 3, 5),
        "pca": plain_views.pca_view,
        "fixed-pca": lambda X: plain_views.fixed_pca_view(X, 1),
        "aligned-pca": plain_views.aligned_pca_view,
    }[view](latents)
    np.testing.assert_array_equal(in_view(latents, chosen, 1), plain)
    np.testing.assert_array_equal(Projector(chosen, latents[1], plain[1])(latents[2]), plain[2])
    draw = Projector(chosen, latents[1])
    for X, frame in zip(latents, plain, strict=True):
        np.testing.assert_array_equal(draw(X), frame)
        np.testing.assert_allclose(draw.plane(X[7:8]), frame[7:8], atol=1e-12)  # a token alone in the plane of all


def pca_view(latents: Sequence[np.ndarray]) -> np.ndarray:
    return in_view(latents, ViewConfig(view="pca"))


def aligned_pca_view(latents: Sequence[np.ndarray]) -> np.ndarray:
    return in_view(latents, ViewConfig(view="aligned-pca"))


def fixed_pca_view(latents: Sequence[np.ndarray], block: int) -> np.ndarray:
    return in_view(latents, ViewConfig(view="fixed-pca"), block)


def test_axes_are_columns(latents: list[np.ndarray]) -> None:
    np.testing.assert_array_equal(in_view(latents, ViewConfig(first_axis=3, second_axis=1))[2], latents[2][:, [3, 1]])


def test_pca_is_scikit_learns_up_to_sign(latents: list[np.ndarray]) -> None:
    for frame, X in zip(pca_view(latents), latents, strict=True):
        expected = PCA(2, svd_solver="full").fit_transform(X)
        signs = np.sign((frame * expected).sum(axis=0))  # each axis may point either way; then every point must agree
        np.testing.assert_allclose(frame * signs, expected, atol=1e-9)
        assert planes.explained_variance(X) == pytest.approx(PCA(2).fit(X).explained_variance_ratio_.sum())


def test_signs_do_not_depend_on_the_order_of_tokens(latents: list[np.ndarray]) -> None:
    (plain,), (turned,) = pca_view(latents[:1]), pca_view([latents[0][::-1]])
    np.testing.assert_allclose(plain, turned[::-1], atol=1e-9)


@pytest.fixture(scope="module")
def digits() -> list[np.ndarray]:
    """Of 2 000 MNIST tokens at the paper's settings, every frame: block 0, then the sub-steps."""
    return [step.X.numpy() for step in unroll(load("mnist", 2000).Y, Config(n_blocks=5, device="cpu"))][1:]


def cosines(before: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Of each column with that of the frame before."""
    return (before * frame).sum(axis=0) / np.linalg.norm(before, axis=0) / np.linalg.norm(frame, axis=0)


def test_a_component_does_not_flip_between_frames(digits: list[np.ndarray]) -> None:
    """Signed by itself, the second one does so between block 4 and its attention: half way it would be a line."""
    plain, drawn = np.stack([plain_views.own_plane(X) for X in digits]), pca_view(digits)
    block, attention = 16, 17
    assert cosines(plain[block], plain[attention])[1] < -0.9
    assert all((cosines(drawn[i - 1], drawn[i]) > 0.9).all() for i in range(1, len(digits)))

    def spread_half_way(frames: np.ndarray) -> float:
        return float(((frames[block] + frames[attention]) / 2)[:, 1].std() / frames[[block, attention], :, 1].std())

    assert spread_half_way(plain) < 0.4  # not 0, for attention lengthens the latents
    assert spread_half_way(drawn) > 0.9
    # Nothing but signs: the same plane, the first frame as it always was, and every frame one of four mirror images.
    np.testing.assert_array_equal(drawn[0], plain[0])
    for before, after in zip(plain, drawn, strict=True):
        signs = np.sign((before * after).sum(axis=0))
        np.testing.assert_array_equal(after, before * signs)
        np.testing.assert_array_equal(signing(before, after), np.diag(signs))
    np.testing.assert_array_equal(in_view(digits, ViewConfig(view="pca")), drawn)


def test_a_component_that_tells_nothing_keeps_its_sign() -> None:
    before, frame = np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([[1.0, 1.0], [1.0, -1.0]])
    np.testing.assert_array_equal(signing(frame, before), np.eye(2))  # the products are 0
    np.testing.assert_array_equal(-before @ signing(-before, before), before)


def test_planes_and_saved_blocks_have_the_signs_of_the_picture(digits: list[np.ndarray]) -> None:
    """Mirrored latents: each frame's own signs stay, the picture's follow; a drawn token and a saved block do, too."""
    view, config = ViewConfig(view="pca"), Config(n_blocks=5)
    latents = [X * (1 if i % 2 else -1) for i, X in enumerate(digits[::4])]
    drawn = pca_view(latents)
    draw = Projector(view, latents[0])
    for X, frame in zip(latents, drawn, strict=True):
        np.testing.assert_array_equal(draw(X), frame)
        np.testing.assert_allclose(draw.plane(X[:5]), frame[:5], atol=1e-6)
    kept = {block: latents[block] for block in blocks_needed([4], config, view)}
    np.testing.assert_array_equal(blocks_in_view(kept, view, 5)[4], drawn[4])
    # As on the screen, where the sub-steps lie between.
    blocks = digits[::4]
    np.testing.assert_array_equal(pca_view(blocks), pca_view(digits)[::4])


def test_fixed_pca_uses_one_plane(latents: list[np.ndarray]) -> None:
    frames = fixed_pca_view(latents, 1)
    np.testing.assert_allclose(frames[1], plain_views.own_plane(latents[1]), atol=1e-9)
    axes = planes.principal_axes(latents[1])
    np.testing.assert_allclose(frames[2] - frames[2].mean(axis=0), (latents[2] - latents[2].mean(axis=0)) @ axes)
    np.testing.assert_array_equal(fixed_pca_view(latents, 99), fixed_pca_view(latents, 2))


def test_alignment_takes_out_the_turning_and_nothing_else(latents: list[np.ndarray]) -> None:
    plain, aligned = pca_view(latents), aligned_pca_view(latents)
    for before, after in zip(plain, aligned, strict=True):
        np.testing.assert_allclose(pdist(before), pdist(after), atol=1e-9)
    # The latents are one cloud, turned, moved and halved: aligned, they lie on each other
    np.testing.assert_allclose(aligned[1], aligned[0], atol=1e-9)
    np.testing.assert_allclose(2 * aligned[2], aligned[0], atol=1e-9)


def test_three_dimensions(latents: list[np.ndarray]) -> None:
    X = latents[0]
    np.testing.assert_array_equal(planes.three_dimensions(X, 1, 0, principal=False), X[:, [1, 0, 2]])
    np.testing.assert_allclose(planes.three_dimensions(X, principal=True)[:, :2], pca_view([X])[0], atol=1e-9)
    flat = planes.three_dimensions(X[:, :2], principal=False)
    np.testing.assert_array_equal(flat, np.column_stack([X[:, :2], np.zeros(60)]))


def test_laid_on_finds_the_similarity_again() -> None:
    rng = np.random.RandomState(0)
    target = rng.randn(50, 2)
    turn = np.array([[np.cos(1), -np.sin(1)], [np.sin(1), np.cos(1)]]) @ np.diag([1, -1])
    last = 3.5 * target @ turn + [7, -2]
    frames = np.stack([last + rng.randn(50, 2), last])
    laid = planes.laid_on(frames, target)
    np.testing.assert_allclose(laid[1], target, atol=1e-12)
    for before, after in zip(frames, laid, strict=True):  # one similarity for all: distances keep their ratios
        np.testing.assert_allclose(
            np.linalg.norm(after - after[0], axis=1) * 3.5, np.linalg.norm(before - before[0], axis=1)
        )
    from scipy.spatial import procrustes

    noisy = target + rng.randn(50, 2)
    *_, disparity = procrustes(target, noisy)
    residual = (
        np.square(planes.laid_on(noisy[None], target)[0] - target).sum() / np.square(target - target.mean(axis=0)).sum()
    )
    assert residual == pytest.approx(disparity)
    np.testing.assert_array_equal(planes.laid_on(np.ones((1, 50, 2)), target)[0], np.tile(target.mean(axis=0), (50, 1)))
