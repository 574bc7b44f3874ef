"""The terminal: `dr-transformer app | figure | embed`. Flags are the declarations of `config.py`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dr_transformer.config import Config, DataConfig
from dr_transformer.errors import InputError
from dr_transformer.parameters import Parameter
from dr_transformer.paths import app_root

if TYPE_CHECKING:
    from dr_transformer.data import Dataset
    from dr_transformer.model import Step


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (2 for bad input, whose one sentence goes to standard error)."""
    options = _parser().parse_args(arguments)
    try:
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
    for command in (figure, embed):
        _add_flags(command, "data", DataConfig.parameters())
        _add_flags(command, "model", Config.parameters())
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
    def parsed(parameters: dict[str, Parameter]) -> dict[str, Any]:
        given = {name: getattr(options, name) for name in parameters}
        return {n: parameters[n].parse(v) if isinstance(v, str) else v for n, v in given.items()}

    return DataConfig(**parsed(DataConfig.parameters())), Config(**parsed(Config.parameters()))


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

    data_config, config = _settings(options)
    figures.check_format(options.out)
    with whole_file(options.out) as target:
        dataset = _load(data_config, config, options)
        start = end = None
        for step in _progress(dataset, config):
            if step.name == "projection":
                start = step.X[:, :2]
            end = step.X[:, :2]
        assert start is not None
        assert end is not None
        drawing = figures.figure1(start.cpu().numpy(), end.cpu().numpy(), dataset.labels)
        figures.save(drawing, options.out, target, description=str(settings(config, dataset)))
    return _say_written(options.out)


def _embed(options: argparse.Namespace) -> int:
    from dr_transformer.export import save_npz, whole_file

    data_config, config = _settings(options)
    if options.out.suffix.lower() != ".npz":
        raise InputError(f"cannot write {options.out.name!r}: the name must end in .npz.")
    with whole_file(options.out) as target:
        import numpy as np

        dataset = _load(data_config, config, options)
        frames = [
            step.X.cpu().numpy()
            for step in _progress(dataset, config)
            if step.ends_block and (options.trajectory or step.block == config.n_blocks)
        ]
        save_npz(target, frames[-1], np.stack(frames) if options.trajectory else None, config, dataset)
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


def _progress(dataset: Dataset, config: Config) -> Iterator[Step]:
    """The steps of a run, with a progress bar over blocks once it has taken a second."""
    from tqdm import tqdm

    from dr_transformer.model import unroll

    with tqdm(total=config.n_blocks, desc="blocks", delay=1, leave=False) as bar:
        for step in unroll(dataset.Y, config):
            bar.update(step.ends_block and step.block > 0)
            yield step


def _say_written(path: Path) -> int:
    print(f"wrote {path}")  # noqa: T201
    return 0
