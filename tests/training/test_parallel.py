"""Several processes give the curve of one, and end together when something is wrong."""

import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from dr_transformer.cli.commands import main
from dr_transformer.model.distributed import LostRankError
from dr_transformer.training.parallel import _reached
from dr_transformer.training.results import read_results
from tests.model.ranks import run_together, started, torchrun
from tests.training.tiny import text

SETTINGS = ["--n-layer", "2", "--n-head", "2", "--n-embd", "16", "--block-size", "8", "--batch-size", "4"]
SETTINGS += ["--gradient-accumulation-steps", "4", "--max-iters", "30", "--eval-interval", "10", "--warmup-iters", "5"]
SETTINGS += ["--device", "cpu", "--seeds", "0", "--threads", "1"]


def command(folder: Path, out: str, *more: str) -> list[str]:
    words = folder / "words.txt"
    words.write_text(text())
    return ["train", "lm", *SETTINGS, "--text", str(words), "--out", str(folder / out), *more]


def numbers(path: Path) -> list[list[float]]:
    return [row.train["loss"] + row.curve["val_loss"] + row.curve.get("a", []) for row in read_results(path).rows]


@pytest.mark.slow
def test_two_processes_give_the_curve_of_one(tmp_path: Path) -> None:
    """To 1e-5, with dropout, too: a global batch has the same micro-batches and masks, whoever computes them."""
    both = ["--attention", "laplacian,learned", "--dropout", "0.1"]
    alone, together = command(tmp_path, "alone.jsonl", *both), command(tmp_path, "together.jsonl", *both)
    bad = command(tmp_path, "bad.jsonl")
    results = run_together(
        2,
        together,
        together,  # nothing is left to do
        [*bad, "--gradient-accumulation-steps", "3"],
        [*bad, "--n-head", "3"],
        [*bad, "--text", str(tmp_path / "missing{rank}.txt")],
        ["train", "vit", "--out", str(tmp_path / "vit.jsonl")],
    )
    assert [[status for status, *_ in ranks] for ranks in results] == [[0, 0]] * 2 + [[2, 2]] * 4
    assert all(said == ["", ""] for ranks in results for _, *said in ranks[1:])
    errors = [ranks[0][2].splitlines()[-1] for ranks in results]
    assert "best validation loss" in errors[0]
    assert errors[1] == "2 of 2 runs are in together.jsonl already."
    for error, sentence in zip(
        errors[2:],
        [
            "2 processes cannot share the 3 micro-batches equally",
            "n_head = 3 does not divide n_embd = 16",
            "missing0.txt cannot be read",
            "vit runs in one process; start it without torchrun.",
        ],
        strict=True,
    ):
        assert error.startswith("dr-transformer: ")
        assert sentence in error
    assert main(alone) == 0
    rows = read_results(tmp_path / "together.jsonl").rows
    assert [row.attention for row in rows] == ["laplacian", "learned"]
    assert {row.device["processes"] for row in rows} == {2}
    for ours, theirs in zip(numbers(tmp_path / "together.jsonl"), numbers(tmp_path / "alone.jsonl"), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)
        assert ours[0] - ours[29] > 0.1
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"words.txt", "alone.jsonl", "together.jsonl"} | names & {"bad.jsonl"}


@pytest.mark.slow
def test_by_torchrun_interrupted_and_gone_on_with(tmp_path: Path) -> None:
    """One process is told to stop: all stop after the same iteration. The next start goes on from there."""
    long = ["--attention", "standard", "--max-iters", "600", "--checkpoint-seconds", "0.1"]
    stopped = command(tmp_path, "stopped.jsonl", *long)
    run = ["dr_transformer", *stopped]
    with started(run, run) as processes:
        checkpoint = saved(tmp_path, processes)
        processes[1].send_signal(signal.SIGTERM)
        said = processes[0].communicate(timeout=60)[1]
        assert [process.wait(60) for process in processes] == [130, 130]
    assert "of standard attention, seed 0. The same command goes on from there." in said
    assert read_results(tmp_path / "stopped.jsonl").rows == ()
    status, said = torchrun(2, "dr_transformer", *stopped)
    assert status == 0, said
    assert "best validation loss" in said
    assert not checkpoint.exists()
    assert main(command(tmp_path, "alone.jsonl", *long)) == 0
    (ours,), (theirs,) = numbers(tmp_path / "stopped.jsonl"), numbers(tmp_path / "alone.jsonl")
    assert ours == pytest.approx(theirs, abs=1e-4)


def test_a_process_that_dies_ends_the_others(tmp_path: Path) -> None:
    long = command(tmp_path, "out.jsonl", "--max-iters", "100000", "--checkpoint-seconds", "0.1")
    with started(["dr_transformer", *long], ["dr_transformer", *long]) as processes:
        saved(tmp_path, processes)
        processes[1].send_signal(signal.SIGKILL)
        said = processes[0].communicate(timeout=60)[1]
        assert processes[0].returncode == 1
    last = said.strip().splitlines()[-1]
    assert last.startswith("dr-transformer: rank 0 of 2 lost another, which has died or does not answer")
    assert last.endswith("; the run has ended, and the same command goes on from the last checkpoint.")


def test_too_little_memory_is_no_lost_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """As torch 2.4 says it, too, which has the error's class in one place alone."""
    monkeypatch.delattr(torch, "OutOfMemoryError", raising=False)
    with pytest.raises(torch.cuda.OutOfMemoryError, match="no room"), _reached():
        raise torch.cuda.OutOfMemoryError("no room")
    with pytest.raises(LostRankError, match="gone"), _reached():
        raise RuntimeError("gone")


def saved(folder: Path, processes: Sequence[subprocess.Popen[str]]) -> Path:
    """The first checkpoint, once it is there."""
    deadline = time.monotonic() + 120
    while not (found := list(folder.glob("*.checkpoint"))):
        assert time.monotonic() < deadline
        assert processes[0].poll() is None, processes[0].communicate()
        time.sleep(0.05)
    return found[0]
