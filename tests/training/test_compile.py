"""torch.compile computes what the plain model computes, and a machine that cannot compile is told what to do."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dr_transformer.training.loop import train
from tests.machine import WITH_FLOAT64
from tests.training.tiny import RUNS, changed, data, text

TINY = ["--n-layer", "1", "--n-head", "2", "--n-embd", "16", "--block-size", "8", "--batch-size", "4"]


@pytest.mark.slow
@pytest.mark.parametrize("device", WITH_FLOAT64)  # torch.compile is for these alone
@pytest.mark.parametrize(("task", "attention"), [("lm", "learned"), ("vit", "laplacian")])
def test_a_compiled_run_is_a_plain_one(
    task: str, attention: str, device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float32 to 1e-5: the order of sums is another. It needs a C++ compiler, as the test of the sentence shows."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))  # so that it is compiled here and now
    settings, content = changed(task, max_iters=5, dropout=0), data(task)
    plain = replace(RUNS[device], precision="float32")
    rows = [train(settings, attention, 0, data=content, run=run) for run in (plain, replace(plain, compile="yes"))]
    assert [row.device["compiled"] for row in rows] == [False, True]
    for curve in (lambda row: row.train["loss"], lambda row: row.curve["val_loss"]):
        eager, compiled = (torch.tensor(curve(row)) for row in rows)
        assert (eager - compiled).abs().max() < 1e-5
        assert eager[0] - eager[-1] > 1e-3  # it learned in between
    assert list(tmp_path.rglob("*.so" if device == "cpu" else "*.py"))


def test_without_a_compiler_the_command_says_what_to_do(tmp_path: Path) -> None:
    """A machine on which CXX names nothing that compiles."""
    (tmp_path / "words.txt").write_text(text())
    settings = [*TINY, "--max-iters", "4", "--warmup-iters", "1", "--seeds", "0", "--device", "cpu", "--compile", "yes"]
    command = ["train", "lm", *settings, "--text", "words.txt", "--out", "out.jsonl"]
    result = subprocess.run(
        [sys.executable, "-m", "dr_transformer", *command],
        cwd=tmp_path,
        env=os.environ | {"CXX": str(tmp_path / "nothing"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    assert result.stderr.strip().splitlines()[-1] == (
        "dr-transformer: torch.compile needs a C++ compiler, such as g++, and finds none that works; install one, or "
        "choose compile = 'no'."
    )
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out.jsonl").exists() or (tmp_path / "out.jsonl").read_bytes() == b""
