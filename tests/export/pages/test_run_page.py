"""The saved page of a run: its panels, words and settings, from the app's job and from the terminal; and its size."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from dr_transformer import Config, InputError, __version__, load, unroll
from dr_transformer.canvas.parts import Colouring
from dr_transformer.canvas.picture import KEPT
from dr_transformer.cli.commands import main
from dr_transformer.config import BaselineConfig, ViewConfig
from dr_transformer.data.dataset import load_bytes
from dr_transformer.engine.baselines import Baseline, BaselineRun
from dr_transformer.engine.run import Run
from dr_transformer.export import settings
from dr_transformer.export.pages.run_page import WebPageJob, _for_panels, run_page
from dr_transformer.methods.graph_store import GraphStore
from dr_transformer.methods.pca import pca
from dr_transformer.methods.umap_worker import UMAPWorker
from dr_transformer.quality.curves import COLOURINGS
from dr_transformer.quality.words import describe
from tests.e2e.canvas.canvas_page import quantisation
from tests.export.pages.test_web_page import Page
from tests.helpers.blobs import decode
from tests.helpers.user_files import npz


@pytest.fixture(scope="module")
def run() -> Run:
    made = Run(load("mnist", 300), Config(n_components=16, n_blocks=2))
    made.owners.add("test")
    made.work()
    assert made.error is None
    return made


def test_the_page_of_a_run(run: Run) -> None:
    content = run_page(run, ViewConfig(view="pca"), depth=1.5)
    page = Page(content)
    header, _ = page.blob("frames")
    _, moving = header["panels"]
    assert [frame["depth"] for frame in moving["frames"]] == [0.0, 1.0, 2.0]  # without the sub-steps
    assert moving["frame_names"] == ["block 0", "block 1", "block 2"]
    assert moving["title"] == "Latents after {frame}, its own principal components"
    assert header["depth"] == 1.5
    assert page.found["h1"] == "MNIST: 300 tokens in a transformer that was never trained"
    told = [describe(run.full.latents, run.dataset.labels, run.dataset.class_names, block) for block in range(3)]
    assert json.loads(page.found["page"])["descriptions"] == told
    assert page.found["description"] == told[1]
    restored = settings.from_json(page.found["settings"], "the page")
    assert (restored.config, restored.view) == (run.config, ViewConfig(view="pca"))
    assert restored.data_key == run.dataset.key
    assert f'<meta name="generator" content="dr-transformer {__version__}">'.encode() in content
    assert b"<dt>config: alpha</dt><dd>30.0</dd>" in content
    assert f"<dt>versions: numpy</dt><dd>{np.__version__}</dd>".encode() in content
    assert b"<noscript><p" in content
    assert page.blob("attended")[0]["k"] == 5


def test_a_page_of_users_rows_without_classes_and_images() -> None:
    dataset = load_bytes("</script>.npz", npz(Y=np.random.RandomState(0).rand(30, 6)))
    made = Run(dataset, Config(n_components=4, n_blocks=1))
    made.owners.add("test")
    made.work()
    page = Page(run_page(made, ViewConfig()))
    assert page.found["h1"].startswith("</script>.npz: 30 tokens")
    assert page.found["description"].startswith("The tokens have no classes")
    assert "images" not in page.found


def test_baselines_have_their_own_values_or_none(run: Run) -> None:
    kept = np.linspace(0, 1, 300)
    pca, umap = Baseline("PCA", preservation=kept), Baseline("UMAP")
    blocks = np.stack(run.measured(["preservation"]).preservation)
    assert run.analysis.preservation == []
    mine, mine_too, of_pca, of_umap = _for_panels(Colouring(KEPT, blocks), [pca, umap]).values
    np.testing.assert_array_equal(mine, blocks)
    np.testing.assert_array_equal(mine_too, blocks)
    np.testing.assert_array_equal(of_pca, kept)
    assert np.isnan(of_umap).all()
    others = _for_panels(Colouring("another", blocks), [pca]).values
    assert np.isnan(others[2]).all()


def test_the_job_makes_it_and_stops_when_nobody_waits(run: Run) -> None:
    job = WebPageJob(run, ViewConfig(), depth=2.0)
    job.work()
    assert job.content is None
    assert not job.finished
    job.owners.add("somebody")
    job.work()
    assert job.content == run_page(run, ViewConfig())
    assert job.complete
    assert job.n_bytes == len(job.content or b"")
    assert 0 < job.progress < 1


def test_an_unfinished_run_is_a_sentence() -> None:
    with pytest.raises(InputError, match="the run is not finished"):
        run_page(Run(load("mnist", 300), Config()), ViewConfig())


@pytest.mark.slow
def test_ten_thousand_tokens_nine_blocks_and_baselines_are_below_five_megabytes() -> None:
    """What makes up the size is real: images, frames and attention, whose indices are as hard to compress at any q."""
    dataset, config = load("mnist"), Config(n_components=16, n_blocks=9)
    made = Run(dataset, config)
    for step in unroll(dataset.Y, config):
        made.full.take(step)
    random = np.random.RandomState(0)
    made.analysis.clusters = random.randint(0, 10, 10_000)
    made.analysis.neighbours = list(random.rand(10, 10_000))  # harder to compress than the true ones
    made.analysis.preservation = list(random.randint(0, 11, (10, 10_000)) / 10)
    made.analysis.measured = frozenset(COLOURINGS)
    made.done.set()
    baselines = BaselineRun(dataset, config, BaselineConfig(), GraphStore(), UMAPWorker())
    for method in baselines.methods.values():  # noise is harder to compress than any map
        method.embedding, method.preservation = random.rand(10_000, 2), random.randint(0, 11, 10_000) / 10
    content = run_page(made, ViewConfig(), baselines=baselines)
    panels = Page(content).blob("frames")[0]["panels"]
    assert len(panels) == 2 + len(baselines.methods) == 5
    assert len(panels[1]["frames"]) == 10
    assert 3e6 < len(content) < 5e6, len(content)


def test_the_terminal_writes_the_same_page(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "page.html"
    flags = ["--n-samples", "300", "--n-components", "16", "--n-blocks", "2"]
    assert main(["web", str(out), "--recorded", *flags]) == 0
    assert capsys.readouterr().out == f"wrote {out}\n"

    def timeless(content: bytes) -> bytes:
        return re.sub(rb"CPU, \d+\.\d s\.", b"CPU.", content)

    assert timeless(out.read_bytes()) == timeless(run_page(run, ViewConfig()))
    assert [each.name for each in tmp_path.iterdir()] == ["page.html"]
    assert main(["web", str(tmp_path / "page.pdf"), *flags]) == 2
    assert "must end in .html" in capsys.readouterr().err


class NoWorker:
    """In place of the process that computes UMAP, which takes seconds to start."""

    def submit(self, *_: object) -> None:
        raise InputError("it is not installed here.")

    def close(self) -> None:
        pass


def test_the_terminal_puts_the_baselines_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("dr_transformer.methods.umap_worker.UMAPWorker", NoWorker)
    out = tmp_path / "page.html"
    flags = ["--n-samples", "120", "--n-components", "16", "--n-blocks", "1", "--n-neighbors", "5"]
    assert main(["web", str(out), "--baselines", *flags]) == 0
    page = Page(out.read_bytes())
    header, arrays = page.blob("frames")
    assert [panel["title"] for panel in header["panels"]][2:] == ["Laplacian Eigenmaps", "PCA"]
    assert header["attention_panel"] == 1
    (frame,) = header["panels"][3]["frames"]
    scores, _ = pca(load("mnist", 120).Y, 2)
    assert (np.abs(decode(frame, arrays) - scores).max(axis=0) <= quantisation(scores)).all()
    assert "UMAP is missing: it is not installed here." in capsys.readouterr().err
    assert settings.from_json(page.found["settings"], "the page").baselines.n_neighbors == 5
