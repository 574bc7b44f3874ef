"""Baselines, their quality and the check on null data as jobs: right, shared, cancelled, and one failure alone."""

import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace
from typing import cast

import numpy as np
import pytest

from dr_transformer import Config, Dataset, load
from dr_transformer.config import BaselineConfig
from dr_transformer.engine.baselines import BASELINES, BaselineRun, Measurement
from dr_transformer.engine.jobs import Job, Runner
from dr_transformer.engine.reality import RealityCheck
from dr_transformer.engine.run import Run
from dr_transformer.estimators.laplacian import LaplacianEigenmaps
from dr_transformer.methods.graph import knn_graph, neighbourhood_preservation
from dr_transformer.methods.graph_store import GraphStore
from dr_transformer.methods.umap import UMAPSettings
from dr_transformer.methods.umap_worker import UMAPRun, UMAPWorker
from dr_transformer.quality.metrics import METRICS
from dr_transformer.quality.replicates import DATA
from dr_transformer.quality.scores import Reference, quality

CONFIG = Config(n_components=16, n_blocks=2)


@pytest.fixture
def runner() -> Iterator[Runner]:
    one = Runner()
    yield one
    one.close()


@pytest.fixture(scope="module")
def mnist() -> Dataset:
    return load("mnist", 400)


def wait(job: Job, until: Callable[[], bool] | None = None) -> None:
    end = time.monotonic() + 120
    while not (until() if until else job.finished):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def test_every_baseline_is_what_its_library_gives(runner: Runner, mnist: Dataset, worker: UMAPWorker) -> None:
    graphs = GraphStore()
    chosen = BaselineConfig(n_neighbors=12)
    run = runner.submit("a", lambda: BaselineRun(mnist, CONFIG, chosen, graphs, worker), "me")
    model = runner.submit("model", lambda: Run(mnist, CONFIG, graphs), "me too")
    measured = runner.submit("measured", lambda: Measurement(model, run), "me as well")
    wait(run)
    assert run.error is None
    assert {name: method.error for name, method in run.methods.items()} == dict.fromkeys(BASELINES)
    pixels = mnist.Y / 255.0
    _, _, axes = np.linalg.svd(pixels - pixels.mean(axis=0), full_matrices=False)
    scores = (pixels - pixels.mean(axis=0)) @ axes[:2].T
    pca, laplacian, umap = (run.methods[name].embedding for name in ("pca", "laplacian", "umap"))
    assert pca is not None
    assert laplacian is not None
    assert umap is not None
    np.testing.assert_allclose(pca * np.sign((pca * scores).sum(axis=0)), scores, atol=1e-4)
    np.testing.assert_allclose(laplacian, LaplacianEigenmaps(2, n_neighbors=12).fit_transform(mnist.Y), rtol=1e-6)
    assert run.umap_run is not None
    assert run.umap_run.settings.n_neighbors == 13  # umap-learn counts the token itself
    np.testing.assert_array_equal(umap, run.umap_run.frames[-1])
    for method in run.methods.values():
        assert len(method.frames) == len(method.frame_names) == method.n_frames
        np.testing.assert_array_equal(method.frames[-1], method.embedding)
        assert method.seconds > 0
    assert run.methods["laplacian"].frame_names[0].startswith("0 power iterations, ")
    assert run.methods["umap"].frame_names[-1] == "epoch 500 of 500"
    # The figures, on the one reference and graph that all share.
    assert run.reference is not None
    np.testing.assert_array_equal(run.reference.rows, Reference.of(mnist.Y, mnist.labels).rows)
    near = knn_graph(mnist.Y, 10).indices
    for method in run.methods.values():
        assert method.embedding is not None
        assert method.quality == quality(method.embedding, run.reference)
        kept = neighbourhood_preservation(near, knn_graph(method.embedding, 10).indices)
        np.testing.assert_array_equal(method.preservation, kept)
    wait(measured)
    assert measured.blocks == [quality(X, run.reference) for X in model.full.latents]
    assert measured.reduced is not None
    assert measured.reduced.figures["effective_rank"] <= 2


def test_a_method_that_cannot_be_had_leaves_the_others(runner: Runner, mnist: Dataset, worker: UMAPWorker) -> None:
    chosen = BaselineConfig(scaling="probdr", beta=1000)
    run = runner.submit("a", lambda: BaselineRun(mnist, CONFIG, chosen, GraphStore(), worker), "me")
    wait(run)
    assert run.error is None
    assert "choose beta up to" in (run.methods["laplacian"].error or "")
    assert run.methods["laplacian"].quality is None
    assert run.methods["pca"].quality is not None
    assert run.methods["umap"].quality is not None


def test_more_neighbours_than_tokens_is_a_sentence(runner: Runner, worker: UMAPWorker) -> None:
    few = load("digits", 12)
    chosen = BaselineConfig(n_neighbors=15)
    run = runner.submit("a", lambda: BaselineRun(few, CONFIG, chosen, GraphStore(), worker), "me")
    wait(run)
    assert run.error is None
    for name in ("laplacian", "umap"):
        assert "n_neighbors = 15 is not possible with 12 tokens" in (run.methods[name].error or "")
    assert run.methods["pca"].quality is not None
    model = runner.submit("model", lambda: Run(few, CONFIG), "me too")
    measured = runner.submit("measured", lambda: Measurement(model, run), "me as well")
    wait(measured)
    assert measured.error is None
    assert len(measured.blocks) == 3


def test_what_nobody_waits_for_stops_and_goes_on_later(runner: Runner, mnist: Dataset, worker: UMAPWorker) -> None:
    chosen = replace(BaselineConfig(), min_dist=0.05)
    config = replace(CONFIG, random_state=7)

    def make() -> BaselineRun:
        return BaselineRun(mnist, config, chosen, GraphStore(), worker)

    run = runner.submit("a", make, "me")
    wait(run, lambda: run.umap_run is not None)
    umap = run.umap_run
    runner.release("me")
    wait(run, lambda: not run.working)
    assert not run.finished
    assert umap is not None
    assert umap.state == "cancelled"
    assert runner.submit("a", make, "me") is run
    wait(run)
    assert run.methods["umap"].quality is not None


def test_is_it_real(runner: Runner, mnist: Dataset, worker: UMAPWorker) -> None:
    """The labels tell real digits from noise, in every method; and the table has each of them."""
    check = runner.submit("r", lambda: RealityCheck(mnist, CONFIG, BaselineConfig(n_neighbors=10), 2, worker), "me")
    wait(check)
    assert check.error is None
    assert check.progress == 1
    rows = {(row.method + row.part, row.data, row.metric): row for row in check.rows}
    last = "transformerblock 2"
    methods = {last, f"{last}, by PCA", "PCA", "Laplacian Eigenmaps", "UMAP"}
    assert set(rows) == {(m, d, name) for m in methods for d in DATA for name in METRICS}
    for method in methods:
        real, *nulls = (rows[method, data, "accuracy"] for data in DATA)
        assert real.k == 2
        assert real.sd is not None
        assert real.mean is not None
        assert real.mean > 0.3
        assert all(null.mean is not None and null.mean < 0.3 for null in nulls)


class _Layouts:
    """Stands for the UMAP process: notes what runs are called, and fails them."""

    def __init__(self) -> None:
        self.keys: list[Hashable] = []

    def submit(self, _Y: object, _graph: object, settings: UMAPSettings, key: Hashable, _owner: object) -> UMAPRun:
        self.keys.append(key)
        run = UMAPRun(settings, 1)
        run.finish("failed", "not here.")
        return run

    def release(self, owner: object) -> None:
        """Nothing waits."""


def test_layouts_of_the_check_are_called_by_what_they_follow_from() -> None:
    """Not by the tokens themselves, which are large; and another check finds them again."""
    few, found = load("mnist", 100), []
    for _ in range(2):
        layouts = _Layouts()
        check = RealityCheck(few, CONFIG, BaselineConfig(n_neighbors=10), 2, cast("UMAPWorker", layouts))
        check.owners.add("me")
        check.work()
        assert check.complete
        assert check.progress == pytest.approx(1)
        found.append(layouts.keys)
    seeds = (CONFIG.random_state, CONFIG.random_state + 1)
    assert found[0] == [("reality check", few.key, kind, seed, 100) for seed in seeds for kind in DATA]
    assert found[1] == found[0]
    assert [one.done for one in check.replicates] == sorted(one.done for one in check.replicates)
