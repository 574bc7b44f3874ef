"""Describe what is trained and how: every setting once, presets of them, and how flags are read as settings and seeds.

Names are nanoGPT's. The three values of `attention` are not among the settings: they are what is compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dr_transformer.config import DEVICES
from dr_transformer.errors import InputError
from dr_transformer.parameters import Declared, declare

ATTENTIONS = ("standard", "laplacian", "learned")
"""`att @ v` (A), `att @ v − v` (A − I), and `att @ v − a v` (A − aI) with one learned scalar a."""


@dataclass(frozen=True)
class Settings(Declared):
    """What both tasks share. Defaults are those of the preset `minute`."""

    n_layer: int = declare(4, "Blocks", "Depth: how many transformer blocks.", "architecture", minimum=1, maximum=1000)
    n_head: int = declare(4, "Heads", "Attention heads in each block.", "architecture", minimum=1, maximum=1000)
    n_embd: int = declare(64, "Width", "Dimensions of a token inside the model.", "architecture", minimum=1)
    dropout: float = declare(
        0.0,
        "Dropout",
        "Share of activations set to 0 in training: in attention, after both parts of a block, after the embedding.",
        "architecture",
        minimum=0,
        maximum=0.99,
    )
    bias: bool = declare(False, "Biases", "Whether linear layers and layer norms have biases.", "architecture")
    a_start: float = declare(
        0.5, "Start of a", "Where the scalar a of A − aI starts; 0 is standard attention, 1 is A − I.", "architecture"
    )
    a_learned: bool = declare(True, "Learn a", "Whether training changes a, or it stays at its start.", "architecture")
    a_per_layer: bool = declare(
        False, "One a for each block", "A scalar a for each block, instead of one for the whole model.", "architecture"
    )
    batch_size: int = declare(32, "Batch size", "Sequences or images in one micro-batch.", "training", minimum=1)
    gradient_accumulation_steps: int = declare(
        1,
        "Micro-batches",
        "Micro-batches whose gradients make one iteration, over all processes.",
        "training",
        minimum=1,
    )
    max_iters: int = declare(1000, "Iterations", "Steps of the optimiser.", "training", minimum=1)
    learning_rate: float = declare(
        1e-3, "Learning rate", "The largest of AdamW, after the warm-up.", "training", minimum=0, exclusive_minimum=True
    )
    min_lr: float = declare(
        1e-4, "Last learning rate", "Where the cosine schedule ends; at most the learning rate.", "training", minimum=0
    )
    warmup_iters: int = declare(
        100,
        "Warm-up",
        "Iterations over which the learning rate rises to its largest; fewer than there are in all.",
        "training",
        minimum=0,
    )
    weight_decay: float = declare(
        0.1, "Weight decay", "AdamW's, of matrices and embeddings; vectors and a have none.", "training", minimum=0
    )
    beta1: float = declare(0.9, "β₁", "AdamW's memory of the gradient.", "training", minimum=0, maximum=0.9999999)
    beta2: float = declare(0.99, "β₂", "AdamW's memory of its square.", "training", minimum=0, maximum=0.9999999)
    grad_clip: float = declare(
        1.0, "Gradient clipping", "Largest norm of the gradient; 0 does not clip.", "training", minimum=0
    )
    eval_interval: int = declare(
        100,
        "Evaluation interval",
        "Iterations from one evaluation on the validation set to the next.",
        "training",
        minimum=1,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_embd % self.n_head:
            raise InputError(
                f"n_head = {self.n_head} does not divide n_embd = {self.n_embd}; choose a width that is a multiple."
            )
        if self.min_lr > self.learning_rate:
            raise InputError(
                f"min_lr = {self.min_lr:g} is above learning_rate = {self.learning_rate:g}, so the learning rate would "
                "rise to its end instead of falling; choose a min_lr of at most learning_rate."
            )

    def iterations(self, n_train: int) -> int:  # noqa: ARG002 - a subclass counts in epochs
        """Return how many steps the optimiser takes on `n_train` training samples."""
        return self.max_iters

    def check_warmup(self, n_train: int) -> None:
        """Raise `InputError` if training on `n_train` samples would end before its warm-up."""
        n_iterations = self.iterations(n_train)
        if self.warmup_iters >= n_iterations:
            raise InputError(
                f"warmup_iters = {self.warmup_iters} is not below the number of iterations, {n_iterations}, so the "
                f"learning rate would never leave its warm-up; choose a smaller warmup_iters, or more {self._length}."
            )

    @property
    def _length(self) -> str:
        return "max_iters"


@dataclass(frozen=True)
class LMSettings(Settings):
    """A decoder language model (GPT-2 as in nanoGPT)."""

    block_size: int = declare(64, "Context", "Tokens the model sees at once.", "architecture", minimum=1)
    vocab_size: int | None = declare(
        None, "Vocabulary", "Number of different tokens; none: the characters of the text.", "architecture", minimum=2
    )
    eval_windows: int | None = declare(
        None,
        "Validation windows",
        "Contexts of the validation set that are evaluated, evenly spread; none: all of them.",
        "training",
        minimum=1,
    )


@dataclass(frozen=True)
class ViTSettings(Settings):
    """A vision transformer: square patches, a class token, learned positions."""

    batch_size: int = declare(64, "Batch size", "Sequences or images in one micro-batch.", "training", minimum=1)
    patch_size: int = declare(
        4, "Patch", "Pixels along the side of a patch; each patch is a token.", "architecture", minimum=1
    )
    epochs: int | None = declare(
        None, "Epochs", "Passes over the training images, instead of a number of iterations.", "training", minimum=1
    )

    def iterations(self, n_train: int) -> int:
        """`epochs` passes of whole batches, or `max_iters`."""
        a_pass = n_train // (self.batch_size * self.gradient_accumulation_steps)
        return self.max_iters if self.epochs is None else self.epochs * max(a_pass, 1)

    @property
    def _length(self) -> str:
        return "max_iters" if self.epochs is None else "epochs"


@dataclass(frozen=True)
class RunConfig(Declared):
    """How runs are made on this machine; what is compared does not depend on it but for rounding."""

    device: str = declare(
        "auto", "Device", "Where to train; auto: a GPU if there is one (cuda, or Apple's mps).", "run", choices=DEVICES
    )
    precision: str = declare(
        "auto",
        "Precision",
        "Of activations; auto: bfloat16 (autocast) on a GPU that has it, else float32.",
        "run",
        choices=("auto", "float32", "bfloat16", "float64"),
    )
    compile: str = declare(
        "auto",
        "Compile",
        "Whether torch.compile is used (it needs a compiler); auto: on a GPU.",
        "run",
        choices=("auto", "yes", "no"),
    )
    checkpoint_seconds: float = declare(
        120.0, "Checkpoint interval", "Seconds after which a run under way is saved again.", "run", minimum=0
    )


TASKS: dict[str, type[Settings]] = {"lm": LMSettings, "vit": ViTSettings}

PRESETS: dict[str, dict[str, Settings]] = {
    "lm": {
        # The widths of nanoGPT's advice for a laptop, halved. In spite of its name a run takes some three minutes: of
        # 30, on one thread of a shared machine (two cores of an AMD EPYC), 177 s in the median, 202 s on average.
        "minute": LMSettings(),
        # nanoGPT, config/train_shakespeare_char.py, with the defaults of its train.py.
        "shakespeare": LMSettings(
            n_layer=6,
            n_head=6,
            n_embd=384,
            block_size=256,
            dropout=0.2,
            batch_size=64,
            max_iters=5000,
            eval_interval=250,
        ),
        # nanoGPT, config/train_gpt2.py: 124 million parameters, about half a million tokens an iteration.
        "gpt2": LMSettings(
            n_layer=12,
            n_head=12,
            n_embd=768,
            block_size=1024,
            vocab_size=50304,
            batch_size=12,
            gradient_accumulation_steps=40,
            max_iters=600_000,
            learning_rate=6e-4,
            min_lr=6e-5,
            warmup_iters=2000,
            beta2=0.95,
            eval_interval=1000,
            eval_windows=2400,
        ),
    },
    "vit": {
        # Of 30 runs, measured likewise, 164 s in the median, 191 s on average.
        "minute": ViTSettings(bias=True, beta2=0.999, weight_decay=0.05, max_iters=1500, eval_interval=150),
        # What the paper says of its model: patch 4, 12 blocks, width 256, 4 heads, dropout 0.1, AdamW 1e-3, 50 epochs.
        # The rest is not said there: batch, warm-up, weight decay and AdamW's β are the usual ones for small images.
        "imagenet16": ViTSettings(
            bias=True,
            n_layer=12,
            n_embd=256,
            dropout=0.1,
            batch_size=512,
            epochs=50,
            min_lr=1e-5,
            warmup_iters=5000,
            beta2=0.999,
            weight_decay=0.05,
            eval_interval=2500,
        ),
    },
}
"""Settings by task and name. The preset says what is learned from, too: see `cli/train.py`.

Results know a preset by its name, so `minute` keeps it, though a run takes some three minutes on one thread.
"""


def task_of(settings: Settings) -> str:
    """The task these settings are of."""
    return next(name for name, kind in TASKS.items() if type(settings) is kind)


def from_dict(task: str, values: Mapping[str, Any]) -> Settings:
    """The inverse of `Settings.to_dict`."""
    if task not in TASKS:
        raise InputError(f"the task must be {' or '.join(TASKS)}, but is {task!r}.")
    return TASKS[task].from_dict(values)


def settings_hash(task: str, settings: Settings, data_sha256: str) -> str:
    """Return what identifies runs that may be compared: task, settings and data, in 16 hexadecimal digits."""
    content = json.dumps([task, settings.to_dict(), data_sha256], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def preset(task: str, name: str, changes: Mapping[str, Any] | None = None) -> Settings:
    """The settings of a preset with some values changed (text, as from a flag, or values). Raises `InputError`."""
    if task not in TASKS:
        raise InputError(f"the task must be {' or '.join(TASKS)}, but is {task!r}.")
    if name not in PRESETS[task]:
        known = ", ".join(PRESETS[task])
        raise InputError(f"there is no preset {name!r} for {task}; choose one of {known}.")
    parameters = TASKS[task].parameters()
    values: dict[str, Any] = {}
    for key, value in (changes or {}).items():
        if key not in parameters:
            raise InputError(f"unknown setting {key!r} of {task}; there are {', '.join(parameters)}.")
        values[key] = parameters[key].parse(value) if isinstance(value, str) else value
    return replace(PRESETS[task][name], **values)


def parse_attentions(text: str) -> tuple[str, ...]:
    """Names of variants by commas, each once; raises `InputError`."""
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    unknown = [name for name in names if name not in ATTENTIONS]
    if unknown:
        raise InputError(f"unknown attention {unknown[0]!r}; choose some of {', '.join(ATTENTIONS)}, by commas.")
    return names


def parse_seeds(text: str) -> tuple[int, ...]:
    """Whole numbers and ranges by commas, as 0-3,7, each once; raises `InputError`."""
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        low, high = first.strip(), (last if dash else first).strip()
        if not (low.isascii() and low.isdigit() and high.isascii() and high.isdigit()) or int(low) > int(high):
            raise InputError(f"the seeds must be like 0-9 or 0,3,5, but are {text!r}.")
        if int(high) >= 2**32 or int(high) - int(low) >= 100_000:
            raise InputError(f"the seeds {text!r} are too many or too large; a seed is less than 4294967296.")
        seeds += range(int(low), int(high) + 1)
    return tuple(dict.fromkeys(seeds))
