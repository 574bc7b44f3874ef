"""The terminal's `train`, run as people run it, killed, and run again."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from dr_transformer.cli.commands import main
from dr_transformer.errors import InputError
from dr_transformer.training.reporters import Terminal
from dr_transformer.training.results import read_results
from dr_transformer.training.runs import Sources, load_data
from dr_transformer.training.settings import PRESETS
from dr_transformer.training.trainer import Evaluation, History, Progress
from tests.training.tiny import text

TINY = ["--n-layer", "1", "--n-head", "2", "--n-embd", "16", "--batch-size", "4", "--eval-interval", "20"]
LM = [*TINY, "--block-size", "8", "--max-iters", "40", "--warmup-iters", "10"]


@pytest.fixture
def words(tmp_path: Path) -> str:
    path = tmp_path / "words.txt"
    path.write_text(text())
    return str(path)


def curves(path: Path):
    return {row.key: (row.curve, row.train) for row in read_results(path).rows}


def test_all_runs_are_made_once_seed_by_seed(words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "results.jsonl"
    command = ["train", "lm", *LM, "--text", words, "--out", str(out), "--attention", "learned,standard"]
    assert main([*command, "--seeds", "0-1"]) == 0
    rows = read_results(out).rows
    assert [(row.seed, row.attention) for row in rows] == [(s, a) for s in (0, 1) for a in ("learned", "standard")]
    assert {row.settings_hash for row in rows} == {rows[0].settings_hash}
    assert rows[0].settings == PRESETS["lm"]["minute"].to_dict() | {
        "n_layer": 1, "n_head": 2, "n_embd": 16, "batch_size": 4, "eval_interval": 20, "block_size": 8, "max_iters": 40,
        "warmup_iters": 10,
    }  # fmt: skip
    assert rows[0].data["name"] == "words.txt"
    said = capsys.readouterr()
    assert said.err.count("best validation loss") == 4
    assert f"run 4/4: standard, seed 1: best validation loss {rows[3].best_val_loss:.4f}, " in said.err
    before = out.read_bytes()
    assert main([*command, "--seeds", "1,0"]) == 0
    assert "4 of 4 runs are in results.jsonl already." in capsys.readouterr().err
    assert out.read_bytes() == before
    assert main([*command, "--seeds", "1-2"]) == 0
    assert out.read_bytes().startswith(before)
    assert [(row.seed, row.attention) for row in read_results(out).rows[4:]] == [(2, "learned"), (2, "standard")]
    assert main([*command, "--seeds", "0", "--learning-rate", "0.01"]) == 0  # other settings are other runs
    assert len(curves(out)) == 8
    assert str(tmp_path) not in out.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.jsonl", "words.txt"]


def test_images_of_the_bundled_sample(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "results.jsonl"
    flags = [*TINY, "--max-iters", "20", "--warmup-iters", "0", "--n-samples", "500", "--seeds", "3"]
    assert main(["train", "vit", *flags, "--out", str(out), "--attention", "laplacian"]) == 0
    (row,) = read_results(out).rows
    assert row.task == "vit"
    assert row.data["source"] == "MNIST, 500 of the first 10 000 training images, averaged to 16 × 16"
    assert (row.data["n_train"], row.data["n_val"]) == (400, 100)
    assert row.curve["step"] == [0, 20]
    assert "accuracy" in capsys.readouterr().err


def start(command: list[str]) -> subprocess.Popen[str]:
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-m", "dr_transformer", *command, "--events", "--threads", "1"], **options)


def until(process: subprocess.Popen[str], event: str, **values: object) -> list[dict[str, object]]:
    """What the process has told, up to such an event."""
    told = []
    assert process.stdout is not None
    for line in process.stdout:
        told.append(json.loads(line))
        if told[-1]["event"] == event and all(told[-1].get(k, 0) >= v for k, v in values.items()):
            return told
    raise AssertionError((told, ended(process)))


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What is left of what it says; the end of its input stops it, if it has not ended."""
    for stream in (process.stdin, process.stdout, process.stderr):
        assert stream is not None
    with process:
        process.stdin.close()
        return process.stdout.read(), process.stderr.read()


@pytest.mark.slow
@pytest.mark.parametrize("way", ["kill", "interrupt", "terminate", "close"])
def test_stopped_in_any_way_and_started_again(
    way: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No run is lost or made twice, and all curves are those of runs that were never stopped."""
    out, whole = tmp_path / "results.jsonl", tmp_path / "whole.jsonl"
    settings = [*TINY, "--block-size", "8", "--max-iters", "400", "--text", words, "--seeds", "0-1"]
    command = ["train", "lm", *settings, "--attention", "learned", "--checkpoint-seconds", "0.02"]
    process = start([*command, "--out", str(out)])
    until(process, "finished")
    until(process, "step", iteration=100)
    while process.poll() is None and not list(tmp_path.glob("*-learned-1.checkpoint")):
        time.sleep(0.005)  # a quick machine is there before anything was worth saving
    if way != "close":  # which `ended` does
        process.send_signal({"kill": signal.SIGKILL, "interrupt": signal.SIGINT, "terminate": signal.SIGTERM}[way])
    rest, err = ended(process)
    assert process.returncode == (-signal.SIGKILL if way == "kill" else 130), err
    if way != "kill":
        last = json.loads(rest.splitlines()[-1])
        assert last["event"] == "said"
        assert last["sentence"].startswith("Stopped at iteration ")
        assert last["sentence"].endswith(" of learned attention, seed 1. The same command goes on from there.")
    (checkpoint,) = tmp_path.glob("*.checkpoint")
    assert checkpoint.name.startswith("results.jsonl.lm-")
    assert checkpoint.name.endswith("-learned-1.checkpoint")
    assert len(read_results(out).rows) == 1
    if way == "kill":  # in the middle of writing a row
        with out.open("ab") as file:
            file.write(b'{"task": "l')
    saved = torch.load(checkpoint, weights_only=True)["iteration"]
    assert 20 <= saved < 400
    capsys.readouterr()
    assert main([*command, "--out", str(out), "--threads", "1"]) == 0
    said = capsys.readouterr().err
    assert "1 of 2 runs are in results.jsonl already." in said
    assert f" {saved}/400 " in said  # where the bar begins
    torn = "The last 11 bytes of results.jsonl are no whole row, as after a kill; they are left out."
    assert (torn in said) == (way == "kill")
    assert main([*command, "--out", str(whole), "--threads", "1"]) == 0
    assert curves(out) == curves(whole)
    assert len(read_results(out).rows) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.jsonl", "whole.jsonl", "words.txt"]


def test_a_kill_between_the_row_and_the_checkpoint_leaves_nothing_behind(words: str, tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    command = ["train", "lm", *LM, "--text", words, "--out", str(out), "--attention", "standard", "--seeds", "0"]
    assert main(command) == 0
    (row,) = read_results(out).rows
    left = tmp_path / f"results.jsonl.lm-{row.settings_hash}-standard-0.checkpoint"
    left.write_bytes(b"anything")
    assert main(command) == 0
    assert not left.exists()
    assert len(read_results(out).rows) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["lm", "--preset", "hour"], "there is no preset 'hour' for lm; choose one of minute, shakespeare, gpt2."),
        (["vit", "--preset", "gpt2"], "there is no preset 'gpt2' for vit"),
        (
            ["lm", "--attention", "standard,mean"],
            "unknown attention 'mean'; choose some of standard, laplacian",
        ),
        (["lm", "--seeds", "3-1"], "the seeds must be like 0-9 or 0,3,5, but are '3-1'."),
        (["lm", "--n-head", "3"], "n_head = 3 does not divide n_embd = 64"),
        (["lm", "--n-layer", "two"], "n_layer must be a whole number, but is 'two'."),
        (["lm", "--dropout", "1"], "dropout must be at most 0.99"),
        (["lm", "--threads", "0"], "the number of threads must be at least 1, but is 0."),
        (["lm", "--device", "tpu"], "device must be 'auto' or 'cpu' or 'cuda' or 'mps'"),
        (["lm", "--text", "missing.txt"], "the text missing.txt cannot be read (there is no such file)"),
        (["lm", "--preset", "gpt2"], "gpt2 learns from token files: give --tokens"),
        (["lm", "--tokens", "nowhere"], "give the folder of train.bin and val.bin."),
        (
            ["vit", "--dataset", "cifar"],
            "unknown images 'cifar'; choose one of mnist, fashion-mnist, kmnist",
        ),
        (["vit", "--preset", "imagenet16"], "imagenet16 needs the folder of train_data_batch_1.npz"),
        (["vit", "--data-folder", "nowhere"], "nowhere does not exist"),
        (["vit", "--patch-size", "5"], "patch_size = 5 does not divide the images' side 16"),
        (["vit", "--batch-size", "9000"], "mnist has 8000 training images, fewer than one batch of 9000"),
        (
            ["lm", "--learning-rate", "5e-5"],
            "min_lr = 0.0001 is above learning_rate = 5e-05, so the learning rate would rise to its end instead of "
            "falling; choose a min_lr of at most learning_rate.",
        ),
        (
            ["vit", "--max-iters", "100"],
            "warmup_iters = 100 is not below the number of iterations, 100, so the learning rate would never leave its "
            "warm-up; choose a smaller warmup_iters, or more max_iters.",
        ),
        (
            ["vit", "--epochs", "1", "--warmup-iters", "125"],
            "warmup_iters = 125 is not below the number of iterations, 125, so the learning rate would never leave its "
            "warm-up; choose a smaller warmup_iters, or more epochs.",
        ),
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
    assert main(["train", *arguments, "--out", "out.jsonl"]) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("dr-transformer: ")
    assert sentence in last
    assert not (tmp_path / "out.jsonl").exists() or (tmp_path / "out.jsonl").read_bytes() == b""


def test_results_that_cannot_be_added_to(words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text('{"schema": 7}\n')
    for out, sentence in [
        (tmp_path / "no" / "out.jsonl", "its folder does not exist"),
        (tmp_path, "it is a folder"),
        (other, "line 1 of other.jsonl is of schema 7, but this version reads and writes 1"),
    ]:
        assert main(["train", "lm", *LM, "--text", words, "--out", str(out)]) == 2
        assert sentence in capsys.readouterr().err
    assert other.read_text() == '{"schema": 7}\n'


@pytest.mark.parametrize(
    ("task", "sources", "sentence"),
    [
        ("lm", Sources(dataset="mnist"), "lm learns from text"),
        ("lm", Sources(text=Path("a"), tokens=Path("b")), "give --text or --tokens, not both"),
        ("vit", Sources(text=Path("a")), "vit learns from images"),
    ],
)
def test_sources_of_the_other_task(task: str, sources: Sources, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        load_data(task, "minute", sources, lambda _: None)


@pytest.mark.slow
def test_two_processes_with_one_file_make_each_run_once(words: str, tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    settings = [*TINY, "--block-size", "8", "--max-iters", "200", "--text", words, "--out", str(out)]
    command = ["train", "lm", *settings, "--threads", "1", "--attention", "standard,learned", "--seeds"]
    processes = [
        subprocess.Popen([sys.executable, "-m", "dr_transformer", *command, seeds], stderr=subprocess.DEVNULL)
        for seeds in ("0-2", "1,2,0")
    ]
    assert [process.wait() for process in processes] == [0, 0]
    keys = [row.key for row in read_results(out).rows]
    assert len(keys) == len(set(keys)) == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.jsonl", "words.txt"]


def test_a_bar_says_how_long_all_runs_will_take(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.found([], 4, "results.jsonl")
    terminal.begin(1, 4, "learned", 7)
    history = History([2.0] * 25, [Evaluation(20, 1.5, 0.25, None)])
    terminal.step(Progress(25, 100, 30.0, history, True))  # a quarter of the first of four
    assert terminal._bar.postfix == "val_loss=1.5000, accuracy=25.0%, all=07:30"
    assert terminal._bar.desc == "run 1/4: learned, seed 7"
    terminal.close()
    assert "Traceback" not in capsys.readouterr().err
