"""`dr-transformer figure` and `animate`: pictures from the terminal, by the exporters that the app uses too.

Imports torch and matplotlib only once it works, as `commands.py` does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from dr_transformer.cli.embed import progress
from dr_transformer.config import BaselineConfig, Config, DataConfig, ViewConfig
from dr_transformer.errors import InputError
from dr_transformer.export.figure_config import PALETTES, AnimationConfig, FigureConfig
from dr_transformer.palette import shared_colours
from dr_transformer.parameters import Declared
from dr_transformer.types import Say

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dr_transformer.data.dataset import Dataset
    from dr_transformer.export.settings import SavedSettings
    from dr_transformer.export.templates import Drawing

    Array = npt.NDArray[np.floating[Any]]

Given = Mapping[str, Any]
Load = Callable[[DataConfig, Config], "Dataset"]
D = TypeVar("D", bound=Declared)


class Latents(NamedTuple):
    """Of a run: Y W_proj (n, q), and the latents (n, q) of the blocks asked for."""

    start: Array
    blocks: dict[int, Array]


def figure(out: Path, saved_file: Path | None, given: Given, load: Load, say: Say) -> None:
    """Draw `out`. `given` are the flags' values by name, which win over the settings of the figure `saved_file`.

    `say` is told what the file's points are kept as, and what of a restored figure is not as it was. Raises
    `InputError`.
    """
    from dr_transformer.export import figure as figures
    from dr_transformer.export.content import latents_needed
    from dr_transformer.export.files import settings, whole_file

    kind = figures.check_format(out)
    saved = _read(saved_file)
    config, view = _merged(Config, saved.config, given), _merged(ViewConfig, saved.view, given)
    baselines = _merged(BaselineConfig, saved.baselines, given)
    options = _merged(FigureConfig, saved.figure or FigureConfig(), given)
    needed = latents_needed(options, config, view)
    with whole_file(out) as target:
        dataset = load(_merged(DataConfig, saved.data, given), config)
        if saved_file is not None and not given.keys() & {"dataset", "n_samples", "random_state"}:
            _compare(saved, dataset, saved_file, say)
        drawing = _drawing(dataset, config, view, baselines, options, needed, say)
        compared: Any = {"baselines": baselines} if options.template == "methods" else {}
        made_with = settings(config, dataset, view=view, figure=options, **compared)
        rendered = figures.render(drawing, options, kind, made_with)
        target.write_bytes(rendered.content)
    if rendered.note:
        say(rendered.note)


def animate(out: Path, given: Given, load: Load, say: Say) -> None:
    """Write the collapse as a film to `out`, .gif or .mp4. `say` is told of classes that share colours.

    Raises `InputError`.
    """
    from tqdm import tqdm

    from dr_transformer.engine.run import Trajectory
    from dr_transformer.engine.run_cost import shows_sub_steps
    from dr_transformer.export import animation
    from dr_transformer.export.files import settings, whole_file

    animation.check_format(out)
    config, view = Config(**_of(Config, given)), ViewConfig(**_of(ViewConfig, given))
    options = AnimationConfig(**_of(AnimationConfig, given))
    animation.frame_counts(config, options)
    with whole_file(out) as target:
        dataset = load(DataConfig(**_of(DataConfig, given)), config)
        trajectory = Trajectory(shows_sub_steps(dataset.n_samples, config.n_blocks, config.n_components))
        for step in _steps(dataset, config):
            trajectory.take(step)
        if trajectory.lost:
            say(trajectory.lost)
        film = animation.film(trajectory.frames(config), dataset, config, view, options)
        made_with = settings(config, dataset, view=view, animation=options)
        with tqdm(total=len(film.at), desc="frames", leave=False) as bar:

            def report(done: int, _: int) -> None:
                bar.update(done - bar.n)

            animation.save(target, out.suffix, film, options, made_with, report=report)
    if said := shared_colours(dataset.class_names, PALETTES[options.palette]):
        say(said)


def _read(saved_file: Path | None) -> SavedSettings:
    from dr_transformer.export.metadata import read_settings
    from dr_transformer.export.settings import SavedSettings

    return SavedSettings() if saved_file is None else read_settings(saved_file)


def _of(declared: type[Declared], given: Given) -> dict[str, Any]:
    return {name: given[name] for name in declared.parameters() if name in given}


def _merged(declared: type[D], saved: D, given: Given) -> D:
    return declared(**(saved.to_dict() | _of(declared, given)))


def _compare(saved: SavedSettings, dataset: Dataset, saved_file: Path, say: Say) -> None:
    if saved.data_key != dataset.key:
        say(f"The tokens are not those of {saved_file.name}: their hashes differ, so the figure will.")


def _steps(dataset: Dataset, config: Config) -> Iterator[Any]:
    from dr_transformer.model.unroll import unroll

    return progress(unroll(dataset.Y, config), config.n_blocks)


def _run(dataset: Dataset, config: Config, needed: Collection[int]) -> Latents:
    blocks: dict[int, Array] = {}
    for step in _steps(dataset, config):
        if step.name == "projection":
            start = step.X.cpu().numpy()
        if step.ends_block and step.block in needed:
            blocks[step.block] = step.X.cpu().numpy()
    return Latents(start, blocks)


def _drawing(
    dataset: Dataset,
    config: Config,
    view: ViewConfig,
    baselines: BaselineConfig,
    options: FigureConfig,
    needed: Collection[int],
    say: Say,
) -> Drawing:
    import torch

    from dr_transformer.export import content
    from dr_transformer.model.collapse import is_lost, sentence

    latents = _run(dataset, config, needed)
    last = max(latents.blocks)
    if is_lost(X := torch.from_numpy(latents.blocks[last])):
        say(sentence(X, last))
    if options.template == "figure1":
        return content.figure1(latents.start, latents.blocks, dataset, config, view)
    if options.template == "strip":
        return content.strip(latents.blocks, dataset, config, view)
    if options.template == "attention":
        return content.attention(latents.blocks, dataset, config, options)
    if options.template == "metrics":
        return content.metrics(_curves(dataset, config, latents.blocks))
    from dr_transformer.engine.baselines import BASELINES

    found = _baselines(dataset, config, baselines, say)
    return content.methods(latents.blocks, found, BASELINES, dataset, config, view, options, baselines.align)


def _curves(dataset: Dataset, config: Config, latents: dict[int, Array]) -> dict[str, list[float | None]]:
    from tqdm import tqdm

    from dr_transformer.methods.graph_store import GraphStore
    from dr_transformer.quality.curves import CURVES, Analysis

    analysis = Analysis()
    blocks = [latents[block] for block in range(config.n_blocks + 1)]
    steps = analysis.steps(dataset, config, blocks, GraphStore(), lambda: None)
    for _ in tqdm(blocks, desc="measured", delay=1, leave=False):
        next(steps)
    return {title: analysis.curves[name] for name, title in CURVES.items()}


def _baselines(dataset: Dataset, config: Config, baselines: BaselineConfig, say: Say) -> dict[str, Array | str]:
    from dr_transformer.engine.baselines import BaselineRun
    from dr_transformer.methods.graph_store import GraphStore
    from dr_transformer.methods.umap_worker import UMAPWorker

    say("Laplacian Eigenmaps, UMAP and PCA are computed; the first time UMAP compiles, which can take half a minute …")
    with closing(UMAPWorker()) as worker:
        run = BaselineRun(dataset, config, baselines, GraphStore(), worker)
        run.owners.add("figure")
        run.work()
    if run.error is not None:
        raise InputError(run.error)
    return {
        name: method.embedding if method.embedding is not None else method.error or "it was stopped"
        for name, method in run.methods.items()
    }
