"""The layers of a network of one's own, played, measured and saved like a run of the model."""

import io
import time
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dr_transformer import Config, load, unroll
from dr_transformer.cli.commands import main
from dr_transformer.config import ViewConfig
from dr_transformer.data.dataset import load_bytes
from dr_transformer.engine.layers import LayersRun, layers_config
from dr_transformer.errors import InputError
from dr_transformer.export.script import script
from dr_transformer.model.planes import blocks_in_view

ROOT = Path(__file__).parents[2]
DIGITS = load("mnist", 120)
MADE_BY = Config(n_components=12, n_blocks=3, alpha=15, eta=0.2, precision="float64")
STATES = np.stack([step.X.numpy() for step in unroll(DIGITS.Y, MADE_BY) if step.ends_block])


def content(states: np.ndarray = STATES) -> bytes:
    out = io.BytesIO()
    np.savez(out, trajectory=states, labels=DIGITS.labels, images=DIGITS.images)
    return out.getvalue()


def opened(page: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / page), default_timeout=120)
    app.query_params.update({"dataset": "your own file", "n_components": "4", "n_blocks": "2"})
    app.session_state["upload"] = ("mine.npz", content())
    app.run()
    assert not app.exception
    assert not app.error
    return app


def test_the_explorer_plays_the_layers_and_says_how_near_a_block_comes() -> None:
    app = opened("app.py")
    run = app.session_state["last_run"]
    assert (run.config.n_blocks, run.config.n_components) == (3, 12)
    assert run.done.wait(60)
    for found, expected in zip(run.full.latents, STATES, strict=True):
        np.testing.assert_array_equal(found, expected)
    deadline = time.monotonic() + 120  # others' jobs in this process have their turns, too
    while time.monotonic() < deadline:
        app.run()
        rows = next((table.value for table in app.dataframe if "left over" in table.value), None)
        if rows is not None and len(rows) == 3:
            break
    assert rows is not None
    np.testing.assert_allclose(rows["α"], 15, rtol=1e-2)
    np.testing.assert_allclose(rows["η"], 0.2, rtol=1e-2)
    assert (rows["left over"] < 1e-6).all()
    assert (rows["if nothing moved"] > 1e-3).all()
    assert app.title[0].value == "Your network, layer by layer"
    curves = run.analysis.curves
    assert len(curves["mean_cosine"]) == 4


def test_compare_measures_the_layers() -> None:
    app = opened("pages/2_Compare.py")
    run = app.session_state["last_comparison"][0]
    assert isinstance(run, LayersRun)
    assert not [element for element in app.subheader if "reality" in element.value.lower()]


def test_a_saved_script_gives_the_layer_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.npz").write_bytes(content())
    monkeypatch.chdir(tmp_path)
    dataset = load("mine.npz")
    config = layers_config(dataset, Config())
    for view in (None, ViewConfig(view="pca")):
        exec(script(config, dataset, "transformer", block=2, view=view), {})
        found = np.load("latents.npz")["embedding"]
        plane = STATES[2] if view is None else blocks_in_view(dict(enumerate(STATES)), view, 3)[2]
        np.testing.assert_allclose(found, plane, atol=1e-12)


def test_the_terminal_says_that_it_runs_the_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.npz"
    path.write_bytes(content())
    assert main(["embed", str(tmp_path / "out.npz"), "--dataset", str(path)]) == 2
    assert "holds the layers of a network" in capsys.readouterr().err.splitlines()[-1]


def test_layers_that_are_too_thin_are_refused() -> None:
    dataset = load_bytes("mine.npz", content(STATES[:, :, :1]))
    with pytest.raises(InputError, match="at least two are needed"):
        layers_config(dataset, Config())


def test_the_readmes_lines_get_the_layers_out_of_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = text.partition("Out of PyTorch:\n\n```python\n")[2].partition("```")[0]
    torch.manual_seed(0)
    layers = [torch.nn.Linear(5, 5) for _ in range(3)]
    model = torch.nn.Sequential(*layers)
    x, y = torch.randn(8, 5), np.arange(8) % 2
    monkeypatch.chdir(tmp_path)
    exec(lines, {"np": np, "torch": torch, "layers": layers, "model": model, "x": x, "y": y})
    dataset = load("layers.npz")
    assert dataset.trajectory is not None
    np.testing.assert_array_equal(dataset.trajectory[0], x.numpy())
    np.testing.assert_array_equal(dataset.trajectory[-1], model(x).detach().numpy())
