"""The model, the optimiser and the history of one run, and what an iteration does to them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dr_transformer import __version__
from dr_transformer.errors import InputError
from dr_transformer.hardware.devices import gpu_name, has_float64, machine
from dr_transformer.training.data import TaskData, dropout_seed, init_generator
from dr_transformer.training.models import initialise, learned_a
from dr_transformer.training.optimisation import (
    autocast,
    compiling,
    dropout_masks,
    learning_rate,
    make_optimizer,
    resolve_compile,
    resolve_device,
    resolve_precision,
)
from dr_transformer.training.parallel import Processes
from dr_transformer.training.results import Row
from dr_transformer.training.settings import RunConfig, Settings, settings_hash, task_of

_LOG_EVERY = 10  # iterations after which a GPU is asked what the losses were
_MAX_POINTS = 200  # of a curve of training losses


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
        every = max(1, -(-len(self.losses) // _MAX_POINTS))
        means = [_mean(self.losses[i : i + every]) for i in range(0, len(self.losses), every)]
        return {"every": every, "loss": means}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        return {"losses": list(self.losses), "evaluations": [dict(vars(e)) for e in self.evaluations]}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> History:
        """The inverse of `to_dict`."""
        return cls([float(loss) for loss in content["losses"]], [Evaluation(**e) for e in content["evaluations"]])


@dataclass(frozen=True)
class Progress:
    """How far a run is. `evaluated` says whether the history has a new evaluation; the history goes on changing."""

    iteration: int
    n_iterations: int
    seconds: float
    history: History
    evaluated: bool


class Trainer:
    """Model, optimiser and history of one run, between two iterations."""

    def __init__(
        self, settings: Settings, attention: str, seed: int, data: TaskData, run: RunConfig, processes: Processes
    ) -> None:
        data.check(settings)
        processes.check(settings)
        self.settings, self.attention, self.seed, self.data = settings, attention, seed, data
        self.task = task_of(settings)
        self.run, self.processes = run, processes
        self.device = resolve_device(run, shared=processes.size > 1)
        self.precision = resolve_precision(run, self.device)
        self.compiled = resolve_compile(run, self.device)
        self.n_iterations = settings.iterations(data.info.n_train)
        self.model = make_model(settings, attention, seed, data)
        self.model.to(self.device, torch.float64 if self.precision == "float64" else torch.float32)
        self.optimizer = make_optimizer(self.model, settings)
        self.parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        if self.compiled:
            torch.compiler.reset()  # after a few models it would no longer compile, and not say so
        forward = torch.compile(self.model) if self.compiled else self.model
        self._forward: Callable[[Tensor], Tensor] = processes.wrap(forward, self.device)
        self.iteration = 0
        self.history = History()
        self._unread: list[Tensor] = []  # losses that may still be on the GPU
        self._seconds_before, self._began = 0.0, time.monotonic()

    @property
    def seconds(self) -> float:
        """Spent on this run, here and before its checkpoint."""
        return self._seconds_before + time.monotonic() - self._began

    @property
    def due_to_log(self) -> bool:
        """Tell whether the losses are read now: reading them makes the processor wait for the GPU."""
        return self.device.type == "cpu" or self.iteration % _LOG_EVERY == 0

    def step(self) -> None:
        """One iteration."""
        settings = self.settings
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(settings, self.iteration, self.n_iterations)
        self.optimizer.zero_grad(set_to_none=True)
        self.model.train()
        own = self.processes.own_micro_batches(settings)
        losses = []
        for micro in own:
            x, y = self._on_device(*self.data.batch(settings, self.seed, self.iteration, micro))
            with (
                self.processes.gradients(self._forward, together=micro == own[-1]),
                compiling(self.compiled),
                dropout_masks(settings, self.device, dropout_seed(self.seed, self.iteration, micro)),
            ):
                with autocast(self.precision, self.device):
                    loss = cross_entropy(self._forward(x), y)
                (loss / len(own)).backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
        if settings.grad_clip:
            torch.nn.utils.clip_grad_norm_(self.parameters, settings.grad_clip)
        self.optimizer.step()
        self._unread.append(self.processes.mean(torch.stack(losses).mean()))
        self.iteration += 1
        if self.due_to_log or self.iteration == self.n_iterations:
            self._read_losses()

    @torch.no_grad()
    def evaluate_if_due(self) -> bool:
        """Evaluate every `eval_interval` iterations and at the end, on the whole fixed validation set."""
        done = bool(self.history.evaluations) and self.history.evaluations[-1].step == self.iteration
        if done or (self.iteration % self.settings.eval_interval and self.iteration != self.n_iterations):
            return False
        self._read_losses()
        self.model.eval()
        place = self.device if has_float64(self.device.type) else torch.device("cpu")
        sums = torch.zeros(3, dtype=torch.float64, device=place)  # loss, right, all
        for x, y in self.data.validation(self.settings, self.processes.rank, self.processes.size):
            x, y = self._on_device(x, y)
            with autocast(self.precision, self.device):
                logits = self.model(x)
            sums[0] += cross_entropy(logits, y, reduction="sum").to(place).double()
            sums[1] += (logits.argmax(-1) == y).sum().to(place) if self.data.classify else 0
            sums[2] += y.numel()
        loss, right, n = self.processes.sum(sums).tolist()
        self._check_finite(loss)
        accuracy = right / n if self.data.classify else None
        self.history.evaluations.append(Evaluation(self.iteration, rounded(loss / n), accuracy, learned_a(self.model)))
        return True

    def progress(self, evaluated: bool) -> Progress:
        """Return what is told to who watches."""
        return Progress(self.iteration, self.n_iterations, self.seconds, self.history, evaluated)

    def state(self) -> dict[str, Any]:
        """Return all that the next iteration depends on, and what run it is of."""
        self._read_losses()
        return {
            "run": self.identity,
            "iteration": self.iteration,
            "seconds": self.seconds,
            "history": self.history.to_dict(),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from the `state` of the same run."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.iteration, self._seconds_before = state["iteration"], state["seconds"]
        self.history = History.from_dict(state["history"])

    def row(self, preset: str) -> Row:
        """Return the row of the finished run."""
        self._read_losses()
        evaluations = self.history.evaluations
        best, last = min(evaluations, key=lambda evaluation: evaluation.val_loss), evaluations[-1]
        accuracies = [e.val_accuracy for e in evaluations if e.val_accuracy is not None]
        return Row(
            task=self.task,
            preset=preset,
            settings=self.settings.to_dict(),
            settings_hash=settings_hash(self.task, self.settings, self.data.info.sha256),
            attention=self.attention,
            seed=self.seed,
            data=self.data.info.to_dict(),
            versions={"dr-transformer": __version__} | {name: version(name) for name in ("numpy", "torch")},
            device=self._device_info(),
            iterations=self.n_iterations,
            n_parameters=sum(parameter.numel() for parameter in self.model.parameters()),
            curve=self.history.curve(),
            train=self.history.averaged(),
            best_val_loss=best.val_loss,
            best_step=best.step,
            final_val_loss=last.val_loss,
            best_val_accuracy=max(accuracies, default=None),
            final_val_accuracy=last.val_accuracy,
            seconds=round(self.seconds, 3),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _device_info(self) -> dict[str, Any]:
        found = machine()
        kept = {name: found[name] for name in ("processor", "cores", "threads", "capability", "python")}
        gpu = gpu_name(self.device)
        how = {"precision": self.precision, "compiled": self.compiled, "processes": self.processes.size}
        return kept | {"gpu": gpu} | how

    @property
    def identity(self) -> dict[str, Any]:
        """Tell this run from others: its settings, data, attention and seed."""
        return {
            "settings_hash": settings_hash(self.task, self.settings, self.data.info.sha256),
            "attention": self.attention,
            "seed": self.seed,
        }

    def _on_device(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        if self.device.type == "cuda":
            x, y = (part.pin_memory().to(self.device, non_blocking=True) for part in (x, y))
        else:
            x, y = x.to(self.device), y.to(self.device)
        return x.double() if self.precision == "float64" and x.is_floating_point() else x, y

    def _read_losses(self) -> None:
        if self._unread:
            losses = torch.stack(self._unread).tolist()
            self._unread.clear()
            self.history.losses += losses
            self._check_finite(sum(losses))

    def _check_finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise InputError(
                f"the loss of {self.attention} attention, seed {self.seed}, is no longer finite after iteration "
                f"{self.iteration}; choose a smaller learning_rate."
            )


def make_model(settings: Settings, attention: str, seed: int, data: TaskData) -> nn.Module:
    """The model of a run with its initial weights, float32 on the CPU: the same for all variants."""
    with torch.random.fork_rng(devices=[]):  # torch's own initial values, which draw from its global generator
        model = data.model(settings, attention)
    initialise(model, settings, init_generator(seed))
    return model


def cross_entropy(logits: Tensor, y: Tensor, reduction: str = "mean") -> Tensor:
    """Return it in nats, over all tokens or images; at least in float32."""
    precise = logits if logits.dtype == torch.float64 else logits.float()
    return functional.cross_entropy(precise.view(-1, precise.shape[-1]), y.view(-1), reduction=reduction)


def rounded(value: float) -> float:
    """Round to eight digits, more than float32 has: rows stay short."""
    return float(f"{value:.8g}")


def _mean(values: list[float]) -> float | None:
    return rounded(sum(values) / len(values)) if values else None
