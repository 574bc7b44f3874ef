"""`dr-transformer embed`: tables as the app saves them, other methods, one block, and scripts that give them again."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dr_transformer import Config, Dataset, load
from dr_transformer.cli.commands import main
from dr_transformer.cli.embed import SUFFIXES, USED_BY, EmbedConfig
from dr_transformer.config import BaselineConfig, ViewConfig
from dr_transformer.engine.baselines import BASELINES, BaselineRun
from dr_transformer.engine.run import Run
from dr_transformer.export import script
from dr_transformer.export.job import TableJob
from dr_transformer.export.session_file import dump
from dr_transformer.export.session_file import load as load_session
from dr_transformer.export.tables import FORMATS
from dr_transformer.methods.graph_store import GraphStore
from dr_transformer.methods.umap_worker import UMAPWorker
from tests.model.ranks import run_together

SMALL = ["--n-samples", "120", "--n-components", "16", "--n-blocks", "3", "--alpha", "12.5"]
CONFIG = Config(n_components=16, n_blocks=3, alpha=12.5)
OTHERS = ["--n-neighbors", "9", "--baseline-components", "3"]
COMPARED = BaselineConfig(n_neighbors=9, baseline_components=3)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load("mnist", 120)


@pytest.fixture(scope="module")
def run(data: Dataset) -> Run:
    """As the explorer computes it."""
    made = Run(data, CONFIG)
    made.owners.add("test")
    made.work()
    assert made.error is None
    return made


@pytest.fixture(scope="module")
def baselines(data: Dataset, worker: UMAPWorker) -> BaselineRun:
    """As the app computes them."""
    made = BaselineRun(data, CONFIG, COMPARED, GraphStore(), worker)
    made.owners.add("test")
    made.work()
    assert made.complete
    return made


def as_the_app(run: Run, **asked: object) -> TableJob:
    job = TableJob(run, ViewConfig(), **asked)  # type: ignore[arg-type]
    job.owners.add("test")
    job.work()
    assert job.error is None
    return job


@pytest.mark.parametrize("block", [None, 0, 2, 3])
@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_a_table_of_a_block_is_the_apps(
    suffix: str, block: int | None, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / f"out{suffix}"
    if block is None and suffix == ".npz":
        block = 3  # without --block it is embed's own file
    flags = [] if block is None else ["--block", str(block)]
    assert main(["embed", str(out), *SMALL, *flags]) == 0
    block = 3 if block is None else block
    job = as_the_app(run, block=block, suffix=suffix)
    assert out.read_bytes() == job.content
    beside = tmp_path / "out.session.json"
    if suffix == ".csv":
        assert beside.read_bytes() == dump(job.made_with)
        assert load_session(beside.read_bytes()).settings.config == CONFIG
    written = [out, beside] if suffix == ".csv" else [out]
    assert sorted(tmp_path.iterdir()) == sorted(written)
    assert capsys.readouterr().out == "".join(f"wrote {path}\n" for path in written)
    again = load(out)
    np.testing.assert_array_equal(again.Y.astype(np.float32), run.full.latents[block])
    np.testing.assert_array_equal(again.labels, run.dataset.labels)


@pytest.mark.parametrize(
    ("method", "suffix"),
    [(m, s) for m in BASELINES for s in SUFFIXES if m != "umap" or s == ".csv"],  # a process of its own takes seconds
)
def test_another_method_is_the_apps(method: str, suffix: str, run: Run, baselines: BaselineRun, tmp_path: Path) -> None:
    out, flags = tmp_path / f"out{suffix}", OTHERS[2:] if method == "pca" else OTHERS
    # What does not change PCA is not among its flags, but is among the app's settings.
    compared = BaselineConfig(baseline_components=3) if method == "pca" else COMPARED
    assert main(["embed", str(out), *SMALL, "--method", method, *flags]) == 0
    job = as_the_app(run, method=method, suffix=suffix, baselines=baselines, compared=compared)
    assert out.read_bytes() == job.content
    expected = baselines.methods[method].embedding
    assert expected is not None
    assert expected.shape == (120, 3)
    np.testing.assert_array_equal(load(out).Y.astype(expected.dtype), expected)


def test_the_choices_are_the_apps() -> None:
    methods = EmbedConfig.parameters()["method"].choices
    assert methods == script.METHODS == ("transformer", *BASELINES)
    assert SUFFIXES == FORMATS
    assert {name for names in USED_BY.values() for name in names} == set(BaselineConfig.parameters()) - {"align"}


def test_without_a_new_option_the_npz_is_what_it_was(tmp_path: Path, data: Dataset, run: Run) -> None:
    for flags in ([], ["--method", "transformer"]):
        assert main(["embed", str(tmp_path / "out.npz"), *SMALL, *flags]) == 0
        with np.load(tmp_path / "out.npz") as file:
            assert file.files == ["embedding", "labels", "images", "settings"]
            np.testing.assert_array_equal(file["embedding"], run.full.latents[-1])
            np.testing.assert_array_equal(file["images"], data.images)
            kept = json.loads(str(file["settings"]))
        assert (kept["run"], set(kept)) == ({}, {"format", "schema", "config", "data", "run", "versions"})


SCRIPTS = {
    "last": [],
    "block": ["--block", "1"],
    "landmarks": ["--landmarks", "30"],
    "landmarks' block": ["--landmarks", "30", "--landmark-choice", "random", "--block", "2"],
    "landmarks' start": ["--landmarks", "30", "--block", "0"],
    "pca": ["--method", "pca", "--baseline-components", "3"],
    "laplacian": ["--method", "laplacian", "--scaling", "probdr", "--beta", "0.02", *OTHERS],
}


def test_the_script_gives_the_table_again(tmp_path: Path, data: Dataset) -> None:
    """To the last bit. Each in its own folder, all by one interpreter, for starting one takes longer than they do."""
    for name, flags in SCRIPTS.items():
        folder = tmp_path / name
        folder.mkdir()
        files = [str(folder / "out.csv"), "--script", str(folder / "script.py")]
        assert main(["embed", *files, *SMALL, *flags]) == 0
    code = "import os, runpy, sys\nfor f in sys.argv[1:]: os.chdir(f); runpy.run_path('script.py', run_name='__main__')"
    folders = [str(tmp_path / name) for name in SCRIPTS]
    done = subprocess.run([sys.executable, "-c", code, *folders], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in SCRIPTS:
        table = load(tmp_path / name / "out.csv")
        with np.load(tmp_path / name / "latents.npz") as found:
            np.testing.assert_array_equal(table.Y.astype(found["embedding"].dtype), found["embedding"], name)
            np.testing.assert_array_equal(found["labels"], data.labels)


def test_a_table_by_landmarks_says_so(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert main(["embed", str(out), *SMALL, "--landmarks", "30", "--landmark-choice", "random"]) == 0
    kept = json.loads((tmp_path / "out.session.json").read_text())["run"]
    assert kept == {
        "method": "transformer", "block": 3, "coordinates": "all", "landmarks": 30, "landmark_choice": "random",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["out.txt"], "cannot write 'out.txt': the name must end in .npz, .csv or .parquet."),
        (["out.csv", "--trajectory"], "which only a .npz file holds, not 'out.csv'; name a .npz file"),
        (["out.parquet", "--trajectory"], "which only a .npz file holds"),
        (["out.npz", "--trajectory", "--block", "1"], "--trajectory writes every block, and --block one"),
        (["out.csv", "--block", "9"], "block = 9 is not there: this run has the blocks 0 to 8."),
        (["out.csv", "--block", "-1"], "block must be at least 0"),
        (["out.csv", "--method", "tsne"], "method must be 'transformer' or 'laplacian' or 'umap' or 'pca'"),
        (["out.csv", "--method", "pca", "--block", "1"], "--block is for the transformer alone"),
        (["out.npz", "--method", "umap", "--trajectory"], "--trajectory is for the transformer alone"),
        (["out.csv", "--method", "laplacian", "--landmarks", "9"], "--landmarks is for the transformer alone"),
        (["out.csv", "--method", "pca", "--dry-run"], "--dry-run counts the transformer alone"),
        (["out.csv", "--n-neighbors", "9"], "n_neighbors changes nothing of --method transformer; leave it out."),
        (["out.csv", "--method", "pca", "--min-dist", "0"], "min_dist changes nothing of --method pca"),
        (["out.csv", "--script", "script.txt"], "the name of the script must end in .py"),
        (["out.csv", "--script", "no/folder/script.py"], "its folder does not exist; choose another path"),
        (["out.csv", "--method", "laplacian", "--n-samples", "12"], "n_neighbors = 15 is not possible with 12 tokens"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(
    flags: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["embed", *flags]) == 2
    said = capsys.readouterr()
    assert said.err.strip().splitlines()[-1].startswith("dr-transformer: ")
    assert sentence in said.err
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_session_with_notes_is_not_overwritten(tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    out, beside = tmp_path / "out.csv", tmp_path / "out.session.json"
    made_with = as_the_app(run, block=3, suffix=".csv").made_with
    for content in (dump(made_with, notes="mine"), dump(made_with, selection=[3]), b"no session"):
        beside.write_bytes(content)
        assert main(["embed", str(out), *SMALL]) == 2
        assert "out.session.json would hold the settings of the CSV, but" in capsys.readouterr().err
        assert beside.read_bytes() == content
        assert not out.exists()
    beside.write_bytes(dump(made_with | {"run": {}}))  # settings alone, as embed wrote them last time
    assert main(["embed", str(out), *SMALL]) == 0
    assert beside.read_bytes() == dump(made_with)


def test_several_processes_write_tables_too(tmp_path: Path, run: Run) -> None:
    out, marks = tmp_path / "out.csv", tmp_path / "marks.parquet"
    alone = tmp_path / "alone.parquet"
    results = run_together(
        2,
        ["embed", str(out), *SMALL, "--block", "2"],
        ["embed", str(marks), *SMALL, "--landmarks", "30", "--block", "0"],
        ["embed", str(tmp_path / "bad.csv"), "--method", "pca"],
        ["embed", str(tmp_path / "bad.csv"), "--script", str(tmp_path / "bad.py")],
    )
    assert [[status for status, *_ in ranks] for ranks in results] == [[0, 0], [0, 0], [2, 2], [2, 2]]
    assert [ranks[1][1:] for ranks in results] == [["", ""]] * 4
    assert results[0][0][1] == f"wrote {out}\nwrote {tmp_path / 'out.session.json'}\n"
    assert "--method pca is computed by one process; start embed without torchrun." in results[2][0][2]
    assert "--script gives the numbers of one process" in results[3][0][2]
    np.testing.assert_allclose(load(out).Y, run.full.latents[2], atol=1e-6)
    assert json.loads((tmp_path / "out.session.json").read_text())["run"]["processes"] == 2
    assert main(["embed", str(alone), *SMALL, "--landmarks", "30", "--block", "0"]) == 0
    np.testing.assert_array_equal(load(marks).Y, load(alone).Y)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".csv", ".json", ".parquet", ".parquet"]
