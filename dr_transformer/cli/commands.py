"""The terminal: `dr-transformer COMMAND`. Flags are the declarations of `config.py` and its kind."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dr_transformer.cli import train as training
from dr_transformer.cli.embed import Asked, EmbedConfig, baseline_parameters, describe_cost, embed
from dr_transformer.cli.terminal import guarded
from dr_transformer.config import DATASETS, BaselineConfig, Config, DataConfig, ViewConfig
from dr_transformer.errors import InputError
from dr_transformer.export.figure_config import AnimationConfig, FigureConfig
from dr_transformer.parameters import Declared, Parameter
from dr_transformer.paths import app_root, launched

if TYPE_CHECKING:
    from dr_transformer.data.dataset import Dataset


_OF_A_FIGURE: tuple[type[Declared], ...] = (DataConfig, Config, FigureConfig, ViewConfig, BaselineConfig)
_OF_A_PAGE: tuple[type[Declared], ...] = (DataConfig, Config, ViewConfig, BaselineConfig)
_OF_A_FILM: tuple[type[Declared], ...] = (DataConfig, Config, AnimationConfig, ViewConfig)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (2 for bad input, whose one sentence goes to standard error)."""
    if launched():
        from dr_transformer.model.distributed import one_of_many

        return one_of_many(lambda: _main(arguments), ends=arguments is None)
    return _main(arguments)


def _main(arguments: Sequence[str] | None) -> int:
    def work() -> int:
        options = _parser().parse_args(arguments)
        if launched() and options.run not in (_embed, training.train):
            raise InputError("only embed and train can be run by several processes; start this one without torchrun.")
        with warnings.catch_warnings():
            warnings.showwarning = _say_warning
            status: int = options.run(options)
        return status

    return guarded(work)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 65535):
        raise argparse.ArgumentTypeError("must be a whole number from 1 to 65535")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dr-transformer", description="A transformer, at initialisation, does dimensionality reduction."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    app = _command(commands, "app", _app, "open the explorer in the browser")
    app.add_argument("--port", type=_port, default=8501, help="port of the local server (default: %(default)s)")
    app.add_argument(
        "--address",
        default="127.0.0.1",
        help="where the server listens: this computer alone (default: %(default)s), 0.0.0.0 for the network",
    )
    app.add_argument("--headless", action="store_true", help="do not open a browser window")
    app.add_argument(
        "--public", action="store_true", help="for anybody: strict limits on what one visitor may ask, no training"
    )
    app.add_argument("--scheduler", metavar="ADDRESS", help="compute on the Dask cluster with this scheduler")
    app.add_argument("--lessons", type=Path, metavar="DIR", help="a folder with lessons of your own (Markdown files)")
    figure = _command(commands, "figure", _figure, "draw a figure for paper, such as figure 1 of the paper")
    figure.add_argument("out", type=Path, help="the file to write: .pdf, .svg or .png")
    figure.add_argument(
        "--from", dest="saved", type=Path, metavar="FIGURE", help="take all settings from a saved figure; flags win"
    )
    animate = _command(commands, "animate", _animate, "write the collapse, block by block, as a film")
    animate.add_argument("out", type=Path, help="the file to write: .gif or .mp4")
    embed = _command(commands, "embed", _embed, "write the latents, or another method's map, with labels and settings")
    embed.add_argument("out", type=Path, help="the file to write: .npz (with the images), .csv or .parquet")
    embed.add_argument("--trajectory", action="store_true", help="also write the latents of every block (.npz)")
    embed.add_argument(
        "--script", type=Path, metavar="FILE", help="also write the lines of Python that give them again"
    )
    embed.add_argument("--dry-run", action="store_true", help="only say what it would cost, by arithmetic")
    _add_flags(embed, "data", DataConfig.parameters())
    _add_flags(embed, "model", Config.parameters())
    for command, declared in ((figure, _OF_A_FIGURE), (animate, _OF_A_FILM)):
        for title, group in zip(("data", "model", "picture", "view", "baselines"), declared, strict=False):
            _add_flags(command, title, group.parameters(), absent=True)
    _add_flags(embed, "run", EmbedConfig.parameters())
    _add_flags(embed, "other methods'", baseline_parameters(), absent=True)
    page = _command(commands, "web", _web, "write one web page that runs the model itself, without server or network")
    page.add_argument("out", type=Path, help="the file to write: .html")
    page.add_argument("--recorded", action="store_true", help="with the pictures of this run alone, of any size")
    page.add_argument(
        "--baselines", action="store_true", help="recorded, with Laplacian Eigenmaps, UMAP and PCA beside it"
    )
    for title, group in zip(("data", "model", "view", "baselines"), _OF_A_PAGE, strict=True):
        _add_flags(page, title, group.parameters())
    moved = _command(commands, "transform", _transform, "let the picture of a digit follow the tokens of a saved model")
    moved.add_argument("model", type=Path, help="the .npz file that embed --trajectory wrote")
    moved.add_argument("image", type=Path, help="a PNG picture of one digit")
    moved.add_argument("--out", type=Path, metavar="FILE", help="also write its latents to this .npz file")
    measure = _command(commands, "bench", _bench, "measure this machine against the plain references")
    measure.add_argument("--n-samples", type=int, default=10_000, help="tokens, 1000 to 10000 (default: %(default)s)")
    measure.add_argument(
        "--large", action="store_true", help="also 70 000 tokens exactly and a million by landmarks: some minutes more"
    )
    measure.add_argument("--json", type=Path, metavar="FILE", help="also write machine and results to this file")
    training.add_to(
        _command(commands, "train", training.train, "train language models or vision transformers: A against A − I"),
        _add_flags,
    )
    for command in (app, figure, animate, embed, page):
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


def _add_flags(
    command: argparse.ArgumentParser, title: str, parameters: dict[str, Parameter], *, absent: bool = False
) -> None:
    """One flag a parameter. `absent`: what is not said is not among the options, instead of the default."""
    group = command.add_argument_group(f"{title} parameters")
    for parameter in parameters.values():
        flag = f"--{parameter.name.replace('_', '-')}"
        said = (parameter.help + ("" if parameter.default is None else f" [{parameter.default}]")).replace("%", "%%")
        default = argparse.SUPPRESS if absent else parameter.default
        if parameter.type is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=default, help=said)
        else:
            choices = "{" + ",".join(parameter.choices) + "}" if parameter.choices else parameter.type.__name__.upper()
            group.add_argument(flag, default=default, metavar=choices, help=said)


def _settings(options: argparse.Namespace) -> tuple[DataConfig, Config]:
    return DataConfig(**_parsed(options, DataConfig.parameters())), Config(**_parsed(options, Config.parameters()))


def _parsed(options: argparse.Namespace, parameters: dict[str, Parameter]) -> dict[str, Any]:
    given = {name: getattr(options, name) for name in parameters if hasattr(options, name)}
    return {n: parameters[n].parse(v) if isinstance(v, str) else v for n, v in given.items()}


def _all_parsed(options: argparse.Namespace, groups: Sequence[type[Declared]]) -> dict[str, Any]:
    return {name: value for group in groups for name, value in _parsed(options, group.parameters()).items()}


def _app(options: argparse.Namespace) -> int:
    if options.data_folder is not None:
        if not options.data_folder.is_dir():
            raise InputError(f"the data folder {str(options.data_folder)!r} does not exist; give one that does.")
        os.environ["DR_TRANSFORMER_DATA"] = str(options.data_folder.resolve())
    if options.lessons is not None:
        if not options.lessons.is_dir():
            raise InputError(f"the lessons' folder {str(options.lessons)!r} does not exist; give one that does.")
        os.environ["DR_TRANSFORMER_LESSONS"] = str(options.lessons.resolve())
    if options.scheduler is not None:
        from dr_transformer.engine.process.cluster import Cluster

        Cluster(options.scheduler).close()  # refused here, where it can be said, if there is none
        os.environ["DR_TRANSFORMER_SCHEDULER"] = options.scheduler
    if options.public:
        os.environ["DR_TRANSFORMER_PUBLIC"] = "1"
    command = [sys.executable, "-m", "streamlit", "run", str(app_root() / "app.py"), "--server.port", str(options.port)]
    command += ["--server.address", options.address]
    if options.headless:
        command += ["--server.headless", "true"]
    if sys.platform != "win32":
        sys.stdout.flush()
        os.execv(command[0], command)  # the server takes this process's place: what ends this ends it
    return subprocess.call(command)


def _figure(options: argparse.Namespace) -> int:
    from dr_transformer.cli.figure import figure

    given = _all_parsed(options, _OF_A_FIGURE)
    figure(options.out, options.saved, given, partial(_load, options=options), _say)
    return _say_written(options.out)


def _animate(options: argparse.Namespace) -> int:
    from dr_transformer.cli.figure import animate

    animate(options.out, _all_parsed(options, _OF_A_FILM), partial(_load, options=options), _say)
    return _say_written(options.out)


def _web(options: argparse.Namespace) -> int:
    from dr_transformer.cli.web import web

    data_config, config = _settings(options)
    view = ViewConfig(**_parsed(options, ViewConfig.parameters()))
    baselines = BaselineConfig(**_parsed(options, BaselineConfig.parameters()))
    recorded = options.recorded or options.baselines
    load = partial(_load, data_config, config, options)
    if not recorded and data_config.n_samples is None:
        load = partial(_load_some, data_config, config, options)
    web(options.out, config, view, baselines if options.baselines else None, load, _say, recorded=recorded)
    return _say_written(options.out)


def _transform(options: argparse.Namespace) -> int:
    from dr_transformer.cli.transform import transform

    transform(options.model, options.image, options.out, print)
    return 0


def _bench(options: argparse.Namespace) -> int:
    from dr_transformer.cli.train import bench

    return bench(options.n_samples, options.json, large=options.large)


def _embed(options: argparse.Namespace) -> int:
    data_config, config = _settings(options)
    how, given = EmbedConfig(**_parsed(options, EmbedConfig.parameters())), _parsed(options, baseline_parameters())
    baselines, said = BaselineConfig(**given), frozenset(given)
    asked = Asked(options.out, config, how, baselines, said, options.trajectory, options.script)
    load = partial(_load, data_config, config, options)
    if options.dry_run:
        print(describe_cost(asked, data_config, load))  # noqa: T201
        return 0
    for path in embed(asked, load, _say):
        _say_written(path)
    return 0


def _load_some(data_config: DataConfig, config: Config, options: argparse.Namespace) -> Dataset:
    """As many tokens as a live page has by default, or all there are."""
    from dr_transformer.data.dataset import drawn
    from dr_transformer.export.pages.live_page import LIVE_TOKENS

    if data_config.dataset in DATASETS:
        return _load(replace(data_config, n_samples=LIVE_TOKENS), config, options)
    whole = _load(data_config, config, options)
    return whole if whole.n_samples <= LIVE_TOKENS else drawn(whole, LIVE_TOKENS, config.random_state)


def _load(data_config: DataConfig, config: Config, options: argparse.Namespace) -> Dataset:
    from dr_transformer.data.dataset import load

    found = load(
        data_config.dataset,
        data_config.n_samples,
        config.random_state,
        folder=options.data_folder,
        label=data_config.label,
        drop=data_config.drop,
        say=_say,
    )
    if found.trajectory is not None:
        raise InputError(
            f"{found.name} holds the layers of a network, which the app plays, measures and saves; in the terminal the "
            "model itself runs, so give it tokens: one of the layers as a .npy file."
        )
    return found


def _say_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,  # noqa: ARG001  Python gives it by this name
    line: str | None = None,
) -> None:
    """Say our own warnings, which are sentences for people, as such; Python's and other packages' as Python does."""
    if category is UserWarning and Path(filename).is_relative_to(Path(__file__).parent):
        _say(f"dr-transformer: {message}")
    else:
        sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)  # noqa: T201


def _say_written(path: Path) -> int:
    print(f"wrote {path}")  # noqa: T201
    return 0
