"""Runs that this machine has no memory for are refused, long ones announced, with numbers that are held to account."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dr_transformer import Config, InputError, load
from dr_transformer.data.dataset import load_bytes
from dr_transformer.engine import run_cost
from dr_transformer.engine.jobs import Runner
from dr_transformer.engine.run import Run
from dr_transformer.engine.run_cost import (
    Expected,
    check_memory,
    expected_seconds,
    free_memory,
    memory_needed,
)
from dr_transformer.engine.waiting import duration, time_note
from dr_transformer.model import unroll as model
from dr_transformer.model.cost import cost
from tests.helpers.machine import pretend

CPU = Config(device="cpu")


@pytest.mark.parametrize(
    ("n_blocks", "precision", "sub_steps"), [(2, "float32", True), (3, "float64", True), (2, "float32", False)]
)
def test_the_blocks_counted_are_those_a_run_keeps(
    n_blocks: int, precision: str, sub_steps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not sub_steps:
        monkeypatch.setattr("dr_transformer.engine.run_cost._MAX_POINTS", 0)
    data, config = load("digits", 60), Config(n_components=8, n_blocks=n_blocks, precision=precision, device="cpu")
    run = Run(data, config)
    run.owners.add("test")
    run.work()
    assert run.full.start is not None
    assert bool(run.full.attention) == sub_steps
    held = run.full.n_bytes + run.full.start.nbytes
    assert memory_needed(60, config, data.Y.dtype) == held + cost(60, config, data.Y.dtype).memory_bytes


def test_a_users_numbers_are_float64() -> None:
    table = load_bytes("mine.csv", b"a,b\n1.5,2\n3,4\n5,1\n")
    wide, narrow = (memory_needed(10**6, CPU, dtype) for dtype in (table.Y.dtype, np.uint8))
    assert 1.9 < wide / narrow <= 2


def test_on_a_gpu_only_what_is_kept_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "cuda")
    gpu = Config(device="cuda")
    assert memory_needed(10**6, gpu, np.uint8) == 10 * 10**6 * 128 * 4
    assert expected_seconds(10**6, gpu, np.uint8) is None


def test_a_million_tokens_are_refused_where_memory_would_not_do() -> None:
    free = 16 * 10**9
    with pytest.raises(InputError) as refused:
        check_memory(10**6, CPU, np.uint8, free)
    said = str(refused.value)
    assert said.startswith("1 000 000 tokens would hold about 9.76 GB of memory, more than half of the 16 GB")
    assert "choose at most 810 000 tokens n, or use dr-transformer embed with --landmarks in the terminal." in said
    check_memory(810_000, CPU, np.uint8, free)  # what it says is so
    with pytest.raises(InputError, match="choose at most 810 000 tokens n"):
        check_memory(830_000, CPU, np.uint8, free)
    check_memory(10**6, CPU, np.uint8, 2 * memory_needed(10**6, CPU, np.uint8))
    with pytest.raises(InputError):
        check_memory(10**6, CPU, np.uint8, 2 * memory_needed(10**6, CPU, np.uint8) - 2)
    check_memory(10_000, CPU, np.uint8, 10**9)  # the paper's setting, on a machine with little left
    with pytest.raises(InputError, match="choose fewer tokens n, or dimensions q, or use"):
        check_memory(1000, CPU, np.uint8, 10**6)


@pytest.mark.parametrize("n_blocks", [1, 8, 200])
@pytest.mark.parametrize("free", [10**8, 4 * 10**8, 10**9, 10**10])
def test_the_number_that_is_advised_is_possible_and_not_far_below_what_is(free: int, n_blocks: int) -> None:
    config = Config(n_blocks=n_blocks, device="cpu")
    enough = run_cost._most_tokens(10**8, config, np.dtype(np.uint8), free)
    assert enough > 0
    assert memory_needed(enough, config, np.uint8) <= free
    assert all(memory_needed(int(more * enough), config, np.uint8) > free for more in (1.1, 1.3, 2, 5, 20))


def test_free_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The least of what the machine and the container have; a limit of "max" is none."""
    meminfo, group = tmp_path / "meminfo", tmp_path / "cgroup"
    group.mkdir()
    monkeypatch.setattr(run_cost, "_MEMINFO", meminfo)
    monkeypatch.setattr(run_cost, "_CGROUP", group)
    assert free_memory() is None
    check_memory(10**9, CPU, np.uint8)  # nothing is known, so nothing is refused
    meminfo.write_text("MemTotal:   9 kB\nMemAvailable:   5000 kB\n")
    assert free_memory() == 5000 * 1024
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("3000\n")
    (group / "memory.stat").write_text("anon 1000\ninactive_file 500\n")
    assert free_memory() == 5000 * 1024
    (group / "memory.max").write_text("4000\n")
    assert free_memory() == 4000 - (3000 - 500)
    with pytest.raises(InputError, match=r"more than half of the 1\.5 kB"):
        check_memory(1000, CPU, np.uint8)


def waiting(n_samples: int, config: Config, blocks: int = 0, seconds: float = 0.0) -> Run:
    """A run of so many tokens, all alike, that has done so many blocks."""
    Y = np.broadcast_to(np.ones(1, np.uint8), (n_samples, 1))
    data = load("digits", 60)
    run = Run(type(data)(**(data.__dict__ | {"Y": Y, "labels": None})), config)
    run.expected = Expected(expected_seconds(n_samples, config, np.uint8), torch.get_num_threads())
    run.block, run.seconds = blocks or -1, seconds
    return run


def test_what_is_refused_is_asked_again_and_may_be_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    data, config, runner = load("digits", 60), Config(n_components=8, n_blocks=1), Runner()
    monkeypatch.setattr(run_cost, "free_memory", lambda: 1000)
    refused = runner.submit("run", lambda: Run(data, config), "me")
    assert refused.done.wait(30)
    assert refused.refused
    assert "memory" in str(refused.error)
    monkeypatch.undo()
    run = runner.submit("run", lambda: Run(data, config), "me")
    assert run is not refused
    assert run.done.wait(30)
    assert run.error is None
    assert runner.submit("run", lambda: Run(data, config), "me") is run
    runner.close()


def test_a_long_run_is_announced_and_a_short_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    config = Config(precision="float32", device="cpu")
    assert expected_seconds(70_000, config, np.uint8) == pytest.approx(49.4, rel=0.02)  # measured
    monkeypatch.setattr(model, "multiplies_bfloat16", lambda _: True)
    assert expected_seconds(70_000, replace(config, precision="bfloat16"), np.uint8) == pytest.approx(26.7, rel=0.02)
    monkeypatch.setattr(model, "multiplies_bfloat16", lambda _: False)
    assert expected_seconds(70_000, replace(config, precision="bfloat16"), np.uint8) == pytest.approx(49.4, rel=0.02)
    assert expected_seconds(70_000, replace(config, n_components=2), np.uint8) < 49.4  # type: ignore[operator]
    assert expected_seconds(70_000, replace(config, n_heads=4), np.uint8) > 100  # type: ignore[operator]
    seconds = expected_seconds(10**6, config, np.uint8)
    assert seconds == pytest.approx(10_000)
    note = time_note(waiting(10**6, config))
    assert note is not None
    assert note.startswith(f"8 blocks of 1 000 000 tokens take about {duration(seconds)}, if this machine's 2 cores")
    assert "Change a setting, or close the page, to cancel." in note
    assert time_note(waiting(70_000, config)) is None
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    assert expected_seconds(10**6, config, np.uint8) == pytest.approx(seconds / 4)


def test_from_the_first_block_on_the_time_is_measured() -> None:
    config = Config(device="cpu")
    assert time_note(waiting(10**6, config, 2, 3000.0)) == (
        "2 of 8 blocks of 1 000 000 tokens took 50 minutes; the others need about 2.5 hours more. Change a setting, "
        "or close the page, to cancel. Fewer tokens n take less: time grows with n²."
    )
    assert time_note(waiting(10**6, config, 2, 29.0)) is None  # a machine faster than was assumed
    assert time_note(waiting(1000, config, 2, 31.0)) is not None  # or slower
    run = waiting(10**6, config, 8, 12_000.0)
    run.done.set()
    assert time_note(run) is None


def test_times_and_numbers_for_people() -> None:
    said = {
        5: "5 seconds",
        119: "120 seconds",
        121: "2 minutes",
        6000: "100 minutes",
        7200: "2 hours",
        12_345: "3.4 hours",
    }
    said |= {3e5: "3.5 days", 1e10: "120 000 days"}
    assert {seconds: duration(seconds) for seconds in said} == said
