"""Training on an Apple GPU: on this machine's, or on a stand-in for one."""

from contextlib import nullcontext
from typing import Any

import pytest
import torch

from dr_transformer.training.optimisation import dropout_masks
from dr_transformer.training.parallel import ALONE
from dr_transformer.training.settings import RunConfig
from dr_transformer.training.trainer import Trainer
from tests.apple_gpu import MPS, apple_gpu
from tests.machine import DEVICES
from tests.training.tiny import changed, data


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
