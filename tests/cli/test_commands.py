"""The terminal, run as people run it."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from pypdf import PdfReader

from dr_transformer import Config, DataConfig, load, unroll
from dr_transformer.cli.commands import main
from dr_transformer.cli.embed import EmbedConfig, baseline_parameters
from dr_transformer.model.cost import cost
from dr_transformer.model.landmarks import CHOICES, choose_landmarks
from dr_transformer.model.projection import fit_projection
from tests.helpers.plain_landmarks import unroll_landmarks
from tests.helpers.servers import free_port

SMALL = ["--n-samples", "300", "--n-components", "16", "--n-blocks", "2"]


def test_embed_writes_what_the_model_gives(tmp_path: Path) -> None:
    out = tmp_path / "out.npz"
    assert main(["embed", str(out), "--trajectory", *SMALL, "--alpha", "12.5", "--no-mask-self"]) == 0
    config = Config(n_components=16, n_blocks=2, alpha=12.5, mask_self=False)
    data = load("mnist", 300)
    trajectory = np.stack([s.X.numpy() for s in unroll(data.Y, config) if s.ends_block])
    with np.load(out, allow_pickle=False) as file:
        np.testing.assert_array_equal(file["trajectory"], trajectory)
        np.testing.assert_array_equal(file["embedding"], trajectory[-1])
        np.testing.assert_array_equal(file["labels"], data.labels)
        np.testing.assert_array_equal(file["images"], data.images)
        settings = json.loads(str(file["settings"]))
    assert Config.from_dict(settings["config"]) == config
    assert settings["data"]["n_samples"] == 300
    assert [p.name for p in tmp_path.iterdir()] == ["out.npz"]


def test_embed_of_a_users_table(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("a,b,label\n1,2,x\n3,4,y\n5,1,x\n")
    out = tmp_path / "out.npz"
    assert main(["embed", str(out), "--dataset", str(table), "--n-components", "3"]) == 0
    with np.load(out) as file:
        assert file["embedding"].shape == (3, 3)
        assert file["labels"].tolist() == [0, 1, 0]
        assert set(file.files) == {"embedding", "labels", "settings"}


@pytest.mark.parametrize("choice", CHOICES)
def test_embed_with_landmarks(tmp_path: Path, choice: str) -> None:
    out = tmp_path / "out.npz"
    flags = ["--landmarks", "40", "--landmark-choice", choice]
    assert main(["embed", str(out), "--trajectory", *SMALL, *flags]) == 0
    config, data = Config(n_components=16, n_blocks=2), load("mnist", 300)
    index = choose_landmarks(data.Y, 40, fit_projection(data.Y, config), choice=choice)
    trajectory = np.stack([s.X.numpy() for s in unroll_landmarks(data.Y, config, index) if s.ends_block])
    with np.load(out) as file:
        np.testing.assert_array_equal(file["landmarks"], index)
        np.testing.assert_array_equal(file["trajectory"], trajectory)
        np.testing.assert_array_equal(file["embedding"], trajectory[-1])
        assert json.loads(str(file["settings"]))["run"] == {"landmarks": 40, "landmark_choice": choice}
    assert main(["embed", str(tmp_path / "last.npz"), *SMALL, *flags]) == 0
    with np.load(tmp_path / "last.npz") as file:
        np.testing.assert_array_equal(file["embedding"], trajectory[-1])
        assert "trajectory" not in file.files


def test_a_dry_run_says_the_cost_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out.npz")
    assert main(["embed", out, "--dry-run"]) == 0
    assert capsys.readouterr().out == f"10000 tokens, exact: {cost(10_000, Config())}\n"
    billion = ["--n-samples", "1000000000", "--landmarks", "1000"]  # nobody looks for so many images
    assert main(["embed", out, "--dry-run", *billion]) == 0
    assert capsys.readouterr().out == f"1000000000 tokens, 1000 landmarks: {cost(10**9, Config(), landmarks=1000)}\n"
    assert main(["embed", out, "--dry-run", "--block", "3"]) == 0  # what comes after it is not computed
    assert capsys.readouterr().out == f"10000 tokens, exact: {cost(10_000, Config(n_blocks=3))}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("n_samples", [[], ["--n-samples", "2"]])
def test_a_dry_run_looks_at_the_dtype_of_a_users_table(
    n_samples: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "table.csv").write_text("a,b\n1.5,2\n3,4\n")
    dry = ["embed", str(tmp_path / "out.npz"), "--dry-run", "--dataset", str(tmp_path / "table.csv"), *n_samples]
    assert main(dry) == 0
    assert capsys.readouterr().out == f"2 tokens, exact: {cost(2, Config(), np.float64)}\n"
    assert main([*dry, "--precision", "float32"]) == 0
    assert capsys.readouterr().out == f"2 tokens, exact: {cost(2, Config())}\n"
    assert cost(2, Config(), np.float64).memory_bytes > cost(2, Config()).memory_bytes


@pytest.mark.parametrize("suffix", ["pdf", "png", "svg"])
def test_figure(tmp_path: Path, suffix: str) -> None:
    out, again = tmp_path / f"figure1.{suffix}", tmp_path / f"again.{suffix}"
    assert main(["figure", str(out), *SMALL]) == 0
    assert main(["figure", str(again), *SMALL]) == 0
    assert out.read_bytes() == again.read_bytes()  # the same settings, the same file
    if suffix == "pdf":
        (page,) = PdfReader(out).pages
        assert (page.mediabox.width, page.mediabox.height) == (8 * 72, 4 * 72)
        assert page.get_contents().get_data().count(b" Do") >= 600  # a marker for each point: true vectors
    elif suffix == "svg":
        assert out.read_text().count("<use ") == 600
    else:
        assert imread(out).shape[:2] == (4 * 300, 8 * 300)


def test_figure_draws_the_points_it_should(tmp_path: Path) -> None:
    """Point positions and colours read back from the SVG are the model's, up to one affine map a panel."""
    from xml.etree import ElementTree as ET

    out = tmp_path / "f.svg"
    main(["figure", str(out), *SMALL])
    data = load("mnist", 300)
    steps = list(unroll(data.Y, Config(n_components=16, n_blocks=2)))
    expected = [steps[0].X[:, :2].numpy(), steps[-1].X[:, :2].numpy()]
    uses = ET.parse(out).getroot().iter("{http://www.w3.org/2000/svg}use")
    points = np.array([[float(use.get("x")), float(use.get("y"))] for use in uses]).reshape(2, 300, 2)
    for drawn, model in zip(points, expected, strict=True):
        for axis, direction in ((0, 1), (1, -1)):  # y points down in SVG
            slope, offset = np.polyfit(model[:, axis], drawn[:, axis], 1)
            assert np.sign(slope) == direction
            np.testing.assert_allclose(model[:, axis] * slope + offset, drawn[:, axis], atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["embed", "out.npz", "--eta", "0.5"], "eta must not be exactly 0.5"),
        (["embed", "out.npz", "--alpha", "many"], "alpha must be a number"),
        (["embed", "out.npz", "--dataset", "cifar"], "cifar"),
        (["embed", "out.npz", "--dataset", "missing.csv"], "missing.csv"),
        (["embed", "out.npz", "--data-folder", "nowhere"], "nowhere"),
        (["embed", "out.npz", "--n-samples", "1"], "n_samples must be at least 2"),
        (["embed", "out.npz", "--n-samples", "300", "--landmarks", "301"], "landmarks = 301 is not possible"),
        (["embed", "out.npz", "--landmarks", "1"], "landmarks must be at least 2"),
        (["embed", "out.npz", "--landmarks", "few"], "landmarks must be a whole number"),
        (["embed", "out.npz", "--landmark-choice", "class"], "landmark_choice must be 'k-means++' or 'random'"),
        (["embed", "out.npz", "--timeout", "0"], "timeout must be greater than 0"),
        (["embed", "out.txt", "--dry-run"], "the name must end in .npz"),
        (["embed", "no/such/folder/out.npz"], "its folder does not exist; choose another path"),
        (["embed", "out.txt"], "the name must end in .npz"),
        (["figure", "out.gif"], "the name must end in .pdf, .png or .svg"),
        (["figure", "."], "the name must end in"),
        (["app", "--data-folder", "nowhere"], "does not exist"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    last = captured.err.strip().splitlines()[-1]
    assert last.startswith("dr-transformer: ")
    assert sentence in last
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_failed_run_keeps_the_old_file(tmp_path: Path) -> None:
    out, table = tmp_path / "out.npz", tmp_path / "table.csv"
    out.write_text("precious")
    table.write_text("a,b\n0,0\n0,0\n")
    assert main(["embed", str(out), "--dataset", str(table)]) == 2  # all tokens are blank
    assert out.read_text() == "precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.npz", "table.csv"]


def test_a_read_only_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def denied(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", denied)  # root may write anywhere, so chmod would not do
    assert main(["embed", str(tmp_path / "out.npz")]) == 2
    assert "permission is denied; choose another path" in capsys.readouterr().err


def test_help_reads_well_and_names_every_parameter() -> None:
    out = subprocess.run(
        [sys.executable, "-m", "dr_transformer", "embed", "--help"], capture_output=True, text=True, check=True
    )
    named = Config.parameters() | DataConfig.parameters() | EmbedConfig.parameters() | baseline_parameters()
    for name, parameter in named.items():
        assert f"--{name.replace('_', '-')}" in out.stdout
        assert parameter.help.split()[0] in out.stdout
    assert "(paper: 30)" in " ".join(out.stdout.split())


@pytest.mark.slow
def test_what_ends_the_command_ends_the_app(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "dr_transformer", "app", "--headless", "--port", str(port)]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as app:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        app.terminate()
        app.wait(30)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=1)
