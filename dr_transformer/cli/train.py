"""`dr-transformer train`: its flags, as a plan of runs for `runs.py`.

Imports no torch, as `commands.py` does not.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

from dr_transformer.training.runs import Plan, Sources, train_all
from dr_transformer.training.settings import (
    ATTENTIONS,
    PRESETS,
    TASKS,
    RunConfig,
    parse_attentions,
    parse_seeds,
    preset,
)


def add_to(train: argparse.ArgumentParser, add_flags: Callable[..., None]) -> None:
    """Give the command its two tasks and their flags; `add_flags` is `commands.py`'s, for declared parameters."""
    tasks = train.add_subparsers(title="tasks", required=True, metavar="TASK", dest="task")
    for task, model in (("lm", "a decoder language model"), ("vit", "a vision transformer")):
        parser = tasks.add_parser(task, help=model, description=f"Train {model} with each attention and seed.")
        names = ", ".join(PRESETS[task])
        about = "the settings to start from: {}; a run of minute takes some three minutes on one thread [%(default)s]"
        parser.add_argument("--preset", default="minute", help=about.format(names))
        parser.add_argument(
            "--attention", default="standard,laplacian", help=f"which of {', '.join(ATTENTIONS)} [%(default)s]"
        )
        parser.add_argument("--seeds", default="0-9", help="as 0-9 or 0,3,5 [%(default)s]")
        parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the results, JSON lines to add to")
        _add_sources(parser, task)
        parser.add_argument("--threads", type=int, help="how many threads PyTorch uses [its own choice]")
        parser.add_argument("--events", action="store_true", help="tell of progress by JSON lines, for programs")
        add_flags(parser, "run", RunConfig.parameters())
        unset = {n: replace(p, default=None) for n, p in TASKS[task].parameters().items()}
        add_flags(parser, "settings (each the preset's unless given)", unset)


def _add_sources(parser: argparse.ArgumentParser, task: str) -> None:
    if task == "lm":
        parser.add_argument("--text", type=Path, metavar="FILE", help="a text, by characters [tiny Shakespeare]")
        parser.add_argument(
            "--tokens", type=Path, metavar="DIR", help="train.bin and val.bin of nanoGPT's data, for gpt2"
        )
        return
    parser.add_argument("--dataset", help="mnist, fashion-mnist, kmnist or imagenet16 [mnist; the preset's own]")
    parser.add_argument("--data-folder", type=Path, metavar="DIR", help="where the files of the data set are")
    parser.add_argument(
        "--n-samples", type=int, help="images of the MNIST family [10000 of mnist, 70000 of the others]"
    )


def train(options: argparse.Namespace) -> int:
    """The command."""
    task = options.task
    changes = {n: getattr(options, n) for n in TASKS[task].parameters() if getattr(options, n) is not None}
    run = RunConfig(**{n: p.parse(str(getattr(options, n))) for n, p in RunConfig.parameters().items()})
    sources = Sources(**{f.name: getattr(options, f.name, None) for f in fields(Sources)})
    plan = Plan(
        task,
        options.preset,
        preset(task, options.preset, changes),
        parse_attentions(options.attention),
        parse_seeds(options.seeds),
        sources,
        options.out,
        run,
    )
    return train_all(plan, options.threads, events=options.events)
