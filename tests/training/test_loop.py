"""A run that was interrupted goes on to the very curve of one that was not; a save that fails costs nothing."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dr_transformer.errors import InputError
from dr_transformer.training import loop
from dr_transformer.training.loop import SaveError, Stopped, load_checkpoint, resume, save_checkpoint, train
from dr_transformer.training.parallel import ALONE
from dr_transformer.training.settings import RunConfig
from dr_transformer.training.trainer import Trainer
from tests.training.test_results import files_of_at_most
from tests.training.tiny import DEVICES, RUNS, changed, data

RUN = RUNS["cpu"]
CPU = torch.device("cpu")


def after(n: int):
    """Asks to stop after n iterations."""
    left = iter([False] * (n - 1) + [True])
    return lambda: next(left)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("task", ["lm", "vit"])
@pytest.mark.parametrize("attention", ["laplacian", "learned"])
def test_an_interrupted_run_gives_the_curve_of_one_that_was_not(
    task: str, attention: str, device: str, tmp_path: Path
) -> None:
    """Weights and optimiser included; stopped before, at and after an evaluation, and at the end.

    On a CPU bit by bit; on a GPU, whose sums come in any order, in float64 to 1e-6.
    """
    settings, content = changed(task, dropout=0.2, gradient_accumulation_steps=2, batch_size=4), data(task)
    run, off = (RUN, 0.0) if device == "cpu" else (replace(RUNS[device], precision="float64"), 1e-6)
    whole = Trainer(settings, attention, 1, content, run, ALONE)
    for _ in range(12):
        whole.evaluate_if_due()
        whole.step()
    whole.evaluate_if_due()
    path = tmp_path / "run.checkpoint"
    for at in (4, 1, 2, 4, 1):
        with pytest.raises(Stopped) as stopped:
            train(settings, attention, 1, data=content, run=run, checkpoint=path, should_stop=after(at))
        assert stopped.value.saved
    assert stopped.value.iteration == 12
    resumed = Trainer(settings, attention, 1, content, run, ALONE)
    resume(resumed, path)
    resumed.evaluate_if_due()
    assert_equal(resumed.history.to_dict(), whole.history.to_dict(), off)
    assert [e.step for e in whole.history.evaluations] == [0, 5, 10, 12]
    assert_equal(resumed.model.state_dict(), whole.model.state_dict(), off)
    assert_equal(resumed.optimizer.state_dict(), whole.optimizer.state_dict(), off)
    row = train(settings, attention, 1, data=content, run=run, checkpoint=path)
    assert_equal(row.train, whole.history.averaged(), off)
    assert_equal(row.curve, whole.history.curve(), off)


def assert_equal(a, b, off: float) -> None:
    if isinstance(a, torch.Tensor):
        torch.testing.assert_close(a, b, rtol=0, atol=off)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_equal(a[key], b[key], off)
    elif isinstance(a, (list, tuple)):
        for one, other in zip(a, b, strict=True):
            assert_equal(one, other, off)
    elif isinstance(a, float):
        assert abs(a - b) <= off
    else:
        assert a == b


def test_the_time_of_all_parts_is_counted(tmp_path: Path) -> None:
    path, content = tmp_path / "c", data("lm")
    with pytest.raises(Stopped):
        train(changed("lm"), "standard", 0, data=content, run=RUN, checkpoint=path, should_stop=after(3))
    saved = torch.load(path, weights_only=True)
    saved["seconds"] += 1000
    torch.save(saved, path)
    assert 1000 < train(changed("lm"), "standard", 0, data=content, run=RUN, checkpoint=path).seconds < 1100


def test_long_runs_are_saved_now_and_then(tmp_path: Path) -> None:
    """From each of the checkpoints the run ends with the same curve."""
    path, content = tmp_path / "c", data("lm")
    kept = []

    def keep(progress):
        if path.exists():
            kept.append(shutil.copy(path, tmp_path / f"{progress.iteration}"))

    often = RunConfig(device="cpu", checkpoint_seconds=0)
    row = train(changed("lm"), "learned", 0, data=content, run=often, checkpoint=path, on_step=keep)
    assert len(kept) == 12
    for copy in kept[::4]:
        again = train(changed("lm"), "learned", 0, data=content, run=RUN, checkpoint=copy)
        assert (again.curve, again.train) == (row.curve, row.train)


def test_a_disk_that_is_full_while_saving_keeps_the_checkpoint_before(tmp_path: Path) -> None:
    path, content = tmp_path / "run.checkpoint", data("lm")
    with pytest.raises(Stopped):
        train(changed("lm"), "learned", 0, data=content, run=RUN, checkpoint=path, should_stop=after(3))
    before = path.read_bytes()
    with files_of_at_most(len(before) // 2):
        with pytest.raises(SaveError) as error:
            train(changed("lm"), "learned", 0, data=content, run=RUN, checkpoint=path, should_stop=after(2))
        said: list[str] = []
        often = RunConfig(device="cpu", checkpoint_seconds=0)
        row = train(changed("lm"), "learned", 0, data=content, run=often, checkpoint=path, warn=said.append)
    assert str(error.value) == (
        "the checkpoint run.checkpoint cannot be saved (File too large); the one before is kept; make room on the disk."
    )
    assert said == [f"{error.value} Training goes on."] * 9
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["run.checkpoint"]
    again = train(changed("lm"), "learned", 0, data=content, run=RUN, checkpoint=path)
    assert again.curve == row.curve == train(changed("lm"), "learned", 0, data=content, run=RUN).curve


def test_a_disk_that_is_full_for_the_first_checkpoint(tmp_path: Path) -> None:
    with files_of_at_most(1000), pytest.raises(SaveError, match="there is none before it"):
        save_checkpoint(tmp_path / "c", {"x": torch.zeros(1000)})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04 torn", b"\x80\x02cos\nsystem\n(S'true'\ntR."])
def test_damaged_checkpoints(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"cannot be read .*; delete it to begin this run again"):
        load_checkpoint(path, CPU)


def test_a_checkpoint_cut_off_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "c"
    save_checkpoint(path, {"x": torch.arange(1000.0)})
    whole = path.read_bytes()
    for length in range(1, len(whole), len(whole) // 7):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="cannot be read"):
            load_checkpoint(path, CPU)


def test_checkpoints_of_another_version_or_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, content = tmp_path / "c", data("lm")
    with pytest.raises(Stopped):
        train(changed("lm"), "learned", 0, data=content, run=RUN, checkpoint=path, should_stop=after(3))
    with pytest.raises(InputError, match="is of another run"):
        train(changed("lm"), "learned", 1, data=content, run=RUN, checkpoint=path)
    monkeypatch.setattr(loop, "_FORMAT", 2)
    with pytest.raises(InputError, match="is of another version"):
        train(changed("lm"), "learned", 0, data=content, run=RUN, checkpoint=path)


def test_a_loss_that_is_no_longer_finite() -> None:
    with pytest.raises(
        InputError, match=r"the loss of standard attention, seed 0, is no longer finite after iteration \d"
    ):
        train(changed("lm", learning_rate=1e30, grad_clip=0, warmup_iters=0), "standard", 0, data=data("lm"), run=RUN)
