"""The terminal: `dr-transformer app | figure | embed | bench`. Flags are the declarations of `config.py`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dr_transformer.config import Config, DataConfig
from dr_transformer.embed_command import EmbedConfig, describe_cost, embed, launched, progress
from dr_transformer.errors import InputError
from dr_transformer.parameters import Parameter
from dr_transformer.paths import app_root

if TYPE_CHECKING:
    from dr_transformer.data import Dataset


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (2 for bad input, whose one sentence goes to standard error)."""
    if launched():
        from dr_transformer.distributed import one_of_many

        return one_of_many(lambda: _main(arguments))
    return _main(arguments)


def _main(arguments: Sequence[str] | None) -> int:
    options = _parser().parse_args(arguments)
    try:
        if launched() and options.run is not _embed:
            raise InputError("only embed can be run by several processes; start this command without torchrun.")
        status: int = options.run(options)
    except InputError as error:
        print(f"dr-transformer: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        print("dr-transformer: cancelled; nothing was written.", file=sys.stderr)  # noqa: T201
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dr-transformer", description="A transformer, at initialisation, does dimensionality reduction."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    app = _command(commands, "app", _app, "open the explorer in the browser")
    app.add_argument("--port", type=int, default=8501, help="port of the local server (default: %(default)s)")
    app.add_argument("--headless", action="store_true", help="do not open a browser window")
    figure = _command(
        commands, "figure", _figure, "draw figure 1 of the paper: projection and last block, side by side"
    )
    figure.add_argument("out", type=Path, help="the file to write: .pdf, .svg or .png")
    embed = _command(commands, "embed", _embed, "write the latents, labels, images and settings to a .npz file")
    embed.add_argument("out", type=Path, help="the file to write: .npz")
    embed.add_argument("--trajectory", action="store_true", help="also write the latents of every block")
    embed.add_argument("--dry-run", action="store_true", help="only say what it would cost, by arithmetic")
    for command in (figure, embed):
        _add_flags(command, "data", DataConfig.parameters())
        _add_flags(command, "model", Config.parameters())
    _add_flags(embed, "run", EmbedConfig.parameters())
    measure = _command(commands, "bench", _bench, "measure this machine against the plain references")
    measure.add_argument("--n-samples", type=int, default=10_000, help="tokens, 1000 to 10000 (default: %(default)s)")
    measure.add_argument(
        "--large", action="store_true", help="also 70 000 tokens exactly and a million by landmarks: some minutes more"
    )
    measure.add_argument("--json", type=Path, metavar="FILE", help="also write machine and results to this file")
    for command in (app, figure, embed):
        command.add_argument(
            "--data-folder",
            type=Path,
            metavar="DIR",
            help="a torchvision MNIST root to read images from (default: the variable DR_TRANSFORMER_DATA)",
        )
    return parser


def _command(commands: Any, name: str, run: Callable[[argparse.Namespace], int], help: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=help, description=help[0].upper() + help[1:] + "."
    )
    command.set_defaults(run=run)
    return command


def _add_flags(command: argparse.ArgumentParser, title: str, parameters: dict[str, Parameter]) -> None:
    group = command.add_argument_group(f"{title} parameters")
    for parameter in parameters.values():
        flag = f"--{parameter.name.replace('_', '-')}"
        said = parameter.help.replace("%", "%%") + ("" if parameter.default is None else " [%(default)s]")
        if parameter.type is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=parameter.default, help=said)
        else:
            choices = "{" + ",".join(parameter.choices) + "}" if parameter.choices else parameter.type.__name__.upper()
            group.add_argument(flag, default=parameter.default, metavar=choices, help=said)


def _settings(options: argparse.Namespace) -> tuple[DataConfig, Config]:
    return DataConfig(**_parsed(options, DataConfig.parameters())), Config(**_parsed(options, Config.parameters()))


def _parsed(options: argparse.Namespace, parameters: dict[str, Parameter]) -> dict[str, Any]:
    given = {name: getattr(options, name) for name in parameters}
    return {n: parameters[n].parse(v) if isinstance(v, str) else v for n, v in given.items()}


def _app(options: argparse.Namespace) -> int:
    if options.data_folder is not None:
        if not options.data_folder.is_dir():
            raise InputError(f"the data folder {str(options.data_folder)!r} does not exist; give one that does.")
        os.environ["DR_TRANSFORMER_DATA"] = str(options.data_folder.resolve())
    command = [sys.executable, "-m", "streamlit", "run", str(app_root() / "app.py"), "--server.port", str(options.port)]
    if options.headless:
        command += ["--server.headless", "true"]
    return subprocess.call(command)


def _figure(options: argparse.Namespace) -> int:
    from dr_transformer import figures
    from dr_transformer.export import settings, whole_file
    from dr_transformer.model import unroll

    data_config, config = _settings(options)
    figures.check_format(options.out)
    with whole_file(options.out) as target:
        dataset = _load(data_config, config, options)
        start = end = None
        for step in progress(unroll(dataset.Y, config), config.n_blocks):
            if step.name == "projection":
                start = step.X[:, :2]
            end = step.X[:, :2]
        assert start is not None
        assert end is not None
        drawing = figures.figure1(start.cpu().numpy(), end.cpu().numpy(), dataset.labels)
        figures.save(drawing, options.out, target, description=str(settings(config, dataset)))
    return _say_written(options.out)


def _bench(options: argparse.Namespace) -> int:
    from dr_transformer.bench_command import bench

    return bench(options.n_samples, options.json, large=options.large)


def _embed(options: argparse.Namespace) -> int:
    data_config, config = _settings(options)
    embed_config = EmbedConfig(**_parsed(options, EmbedConfig.parameters()))
    load = partial(_load, data_config, config, options)
    if options.dry_run:
        print(describe_cost(options.out, config, embed_config, data_config.n_samples, load))  # noqa: T201
        return 0
    embed(options.out, config, embed_config, load, trajectory=options.trajectory)
    return _say_written(options.out)


def _load(data_config: DataConfig, config: Config, options: argparse.Namespace) -> Dataset:
    from dr_transformer.data import load

    return load(
        data_config.dataset,
        data_config.n_samples,
        config.random_state,
        folder=options.data_folder,
        say=lambda sentence: print(sentence, file=sys.stderr),  # noqa: T201
    )


def _say_written(path: Path) -> int:
    print(f"wrote {path}")  # noqa: T201
    return 0
