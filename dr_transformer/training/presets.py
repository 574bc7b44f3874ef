"""The presets, from minutes on one thread to the paper's scale; and flags made into settings, variants and seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dr_transformer.errors import InputError
from dr_transformer.training.settings import ATTENTIONS, TASKS, LMSettings, Settings, ViTSettings

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
