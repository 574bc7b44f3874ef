"""What a run has seen so far: the training loss of every iteration, and the evaluations; and both as curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_POINTS = 200


@dataclass(frozen=True)
class Evaluation:
    """On the whole fixed validation set after `step` iterations. `accuracy` of images, `a` of A − aI; else None."""

    step: int
    val_loss: float
    val_accuracy: float | None
    a: list[float] | None


@dataclass
class History:
    """`losses` has one entry an iteration: the mean cross-entropy, in nats, of its batch before its step."""

    losses: list[float] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)

    def curve(self) -> dict[str, list[Any]]:
        """Lists of one length: step, train_loss, val_loss; val_accuracy of images; a (mean) and a_layers of A − aI.

        `train_loss` is the mean since the evaluation before; at step 0 it is that of the first batch.
        """
        steps = [evaluation.step for evaluation in self.evaluations]
        before = [0, *steps[:-1]]
        curve: dict[str, list[Any]] = {
            "step": steps,
            "train_loss": [_mean(self.losses[a:b] or self.losses[:1]) for a, b in zip(before, steps, strict=True)],
            "val_loss": [evaluation.val_loss for evaluation in self.evaluations],
        }
        if any(evaluation.val_accuracy is not None for evaluation in self.evaluations):
            curve["val_accuracy"] = [evaluation.val_accuracy for evaluation in self.evaluations]
        if any(evaluation.a for evaluation in self.evaluations):
            curve["a"] = [_mean(evaluation.a or []) for evaluation in self.evaluations]
            curve["a_layers"] = [evaluation.a for evaluation in self.evaluations]
        return curve

    def averaged(self) -> dict[str, Any]:
        """The training loss in at most 200 numbers, `loss`: means of `every` iterations (the last, of those left)."""
        every = max(1, -(-len(self.losses) // MAX_POINTS))
        means = [_mean(self.losses[i : i + every]) for i in range(0, len(self.losses), every)]
        return {"every": every, "loss": means}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        return {"losses": list(self.losses), "evaluations": [dict(vars(e)) for e in self.evaluations]}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> History:
        """The inverse of `to_dict`."""
        return cls([float(loss) for loss in content["losses"]], [Evaluation(**e) for e in content["evaluations"]])


def rounded(value: float) -> float:
    """To eight digits, more than float32 has: rows stay short."""
    return float(f"{value:.8g}")


def _mean(values: list[float]) -> float | None:
    return rounded(sum(values) / len(values)) if values else None
