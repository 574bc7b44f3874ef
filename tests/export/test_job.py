"""What the app saves in the background: the same files as the terminal's, progress, waiting, and stopping."""

import csv
import io
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from dr_transformer import Config, Dataset, load
from dr_transformer.cli.commands import main
from dr_transformer.config import BaselineConfig, ViewConfig
from dr_transformer.data.dataset import load_bytes
from dr_transformer.engine.baselines import BaselineRun
from dr_transformer.engine.run import Run
from dr_transformer.export.figure_config import AnimationConfig, FigureConfig
from dr_transformer.export.job import Charts, ExportJob, FigureJob, FilmJob, Measured, TableJob
from dr_transformer.export.metadata import read_settings
from dr_transformer.methods.graph_store import GraphStore
from dr_transformer.methods.pca import pca
from dr_transformer.methods.umap_worker import UMAPWorker
from tests.helpers.plain_views import pca_view

CONFIG = Config(n_components=16, n_blocks=2)
SMALL = ["--n-samples", "120", "--n-components", "16", "--n-blocks", "2"]
VIEW = ViewConfig(view="pca")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load("mnist", 120)


@pytest.fixture(scope="module")
def run(data: Dataset) -> Run:
    made = Run(data, CONFIG)
    made.owners.add("test")
    made.work()
    assert made.finished
    return made


def done(job: ExportJob) -> bytes:
    job.owners.add("test")
    job.work()
    assert job.error is None
    assert job.complete
    assert job.content is not None
    assert job.n_bytes == len(job.content)
    return job.content


@pytest.mark.parametrize("template", ["figure1", "strip", "metrics", "attention"])
def test_app_and_terminal_give_the_same_figure(template: str, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "figure.svg"
    job = FigureJob(run, VIEW, options=FigureConfig(template=template, dpi=70), kind="svg")
    content = done(job)
    assert main(["figure", str(out), *SMALL, "--template", template, "--dpi", "70", "--view", "pca"]) == 0
    assert out.read_bytes() == content
    assert job.note == (f"All {len(run.full.latents) * 120} points are vectors." if template == "strip" else job.note)


def test_app_and_terminal_give_the_same_film(run: Run, tmp_path: Path) -> None:
    options = AnimationConfig(frame_width=200, frame_height=200, fps=5, seconds_per_block=1, hold=0)
    job = FilmJob(run, VIEW, options=options, suffix=".gif")
    content = done(job)
    assert (job.progress, job.note) == (1.0, "2.2 s at 5 frames a second.")
    look = ["--frame-width", "200", "--frame-height", "200", "--fps", "5", "--hold", "0", "--view", "pca"]
    assert main(["animate", str(tmp_path / "film.gif"), *SMALL, *look]) == 0
    assert (tmp_path / "film.gif").read_bytes() == content


@pytest.mark.parametrize(("block", "plane"), [(1, False), (2, True)])
def test_a_table_of_a_block(block: int, plane: bool, run: Run) -> None:
    content = done(TableJob(run, VIEW, method="transformer", block=block, plane=plane, suffix=".npz"))
    again = load_bytes("latents.npz", content)
    expected = pca_view([run.full.latents[block]])[0] if plane else run.full.latents[block]
    np.testing.assert_array_equal(again.Y, expected)
    with np.load(io.BytesIO(content)) as file:
        kept = str(file["settings"])
    assert f'"run":{{"method":"transformer","block":{block},"coordinates":"{"view" if plane else "all"}"}}' in kept


class Still(BaselineRun):
    """Baselines that a test fills by itself."""

    def __init__(self, data: Dataset) -> None:
        super().__init__(data, CONFIG, BaselineConfig(), GraphStore(), UMAPWorker())
        self.owners.add("test")


def test_a_table_of_a_baseline_waits_for_it(run: Run, data: Dataset) -> None:
    baselines = Still(data)
    job = TableJob(run, VIEW, method="pca", suffix=".csv", baselines=baselines, compared=BaselineConfig())
    job.owners.add("test")
    thread = threading.Thread(target=job.work)
    thread.start()
    while job.current != "waiting for PCA":
        time.sleep(0.01)
    scores = pca(data.Y, 2).scores
    baselines.methods["pca"].embedding = scores
    thread.join()
    assert job.complete
    assert job.content is not None
    rows = list(csv.reader(io.StringIO(job.content.decode())))[1:]
    np.testing.assert_array_equal(np.array([row[:2] for row in rows], dtype=np.float64), scores)
    assert job.note == "120 tokens, 2 coordinates."


def test_methods_with_one_that_failed(run: Run, data: Dataset) -> None:
    baselines = Still(data)
    baselines.methods["pca"].embedding = baselines.methods["laplacian"].embedding = pca(data.Y, 2).scores
    baselines.methods["umap"].error = "it was stopped at epoch 3 of 500."
    options, compared = FigureConfig(template="methods", dpi=50), BaselineConfig(align="pca", n_neighbors=9)
    content = done(FigureJob(run, VIEW, options=options, kind="pdf", baselines=baselines, compared=compared))
    assert read_settings(content).baselines == compared
    job = TableJob(run, VIEW, method="umap", baselines=baselines)
    job.owners.add("test")
    job.work()
    assert job.error == "UMAP is missing: it was stopped at epoch 3 of 500."


def test_metrics_of_the_compare_page(run: Run) -> None:
    ready = threading.Event()
    charts = Charts({"5-NN accuracy": [0.1, 0.9, None]}, {"5-NN accuracy": {"PCA": 0.5}})
    measured = Measured("key", ready.is_set, lambda: charts)
    job = FigureJob(run, VIEW, options=FigureConfig(template="metrics"), kind="pdf", measured=measured)
    job.owners.add("test")
    thread = threading.Thread(target=job.work)
    thread.start()
    while job.current != "measuring":
        time.sleep(0.01)
    ready.set()
    thread.join()
    assert job.complete


def test_a_run_that_is_given_up_or_fails_ends_the_wait(data: Dataset) -> None:
    left = Run(data, CONFIG)
    for error, sentence in ((None, "the settings were changed"), ("this failed.", "this failed.")):
        left.error = error
        job = FigureJob(left, VIEW)
        job.owners.add("test")
        job.work()
        assert sentence in (job.error or "")
