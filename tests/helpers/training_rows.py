"""Rows of results for tests of what is made of them: whole and consistent, with the figures that a test asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dr_transformer.training.results import Row
from dr_transformer.training.settings import PRESETS, TASKS, settings_hash

SHA256 = "0" * 64


def row(
    attention: str,
    seed: int,
    loss: float,
    *,
    task: str = "lm",
    accuracy: float | None = None,
    sha256: str = SHA256,
    **settings: Any,
) -> Row:
    """One run of the preset `minute` whose best validation loss is `loss`, reached at its third and last evaluation."""
    chosen = replace(PRESETS[task]["minute"], **({"max_iters": 40, "eval_interval": 20} | settings))
    steps, losses = [0, 20, 40], [4.0, (4.0 + loss) / 2, loss]
    curve: dict[str, list[Any]] = {"step": steps, "train_loss": losses, "val_loss": losses}
    if task == "vit":
        accuracy = 0.5 if accuracy is None else accuracy
        curve["val_accuracy"] = [0.1, accuracy, accuracy / 2]
    if attention == "learned":
        curve["a"] = [0.5, 0.4, 0.3 + seed / 100]
        curve["a_layers"] = [[a] for a in curve["a"]]
    assert type(chosen) is TASKS[task]
    return Row(
        task=task,
        preset="minute",
        settings=chosen.to_dict(),
        settings_hash=settings_hash(task, chosen, sha256),
        attention=attention,
        seed=seed,
        data={
            "name": "tiny Shakespeare" if task == "lm" else "mnist",
            "source": "made for a test",
            "sha256": sha256,
            "sha256_of": "nothing",
            "n_train": 900,
            "n_val": 100,
        },
        versions={"dr-transformer": "0.1", "numpy": "2.0", "torch": "2.4"},
        device={
            "processor": "a processor",
            "cores": 2,
            "threads": 1,
            "capability": "AVX2",
            "python": "3.12",
            "gpu": None,
            "precision": "float32",
            "compiled": False,
            "processes": 1,
        },
        iterations=40,
        n_parameters=1000,
        curve=curve,
        train={"every": 1, "loss": [4.0 - (4.0 - loss) * i / 39 for i in range(40)]},
        best_val_loss=loss,
        best_step=40,
        final_val_loss=loss,
        best_val_accuracy=accuracy,
        final_val_accuracy=None if accuracy is None else accuracy / 2,
        seconds=1.5,
        finished="2026-01-01T00:00:00+00:00",
    )


def rows(**losses: Sequence[float]) -> list[Row]:
    """Runs of a language model by variant, with the seeds 0, 1, …: `rows(standard=[2.0, 2.1], laplacian=[2.2])`."""
    return [row(attention, seed, loss) for attention, each in losses.items() for seed, loss in enumerate(each)]
