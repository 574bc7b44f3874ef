"""The compare page's figures: those of the explorer where they have one name, and words for what is missing."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from dr_transformer import Config, Dataset, load, unroll
from dr_transformer.config import BaselineConfig
from dr_transformer.engine.baselines import BASELINES, Baseline, BaselineRun, Measurement, levels
from dr_transformer.engine.run import Run
from dr_transformer.methods.graph_store import GraphStore
from dr_transformer.quality import metrics
from dr_transformer.quality.curves import Analysis
from dr_transformer.quality.scores import Quality, Reference, clusters, nmi, quality
from dr_transformer.ui.compare.comparison import missing_line, sentences, table
from dr_transformer.ui.text import curves_line, depth_line
from tests.helpers.plain_scores import kmeans_nmi

NO_ORIGIN = "effective rank, mean cosine of Laplacian Eigenmaps, UMAP: where the origin of such a map lies"


def analysis(dataset: Dataset, latents: list[np.ndarray], config: Config) -> Analysis:
    found = Analysis()
    for _ in found.steps(dataset, config, latents, GraphStore(), lambda: None, ("curves", "clusters")):
        pass
    return found


def blocks(dataset: Dataset, config: Config) -> list[np.ndarray]:
    return [step.X.numpy() for step in unroll(dataset.Y, config) if step.ends_block]


@pytest.mark.parametrize(("n", "seed"), [(400, 42), (2300, 7)])
def test_explorer_and_compare_show_one_nmi(n: int, seed: int) -> None:
    """Also where both measure a subsample."""
    data, config = load("mnist", n), Config(n_components=8, n_blocks=1, random_state=seed)
    latents = blocks(data, config)
    reference = Reference.of(data.Y, data.labels, random_state=seed)
    expected = [quality(X, reference).figures["nmi"] for X in latents]
    assert None not in expected
    assert analysis(data, latents, config).curves["nmi"] == expected


@pytest.mark.filterwarnings("error")  # k-means would warn of clusters that it cannot find
def test_collapse_has_no_nmi_on_either_page() -> None:
    """At q = 2 LayerNorm leaves two points (1, −1) and (−1, 1), and ten classes cannot be told apart."""
    data, config = load("digits", 300), Config(n_components=2, n_blocks=1)
    latents = blocks(data, config)
    assert metrics.points_apart(latents[-1].astype(float), 10) == 2
    found = quality(latents[-1], Reference.of(data.Y, data.labels))
    assert found.figures["nmi"] is None
    explored = analysis(data, latents, config)
    assert explored.curves["nmi"][-1] is None
    assert explored.clusters is not None
    assert len(np.unique(explored.clusters)) == 2
    run = cast("Run", SimpleNamespace(analysis=explored, dataset=data, config=config))
    assert "missing where k-means cannot tell as many points apart" in curves_line(run)
    assert "NMI rises" not in curves_line(run)


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan])
def test_what_cannot_be_told_apart_has_no_clusters(value: float) -> None:
    X = np.full((50, 3), value, np.float32)
    assert clusters(X, 4) is None
    assert nmi(X, np.arange(50) % 3) is None
    assert nmi(np.random.default_rng(0).normal(size=(50, 3)), None) is None


def test_the_clusters_to_colour_by_are_metrics_own() -> None:
    X = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    np.testing.assert_array_equal(clusters(X, 5, random_state=3), metrics.kmeans_clusters(X, 5, 3, n_init=3))


def test_clusters_of_collapsed_tokens_are_not_rounding() -> None:
    """Four classes close to two points opposite each other: to float32, distances between two of them are rounding."""
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=500)
    direction = rng.normal(size=64)
    X = np.where(labels % 2, 0.25, -0.25)[:, None] * direction / np.linalg.norm(direction)
    X = X + 5e-6 * rng.normal(size=(4, 64))[labels] + 5e-7 * rng.normal(size=(500, 64))
    assert kmeans_nmi(X.astype(np.float32), labels) == pytest.approx(1)  # 0.51 with k-means in float32


@pytest.mark.parametrize(
    ("nmi", "accuracy", "said"),
    [
        ((0.47, 0.5, 0.584), (0.9, 0.8), "clusters tighten: NMI rises 0.47 → 0.58; neighbours get worse: 5-NN accuracy "
         "falls 0.90 → 0.80"),
        ((0.6, 0.3), (0.5, 0.75), "clusters loosen: NMI falls 0.60 → 0.30; neighbours get better: 5-NN accuracy rises "
         "0.50 → 0.75"),
        ((0.501, 0.504), (0.5, 0.5), "clusters stay as tight: NMI stays 0.50 → 0.50; neighbours stay as good: 5-NN "
         "accuracy stays 0.50 → 0.50"),
        ((0.5, None), (0.5, 0.4), "neighbours get worse: 5-NN accuracy falls 0.50 → 0.40"),
        ((0.4, 0.5), (), "clusters tighten: NMI rises 0.40 → 0.50"),
    ],
)  # fmt: skip
def test_what_depth_does_follows_the_signs(nmi: tuple[float], accuracy: tuple[float], said: str) -> None:
    assert depth_line(8, nmi, accuracy) == f"From block 0 to block 8 {said}."


def test_without_figures_nothing_is_said_of_depth() -> None:
    assert depth_line(8, (None, 0.5), ()) == ""


def _measured(data: Dataset, q: int) -> tuple[Any, Any, Any]:
    """What the page has in hand, of a model of q dimensions and one block, and without waiting for UMAP."""
    config = Config(n_components=q, n_blocks=1)
    latents = blocks(data, config)
    reference = Reference.of(data.Y, data.labels)
    methods = {}
    for i, (key, name) in enumerate(BASELINES.items()):
        X = np.random.default_rng(i).normal(size=(data.n_samples, 2))
        methods[key] = Baseline(name, embedding=X, quality=quality(X, reference))
    run = cast("Run", SimpleNamespace(config=config, seconds=1.0, device="cpu", dataset=data))
    baselines = SimpleNamespace(methods=methods, reference=reference, baselines=BaselineConfig())
    measured = SimpleNamespace(blocks=[quality(X, reference) for X in latents], reduced=None, complete=True)
    return run, cast("BaselineRun", baselines), cast("Measurement", measured)


def test_every_empty_cell_has_a_reason() -> None:
    run, baselines, measured = _measured(load("digits", 300), 2)
    said = missing_line(run, baselines, measured)
    assert (
        "NMI of k-means clusters, ARI of k-means clusters of transformer, block 1: the tokens lie at 2 points" in said
    )
    assert NO_ORIGIN in said
    assert said.startswith("No ")
    assert list(sentences(run, baselines, measured))[-1] == said
    empty = {title for row in table(run, baselines, measured) for title, value in row.items() if value is None}
    assert {title for title in empty if title not in said} == set()
    assert levels(baselines, ("mean_cosine",))["mean cosine"]["UMAP"] is None


def test_a_reason_that_all_rows_share_is_said_once() -> None:
    run, baselines, measured = _measured(replace(load("digits", 300), labels=None), 4)
    said = missing_line(run, baselines, measured)
    assert "ARI of k-means clusters, silhouette: the data have no labels" in said
    assert said.count("no labels") == 1


def test_where_nothing_is_missing_nothing_is_said() -> None:
    run, baselines, measured = _measured(load("digits", 300), 4)
    baselines.methods = {"pca": baselines.methods["pca"]}
    assert measured.blocks[0].missing == {}
    assert missing_line(run, baselines, measured) == ""
    assert isinstance(measured.blocks[0], Quality)
