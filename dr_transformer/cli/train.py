"""`dr-transformer train`: its flags, as a plan of runs for `runs.py`.

Imports no torch, as `commands.py` does not.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

from dr_transformer.errors import InputError
from dr_transformer.export.files import whole_file
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


# `dr-transformer bench`: measures, shows each result as it comes, then one table, and writes JSON if asked to.


def bench(n_samples: int, out: Path | None, *, large: bool = False) -> int:
    """Run all cases on `n_samples` tokens, with `large` also those of minutes; returns the exit status."""
    from dr_transformer.bench.bench import Result, as_json, run_cases, table
    from dr_transformer.bench.cases import cases, left_out
    from dr_transformer.bench.large import large_cases
    from dr_transformer.hardware.devices import machine

    if not 1000 <= n_samples <= 10_000:
        raise InputError(f"the bench measures 1000 to 10000 tokens, but --n-samples is {n_samples}.")
    about = machine()
    gpu = about["gpu"] or "no GPU"
    print(f"{about['processor']}, {about['cores']} cores, {about['capability']}, {gpu}; PyTorch {about['torch']}")  # noqa: T201
    results: list[Result] = []
    for share, said in run_cases([*cases(n_samples), *(large_cases() if large else ())]):
        if isinstance(said, Result):
            results.append(said)
        else:
            print(f"{share:4.0%}  {said} …", file=sys.stderr)  # noqa: T201
    print(table(results))  # noqa: T201
    if (why := left_out()) is not None:
        print(why)  # noqa: T201
    if out is not None:
        with whole_file(out) as target:
            target.write_text(as_json(results), encoding="utf-8")
        print(f"wrote {out}")  # noqa: T201
    return 0
