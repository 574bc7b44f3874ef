"""Rows of an upload may hold anything under the right names; each such thing is one sentence that names the field."""

import dataclasses
from typing import Any

import pytest

from dr_transformer.errors import InputError
from dr_transformer.training.results import Results, Row
from dr_transformer.training.row_checks import check_results
from tests.training_rows import row

LM, VIT, LEARNED = row("standard", 0, 2.0), row("laplacian", 1, 2.0, task="vit"), row("learned", 2, 2.0)


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
