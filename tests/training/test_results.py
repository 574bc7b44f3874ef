"""Rows of results: whole or not at all, whatever happens meanwhile; and what an upload has under the right names."""

import dataclasses
import json
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dr_transformer.errors import InputError
from dr_transformer.training.loop import train
from dr_transformer.training.results import (
    Results,
    Row,
    append,
    check_results,
    check_writable,
    claimed,
    parse_results,
    read_results,
)
from dr_transformer.training.settings import ATTENTIONS, RunConfig
from dr_transformer.training.trainer import History
from tests.helpers.training_rows import row as made_row
from tests.training.tiny import SETTINGS, data, image_data, text_data

LM, VIT = made_row("standard", 0, 2.0), made_row("laplacian", 1, 2.0, task="vit")
LEARNED = made_row("learned", 2, 2.0)


@pytest.fixture(scope="module")
def row() -> Row:
    return train(SETTINGS["vit"], "learned", 2, data=image_data(), preset="minute", run=RunConfig(device="cpu"))


@contextmanager
def files_of_at_most(n_bytes: int):
    """Writing more fails as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_rows_are_read_as_they_were_written(row: Row, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    assert read_results(path).rows == ()
    check_writable(path)
    others = [dataclasses.replace(row, seed=seed) for seed in (3, 4)]
    for one in (row, *others):
        append(path, one)
    assert read_results(path) == Results((row, *others))
    assert parse_results(path.read_bytes(), "x") == read_results(path)
    assert row.typed_settings() == SETTINGS["vit"]


def test_what_a_row_says(row: Row) -> None:
    content = json.loads(row.to_json())
    assert content["schema"] == 1
    assert (content["task"], content["preset"], content["attention"], content["seed"]) == (
        "vit",
        "minute",
        "learned",
        2,
    )
    curve = content["curve"]
    assert curve["step"] == [0, 5, 10, 12]
    assert {len(values) for values in curve.values()} == {4}
    assert set(curve) == {"step", "train_loss", "val_loss", "val_accuracy", "a", "a_layers"}
    assert curve["a"][0] == 0.5 != curve["a"][-1]
    assert content["train"]["every"] == 1
    losses = content["train"]["loss"]
    assert len(losses) == content["iterations"] == 12
    assert curve["train_loss"] == pytest.approx(
        [losses[0], sum(losses[:5]) / 5, sum(losses[5:10]) / 5, sum(losses[10:]) / 2], abs=1e-7
    )
    assert content["best_val_loss"] == min(curve["val_loss"])
    assert content["best_step"] == curve["step"][curve["val_loss"].index(content["best_val_loss"])]
    assert content["final_val_loss"] == curve["val_loss"][-1]
    assert content["best_val_accuracy"] == max(curve["val_accuracy"])
    assert content["device"]["threads"] >= 1
    assert content["device"]["precision"] == "float32"
    assert content["device"]["gpu"] is None
    assert set(content["versions"]) == {"dr-transformer", "numpy", "torch"}
    assert content["data"]["n_train"] == 80
    assert content["seconds"] > 0
    assert content["finished"].endswith("+00:00")


def test_a_row_of_text_has_no_accuracy_and_only_learned_has_an_a() -> None:
    for attention in ATTENTIONS:
        row = train(SETTINGS["lm"], attention, 0, data=text_data(), run=RunConfig(device="cpu"))
        assert row.best_val_accuracy is None is row.final_val_accuracy
        assert set(row.curve) - {"a", "a_layers"} == {"step", "train_loss", "val_loss"}
        assert ("a" in row.curve) == (attention == "learned")


def test_long_runs_have_at_most_200_training_losses() -> None:
    history = History([float(i) for i in range(1001)])
    averaged = history.averaged()
    assert averaged["every"] == 6
    assert len(averaged["loss"]) == 167 <= 200
    assert averaged["loss"][:2] == [2.5, 8.5]
    assert averaged["loss"][-1] == sum(range(996, 1001)) / 5
    assert History([1.0] * 200).averaged()["every"] == 1


@pytest.mark.parametrize("cut", [1, 100, -1])
def test_a_torn_last_line_is_left_out_and_then_cut_off(row: Row, tmp_path: Path, cut: int) -> None:
    path = tmp_path / "results.jsonl"
    check_writable(path)
    append(path, row)
    whole = path.read_bytes()
    torn = whole[: cut if cut > 0 else len(whole) - 1]  # −1: only its end is missing
    path.write_bytes(whole + torn)
    assert read_results(path) == Results((row,), len(torn))
    other = dataclasses.replace(row, seed=9)
    append(path, other)
    assert read_results(path) == Results((row, other))
    assert path.read_bytes().startswith(whole)


def test_a_full_disk_leaves_the_file_as_it_was(row: Row, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    check_writable(path)
    append(path, row)
    before = path.read_bytes()
    with (
        files_of_at_most(len(before) + 200),
        pytest.raises(InputError, match=r"the row cannot be written to results\.jsonl"),
    ):
        append(path, row)
    assert path.read_bytes() == before


def test_rows_that_are_written_at_the_same_time_are_all_whole(row: Row, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    check_writable(path)
    rows = [dataclasses.replace(row, seed=seed) for seed in range(24)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: append(path, one), rows))
    assert sorted(read_results(path).rows, key=lambda one: one.seed) == rows
    assert list(tmp_path.iterdir()) == [path]


def test_one_process_has_a_lock_and_a_dead_one_has_none(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    code = "import sys, pathlib; from dr_transformer.training.results import claimed\n"
    code += "with claimed(pathlib.Path(sys.argv[1]), wait=False) as ours: print(ours, flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"True"
        with claimed(path, wait=False) as ours:
            assert not ours
        assert path.exists()
        process.kill()
    assert path.exists()
    with claimed(path, wait=False) as ours, claimed(path, wait=False) as again:
        assert (ours, again) == (True, False)
    assert not path.exists()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\x80\x81\n", "line 1 of x.jsonl is no JSON"),
        (b"[1]\n", "line 1 of x.jsonl is no row of results"),
        (b'{"a": 1}\n', "line 1 of x.jsonl is no row of results"),
        (b'{"schema": 2, "task": "lm"}\n', "line 1 of x.jsonl is of schema 2, but this version reads and writes 1"),
        (b'\n{"schema": 1, "task": "lm"}\n', "line 2 of x.jsonl lacks 'attention'"),
    ],
)
def test_files_of_something_else(content: bytes, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        read_results(path)


def test_files_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, reason in [
        (tmp_path / "no" / "folder.jsonl", "its folder does not exist"),
        (tmp_path, "it is a folder"),
        (tmp_path / "file" / "x.jsonl", "its folder is a file"),
    ]:
        with pytest.raises(InputError, match=reason):
            check_writable(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_results(tmp_path)


def test_rows_of_other_settings_seeds_and_variants_have_other_keys(row: Row) -> None:
    content = data("lm")
    first = train(SETTINGS["lm"], "standard", 0, data=content)
    keys = {
        row.key,
        first.key,
        dataclasses.replace(first, seed=1).key,
        dataclasses.replace(first, attention="learned").key,
    }
    assert len(keys) == 4
    assert first.key == train(SETTINGS["lm"], "standard", 0, data=content).key


def test_rows_of_this_program_pass() -> None:
    check_results(Results((LM, VIT, LEARNED)), "a.jsonl")
    check_results(Results(()), "a.jsonl")


def curve(base: Row, **changes: Any) -> dict[str, Any]:
    return base.curve | changes


@pytest.mark.parametrize(
    ("base", "field", "value", "named"),
    [
        (LM, "task", "translation", "task"),
        (LM, "task", ["lm"], ""),
        (LM, "attention", "mean", "attention"),
        (LM, "preset", None, "preset"),
        (LM, "seed", -1, "seed"),
        (LM, "seed", True, "seed"),
        (LM, "seed", 1.5, "seed"),
        (LM, "data", {}, ""),
        (LM, "data", "words", ""),
        (LM, "data", LM.data | {"n_train": "many"}, "data"),
        (LM, "versions", {"torch": 2}, "versions"),
        (LM, "device", None, "device"),
        (LM, "settings", [], "settings"),
        (LM, "settings", LM.settings | {"n_layer": 0}, "n_layer must be at least 1"),
        (LM, "settings", LM.settings | {"colour": 1}, "unknown setting 'colour'"),
        (LM, "settings", LM.settings | {"n_layer": 5}, "settings_hash"),
        (LM, "settings_hash", "0" * 16, "settings_hash"),
        (LM, "iterations", 0, "iterations"),
        (LM, "n_parameters", "1", "n_parameters"),
        (LM, "best_val_loss", "low", "best_val_loss"),
        (LM, "best_val_loss", None, "best_val_loss"),
        (LM, "best_val_loss", float("nan"), "best_val_loss"),
        (LM, "best_val_loss", 10**400, ""),
        (LM, "best_val_accuracy", 0.5, "best_val_accuracy"),
        (VIT, "best_val_accuracy", None, "best_val_accuracy"),
        (VIT, "best_val_accuracy", 26.0, "best_val_accuracy"),
        (LM, "seconds", -1, "seconds"),
        (LM, "finished", 2026, "finished"),
        (LM, "curve", None, ""),
        (LM, "curve", curve(LM, val_loss=[1.0]), "curve"),
        (LM, "curve", curve(LM, val_loss=[1.0, None, 2.0]), "curve"),
        (LM, "curve", curve(LM, a=[0.5, 0.5, 0.5]), "curve"),
        (LM, "curve", {name: [] for name in LM.curve}, "curve"),
        (VIT, "curve", {k: v for k, v in VIT.curve.items() if k != "val_accuracy"}, "curve"),
        (LEARNED, "curve", curve(LEARNED, a_layers=[[0.5], [0.5, 0.5], [0.5]]), "curve"),
        (LEARNED, "curve", curve(LEARNED, a_layers=[0.5, 0.5, 0.5]), ""),
        (LM, "train", {}, ""),
        (LM, "train", {"every": 0, "loss": []}, ""),
        (LM, "train", {"every": 1, "loss": [2.0] * 39}, "train"),
        (LM, "train", {"every": 1, "loss": [None] * 40}, "train"),
    ],
)
def test_what_cannot_be_is_one_sentence(base: Row, field: str, value: object, named: str) -> None:
    broken = dataclasses.replace(base, **{field: value})
    with pytest.raises(InputError) as caught:
        check_results(Results((LM, broken)), "a.jsonl")
    said = str(caught.value)
    assert said.startswith("row 2 of a.jsonl has ")
    assert named in said
    assert "\n" not in said
