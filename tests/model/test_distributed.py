"""Several processes give what one gives, and end together when something is wrong."""

import json
import os
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch

from dr_transformer import Config, load, unroll
from dr_transformer.cli.commands import main
from dr_transformer.errors import InputError
from dr_transformer.hardware import process_group
from dr_transformer.model import kernels
from dr_transformer.model.cost import cost
from dr_transformer.model.distributed import Ranks
from dr_transformer.model.unroll import run_block
from tests.helpers.machine import has_bfloat16, pretend
from tests.helpers.oracle import relative_error
from tests.model.ranks import CASES, run_together, started, torchrun
from tests.model.test_unroll import tokens

# Of the latents, relative to the largest; of bfloat16 see `test_bfloat16_rounds_differently_on_ranks`
TOLERANCES = {"float32": 1e-6, "float64": 1e-13, "bfloat16": 5e-3}
SMALL = ["--n-samples", "301", "--n-components", "16", "--n-blocks", "5"]


@pytest.mark.parametrize("size", [2, 3])
def test_each_rank_has_the_latents_of_one_process_alone(size: int, tmp_path: Path) -> None:
    Y = tokens(203)  # no multiple of 2 or 3
    np.save(tmp_path / "tokens.npy", Y)
    if size == 2:
        status, said = torchrun(size, "tests.model.ranks", str(tmp_path))
    else:
        with started(*[["tests.model.ranks", str(tmp_path)]] * size) as processes:
            said = "".join(text for process in processes for text in process.communicate(timeout=120))
        status = max(process.returncode for process in processes)
    assert (status, said) == (0, "")
    for name, config in CASES.items():
        alone = np.stack([step.X.cpu().numpy() for step in unroll(Y, config) if step.ends_block])
        tolerance = TOLERANCES.get(config.precision, 1e-6)
        bytes_expected = cost(len(Y), config, n_ranks=size).gathered_bytes * alone.itemsize // _itemsize(config)
        for rank in range(size):
            with np.load(tmp_path / f"{rank}.npz") as seen:
                assert seen[name].dtype == alone.dtype
                assert relative_error(torch.from_numpy(seen[name]), torch.from_numpy(alone)) <= tolerance, name
                assert seen[f"{name} bytes"] == bytes_expected


def _itemsize(config: Config) -> int:
    return 8 if config.precision == "float64" else 4


@pytest.mark.slow
def test_embed_by_three_processes(tmp_path: Path) -> None:
    """Good runs and bad ones. Rank 0 alone speaks, and all return the same."""
    Y = tokens(20, d=4)
    Y[17] = 1e308  # a row of the last rank
    np.save(tmp_path / "large.npy", Y)
    exact = ["embed", str(tmp_path / "exact.npz"), "--trajectory", *SMALL]
    landmarks = ["embed", str(tmp_path / "landmarks.npz"), "--trajectory", *SMALL, "--landmarks", "40"]
    bad = ["embed", str(tmp_path / "bad.npz"), "--n-samples"]
    results = run_together(
        3,
        exact,
        landmarks,
        [*bad, "300", "--eta", "0.5"],
        [*bad, "20", "--dataset", str(tmp_path / "large.npy")],
        [*bad, "30{rank}"],
        ["embed", str(tmp_path / "bad.txt")],
        ["embed", str(tmp_path / "no" / "folder.npz")],
        ["embed", str(tmp_path / "dry.npz"), "--dry-run"],
        ["figure", str(tmp_path / "figure.pdf")],
    )
    assert [[status for status, *_ in ranks] for ranks in results] == [[0] * 3] * 2 + [[2] * 3] * 5 + [[0] * 3, [2] * 3]
    first = [ranks[0][1:] for ranks in results]
    assert all(said == ["", ""] for ranks in results for _, *said in ranks[1:])
    assert [out for out, _ in first[:2]] == [f"wrote {exact[1]}\n", f"wrote {landmarks[1]}\n"]
    assert first[7][0].startswith("10000 tokens, exact: each of 3 processes: 137 Gflop")
    for (out, said), sentence in zip(
        [*first[2:7], first[8]],
        [
            "eta must not be exactly 0.5",
            "rank 2 of 3 says: the data hold values too large to project",
            "the data set of rank 1 of 3 is not that of rank 0; give all the same.",
            "the name must end in .npz",
            "its folder does not exist",
            "only embed and train can be run by several processes",
        ],
        strict=True,
    ):
        assert out == ""
        assert said.splitlines()[-1].startswith("dr-transformer: ")
        assert sentence in said.splitlines()[-1]
        assert said.count("dr-transformer: ") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["exact.npz", "landmarks.npz", "large.npy"]
    for command in (exact, landmarks):
        assert main(["embed", str(tmp_path / "alone.npz"), *command[2:]]) == 0
        with np.load(command[1]) as together, np.load(tmp_path / "alone.npz") as alone:
            assert set(together.files) == set(alone.files)
            for name in set(together.files) - {"embedding", "trajectory", "settings"}:
                np.testing.assert_array_equal(together[name], alone[name])
            for name in ("embedding", "trajectory"):
                assert relative_error(torch.from_numpy(together[name]), torch.from_numpy(alone[name])) <= 1e-6
            assert json.loads(str(together["settings"]))["run"]["processes"] == 3


def test_a_rank_that_dies_ends_a_run_by_torchrun(tmp_path: Path) -> None:
    status, said = torchrun(2, "tests.model.failing_rank", "die", "embed", str(tmp_path / "out.npz"), *SMALL)
    assert status == 1
    # Whichever comes first: the closed connection, or torchrun's word.
    assert "dr-transformer: rank 0 of 2 lost another" in said or "dr-transformer: rank 0 of 2 was told to stop" in said
    assert "the run has ended and nothing was written." in said
    assert "SIGKILL" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("way", "seconds"),
    [("die", 60), pytest.param("hang", 10, marks=pytest.mark.slow)],  # in which they have to meet, too
)
def test_a_rank_that_dies_or_hangs_ends_a_run_without_a_launcher(way: str, seconds: int, tmp_path: Path) -> None:
    out = tmp_path / "out.npz"
    command = ["tests.model.failing_rank", way, "embed", str(out), *SMALL, "--timeout", str(seconds)]
    with started(command, command) as (first, _):
        said = first.communicate(timeout=60)[1]
    assert first.returncode == 1
    assert said.splitlines()[-1].startswith(
        "dr-transformer: rank 0 of 2 lost another, which has died or does not answer"
    )
    assert said.endswith("; the run has ended and nothing was written.\n")
    assert list(tmp_path.iterdir()) == []


def test_a_rank_that_never_comes(tmp_path: Path) -> None:
    embed = ["dr_transformer", "embed", str(tmp_path / "out.npz"), *SMALL, "--timeout", "1"]
    with started(embed, size=2) as (alone,):
        said = alone.communicate(timeout=60)[1]
    assert alone.returncode == 1
    assert said.splitlines()[-1].startswith("dr-transformer: rank 0 of 2 could not meet the others within 1 s")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [2, 3])
def test_bfloat16_rounds_differently_on_ranks(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One process alone takes the symmetric half of A, ranks take their own rows of all of it.

    Their sums run in another order, and where that changes what a partial product is rounded to, bfloat16 shows it:
    the latents differ by less than 1e-3 of their norm, a part of how far either is from float32's. In float32 the same
    two ways agree to 1e-6.
    """
    monkeypatch.setitem(kernels._TILE, "cpu", 100)
    Y = load("mnist", 1000).Y
    for precision, bound in (("float32", 1e-6), *([("bfloat16", 1e-3)] if has_bfloat16() else [])):
        config = Config(precision=precision, device="cpu")
        steps = [step.X for step in unroll(Y, config) if step.ends_block]
        X = steps[0]
        for _ in range(config.n_blocks):
            X = torch.cat([_own_rows(X, Ranks(rank, size).rows(len(Y)), config) for rank in range(size)])
        assert (X - steps[-1]).norm() / steps[-1].norm() < bound
    exact = list(unroll(Y, Config(precision="float32", device="cpu")))[-1].X
    for latents in (X, steps[-1]):
        assert (latents - exact).norm() / exact.norm() < 3e-3


def _own_rows(X: torch.Tensor, rows: slice, config: Config) -> torch.Tensor:
    """What a rank computes of a block, as in `unroll_ranks`."""
    *_, (_, own) = run_block(X[rows], X, config, torch.arange(rows.start, rows.stop))
    return own


@pytest.mark.parametrize("given", [None, "0"])
def test_nccl_raises_what_goes_wrong(given: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The group is made with blocking waits, unless the user has said otherwise; the variable is not left behind."""
    made = []

    def init(backend: str, timeout: timedelta) -> None:
        made.append((backend, timeout.total_seconds(), os.environ.get("TORCH_NCCL_BLOCKING_WAIT")))

    monkeypatch.delenv("TORCH_NCCL_BLOCKING_WAIT", raising=False)
    if given is not None:
        monkeypatch.setenv("TORCH_NCCL_BLOCKING_WAIT", given)
    pretend(monkeypatch, "cuda")
    monkeypatch.setattr(process_group.dist, "is_nccl_available", lambda: True)
    monkeypatch.setattr(process_group.dist, "init_process_group", init)
    process_group.meet(7)
    assert made == [("cpu:gloo,cuda:nccl", 7, given or "1")]
    assert os.environ.get("TORCH_NCCL_BLOCKING_WAIT") == given


def test_a_collective_is_waited_for() -> None:
    """What `wait` of an asynchronous collective raises becomes one sentence, of NCCL's error its first."""

    class Work:
        def wait(self) -> None:
            raise RuntimeError("[Rank 0] NCCL communicator was aborted. Original reason: remote process exited")

    sentence = r"^lost another, which has died or does not answer \(NCCL communicator was aborted\)$"
    with pytest.raises(process_group.LostRankError, match=sentence), process_group.reached():
        process_group.wait(Work())


@pytest.mark.parametrize(("n", "size"), [(10, 2), (11, 2), (11, 4), (7, 7), (1000, 3)])
def test_slices_are_in_order_and_leave_nobody_out(n: int, size: int) -> None:
    slices = [Ranks(rank, size).rows(n) for rank in range(size)]
    assert [row for s in slices for row in range(n)[s]] == list(range(n))
    assert all(s.start < s.stop for s in slices)


@pytest.mark.parametrize(("n", "size", "most"), [(3, 4, 3), (5, 4, 3), (2, 9, 2)])
def test_more_processes_than_tokens_for_them(n: int, size: int, most: int) -> None:
    with pytest.raises(InputError, match=f"use at most {most}"):
        Ranks(0, size).rows(n)
    assert Ranks(0, most).rows(n).start == 0
