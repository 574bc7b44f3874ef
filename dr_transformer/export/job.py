"""Files for people who wait for them: figures, films and tables of a run, made in the background for the app."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from dr_transformer.config import BaselineConfig, ViewConfig
from dr_transformer.engine.baselines import BASELINES, BaselineRun, Measurement, curves, levels
from dr_transformer.engine.jobs import Background
from dr_transformer.engine.run import Run
from dr_transformer.errors import InputError
from dr_transformer.export import animation, tables
from dr_transformer.export import content as figure_content
from dr_transformer.export.figure import render
from dr_transformer.export.figure_config import PALETTES, AnimationConfig, FigureConfig
from dr_transformer.export.files import settings
from dr_transformer.export.templates import Drawing
from dr_transformer.model.planes import blocks_in_view, blocks_needed
from dr_transformer.palette import shared_colours
from dr_transformer.quality.curves import CURVES
from dr_transformer.types import Floats


class Charts(NamedTuple):
    """Quality over depth, by title, and what methods without blocks reach, by title and method."""

    curves: Mapping[str, Sequence[float | None]]
    levels: Mapping[str, Mapping[str, float | None]]


class Measured(NamedTuple):
    """Where charts come from: `ready` says whether they are all there, and `key` is equal for equal charts."""

    key: Hashable
    ready: Callable[[], bool]
    charts: Callable[[], Charts]


def compared(measurement: Measurement, baselines: BaselineRun, names: tuple[str, ...]) -> Measured:
    """Return the charts of these figures on the page Compare, once all is measured."""
    return Measured(
        (id(measurement), names),
        partial(_all_measured, measurement, baselines),
        partial(_compared, measurement, baselines, names),
    )


def _all_measured(measurement: Measurement, baselines: BaselineRun) -> bool:
    if measurement.error:
        raise InputError(measurement.error)
    return measurement.complete and baselines.finished


def _compared(measurement: Measurement, baselines: BaselineRun, names: tuple[str, ...]) -> Charts:
    return Charts(curves(measurement, names), levels(baselines, names))


@dataclass(eq=False)
class ExportJob(Background):
    """A file in the making. `content` is there once `complete`; `note` is a sentence on how it is kept.

    `current` says what is done now and `progress`, 0 … 1, how far it is; None where that is not known.
    """

    run: Run
    view: ViewConfig
    content: bytes | None = None
    note: str = ""
    current: str = ""
    progress: float | None = None

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        return len(self.content or b"")

    def _work(self) -> None:
        self._wait("waiting for the last block", self._run_done)
        self.content = self._make()
        self.complete = True

    def _make(self) -> bytes:
        raise NotImplementedError

    def _wait(self, current: str, ready: Callable[[], bool]) -> None:
        self.current = current
        self._check()
        self._until(ready)

    def _run_done(self) -> bool:
        if self.run.error is not None:
            raise InputError(self.run.error)
        if not self.run.done.is_set() and not self.run.owners:
            raise InputError("the settings were changed before the last block was computed; ask for the file again.")
        return self.run.done.is_set()

    def _embedding(self, baselines: BaselineRun | None, name: str) -> Floats | str:
        """A baseline's coordinates (n, k), once they are there, or why there are none."""
        assert baselines is not None
        method = baselines.methods[name]

        def ready() -> bool:
            if baselines.error is not None:
                raise InputError(baselines.error)
            if not baselines.owners and not baselines.finished:
                raise InputError(f"{BASELINES[name]} was stopped before it was there; ask for the file again.")
            return baselines.methods[name].embedding is not None or baselines.methods[name].error is not None

        self._wait(f"waiting for {BASELINES[name]}", ready)
        method = baselines.methods[name]
        return method.embedding if method.embedding is not None else method.error or "it is missing"


def _parts(compared: BaselineConfig | None) -> Any:
    return {} if compared is None else {"baselines": compared}


@dataclass(eq=False)
class FigureJob(ExportJob):
    """A figure as "pdf", "png" or "svg". `baselines` is needed for the template methods."""

    options: FigureConfig = field(default_factory=FigureConfig)
    kind: str = "png"
    baselines: BaselineRun | None = None
    compared: BaselineConfig | None = None  # the baselines' settings, where the figure shows them
    measured: Measured | None = None  # None: the explorer's curves

    def _make(self) -> bytes:
        run, options = self.run, self.options
        figure_content.latents_needed(options, run.config, self.view)  # refuses what cannot be
        drawing = self._drawing()
        self.current = "drawing"
        parts = _parts(self.compared)
        made_with = settings(run.config, run.dataset, view=self.view, figure=options, **parts)
        rendered = render(drawing, options, self.kind, made_with)
        self.note = rendered.note
        return rendered.content

    def _drawing(self) -> Drawing:
        run, view, options = self.run, self.view, self.options
        config, dataset = run.config, run.dataset
        needed = figure_content.latents_needed(options, config, view)
        latents = {block: X for block, X in enumerate(run.full.latents) if block in needed}
        if options.template == "figure1":
            assert run.full.start is not None
            return figure_content.figure1(run.full.start, latents, dataset, config, view)
        if options.template == "strip":
            return figure_content.strip(latents, dataset, config, view)
        if options.template == "attention":
            self.current = "computing attention"
            return figure_content.attention(latents, dataset, config, options, self._check)
        if options.template == "metrics":
            return figure_content.metrics(*self._charts())
        assert self.baselines is not None
        found = {name: self._embedding(self.baselines, name) for name in BASELINES}
        align = "none" if self.compared is None else self.compared.align
        return figure_content.methods(latents, found, BASELINES, dataset, config, view, options, align)

    def _charts(self) -> Charts:
        if self.measured is not None:
            self._wait("measuring", self.measured.ready)
            return self.measured.charts()
        curves, n = self.run.analysis.curves, self.run.config.n_blocks + 1
        self._wait("measuring", lambda: self.run.finished or len(curves["mean_cosine"]) == n)
        return Charts({title: list(curves[name]) for name, title in CURVES.items()}, {})


@dataclass(eq=False)
class FilmJob(ExportJob):
    """The collapse as ".gif" or ".mp4"."""

    options: AnimationConfig = field(default_factory=AnimationConfig)
    suffix: str = ".gif"

    def _make(self) -> bytes:
        run = self.run
        self.current = "drawing frames"
        film = animation.film(run.full.frames(run.config), run.dataset, run.config, self.view, self.options)
        made_with = settings(run.config, run.dataset, view=self.view, animation=self.options)

        def report(done: int, total: int) -> None:
            self._check()
            self.progress = done / total

        with tempfile.TemporaryDirectory() as folder:  # ffmpeg writes to a path alone
            target = Path(folder) / f"film{self.suffix}"
            animation.save(target, self.suffix, film, self.options, made_with, report=report)
            self.note = f"{film.n_frames / self.options.fps:.1f} s at {self.options.fps} frames a second."
            if said := shared_colours(run.dataset.class_names, PALETTES[self.options.palette]):
                self.note += f" {said}"
            return target.read_bytes()


@dataclass(eq=False)
class TableJob(ExportJob):
    """An embedding as ".npz", ".csv" or ".parquet": of a method, of a block, all coordinates or the plane on screen."""

    method: str = "transformer"
    block: int = 0
    plane: bool = False
    suffix: str = ".npz"
    baselines: BaselineRun | None = None
    compared: BaselineConfig | None = None

    def _make(self) -> bytes:
        embedding = self._of_the_transformer() if self.method == "transformer" else self._of_a_baseline()
        self.current = "writing"
        n, k = embedding.shape
        self.note = f"{n} tokens, {k} coordinates."
        return tables.encode(self.suffix, embedding, self.run.dataset, self.made_with)

    @property
    def made_with(self) -> dict[str, Any]:
        """The settings of the table."""
        of: dict[str, Any] = {"method": self.method}
        if self.method == "transformer":
            of |= {"block": self.block, "coordinates": "view" if self.plane else "all"}
        return settings(self.run.config, self.run.dataset, of, view=self.view, **_parts(self.compared))

    def _of_the_transformer(self) -> Floats:
        latents = self.run.full.latents
        if not 0 <= self.block < len(latents):
            raise InputError(f"block = {self.block} is not there: this run has the blocks 0 to {len(latents) - 1}.")
        if not self.plane:
            return latents[self.block]
        needed = blocks_needed([self.block], self.run.config, self.view)
        chosen = {block: latents[block] for block in needed}
        return blocks_in_view(chosen, self.view, self.run.config.n_blocks)[self.block]

    def _of_a_baseline(self) -> Floats:
        found = self._embedding(self.baselines, self.method)
        if isinstance(found, str):
            raise InputError(f"{BASELINES[self.method]} is missing: {found}")
        return found
