"""The paper's setting on the bundled ten thousand images: the published figure, and the check table."""

import numpy as np
import pytest
import torch

from dr_transformer import Config, Dataset, load, unroll
from dr_transformer.quality import metrics
from tests.helpers import oracle
from tests.helpers.plain_scores import kmeans_nmi

# MODEL: effective rank, mean cosine, 5-NN accuracy by block, as printed there
TABLE = {
    0: (17.2, 0.43, 0.926),
    1: (10.3, 0.52, 0.925),
    2: (7.0, 0.59, 0.921),
    4: (4.1, 0.69, 0.904),
    6: (2.9, 0.76, 0.887),
    8: (2.3, 0.81, 0.879),
}


@pytest.fixture(scope="module")
def mnist() -> Dataset:
    return load("mnist")


@pytest.fixture(scope="module")
def latents(mnist: Dataset) -> list[torch.Tensor]:
    return [step.X for step in unroll(mnist.Y, Config()) if step.ends_block]


@pytest.fixture(scope="module")
def published(mnist: Dataset) -> torch.Tensor:
    """The last block, by the encoder layer itself from the published draw of W_proj: no code of the package."""
    start = torch.from_numpy(oracle.published_start(mnist.Y.astype(np.float64) / 255, 128, 42))
    X = torch.nn.functional.layer_norm(start, (128,), eps=1e-10) / 100
    layer, src_mask = oracle.layer(Config(), 10_000, torch.float32), oracle.mask(Config(), 10_000, torch.float32)
    for _ in range(8):
        X = oracle.block(layer, X, src_mask)
    return X


def test_the_published_figure_point_for_point(latents: list[torch.Tensor], published: torch.Tensor) -> None:
    assert latents[-1].dtype == torch.float32
    difference = (latents[-1] - published)[:, :2].abs().max()
    extent = published[:, :2].max() - published[:, :2].min()
    assert difference / extent < 1e-4  # a hundredth of a pixel on a plot of a hundred pixels


@pytest.mark.parametrize("block", TABLE)
def test_check_table(block: int, latents: list[torch.Tensor], mnist: Dataset) -> None:
    rank, cosine, accuracy = TABLE[block]
    X = latents[block].numpy()
    assert mnist.labels is not None
    assert metrics.effective_rank(X) == pytest.approx(rank, abs=0.06)
    assert metrics.mean_cosine(X) == pytest.approx(cosine, abs=0.01)
    assert metrics.knn_accuracy(X, mnist.labels) == pytest.approx(accuracy, abs=0.002)


def test_clusters_tighten(latents: list[torch.Tensor], mnist: Dataset) -> None:
    """NMI of ten k-means clusters with the digits: 0.47 at block 0, 0.59 at block 8."""
    assert mnist.labels is not None
    first, last = (kmeans_nmi(latents[b].numpy(), mnist.labels) for b in (0, 8))
    assert first == pytest.approx(0.47, abs=0.03)
    assert last == pytest.approx(0.59, abs=0.03)


def test_float32_is_this_far_from_float64(latents: list[torch.Tensor], mnist: Dataset) -> None:
    *_, exact = unroll(mnist.Y[:2000], Config(precision="float64"))
    *_, single = unroll(mnist.Y[:2000], Config())
    assert oracle.relative_error(single.X, exact.X) < 1e-4
