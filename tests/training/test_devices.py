"""torch.compile computes what the plain model computes, or says what is missing; an Apple GPU or a stand-in trains."""

import os
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dr_transformer.training.loop import train
from dr_transformer.training.optimisation import dropout_masks
from dr_transformer.training.parallel import ALONE
from dr_transformer.training.settings import RunConfig
from dr_transformer.training.trainer import Trainer
from tests.helpers.apple_gpu import MPS, apple_gpu
from tests.helpers.machine import DEVICES, WITH_FLOAT64
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


def trained(task: str, device: str) -> Trainer:
    """Three iterations, and an evaluation as at the end."""
    trainer = Trainer(changed(task), "learned", 0, data(task), RunConfig(device=device, compile="no"), ALONE)
    for _ in range(3):
        trainer.step()
    trainer.iteration = trainer.n_iterations
    assert trainer.evaluate_if_due()
    return trainer


@pytest.mark.parametrize("task", ["lm", "vit"])
def test_it_trains_as_the_cpu_does(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses, and what is summed over the validation set in float64, which is not there."""
    expected = trained(task, "cpu").history
    swaps = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)  # the stand-in is a class of its own
    try:
        with nullcontext() if "mps" in DEVICES else apple_gpu(monkeypatch):
            trainer = trained(task, "auto")
    finally:
        torch.__future__.set_swap_module_params_on_conversion(swaps)
    assert (trainer.device, trainer.precision, trainer.compiled) == (MPS, "float32", False)
    assert all(parameter.device == MPS for parameter in trainer.parameters)
    assert trainer.history.losses == pytest.approx(expected.losses, rel=1e-4)
    found, reference = trainer.history.evaluations[-1], expected.evaluations[-1]
    assert found.val_loss == pytest.approx(reference.val_loss, rel=1e-4)
    if task == "vit":
        assert found.val_accuracy == pytest.approx(reference.val_accuracy, abs=0.05)


def test_dropout_there_is_seeded_and_leaves_the_random_state(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    for name, result in (("get_rng_state", "before"), ("manual_seed", None), ("set_rng_state", None)):
        monkeypatch.setattr(torch.mps, name, lambda *given, name=name, r=result: calls.append((name, *given)) or r)
    with dropout_masks(changed("lm", dropout=0.3), MPS, 7):
        calls.append("inside")
    assert calls == [("get_rng_state",), ("manual_seed", 7), "inside", ("set_rng_state", "before")]
