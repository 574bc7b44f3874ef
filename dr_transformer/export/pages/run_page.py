"""A run as a web page: its panels, colourings, images, attention and description, in one file.

`WebPageJob` makes it in the background, for the app; `run_page` at once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dr_transformer.canvas.attended import AttendedTable, attended_table
from dr_transformer.canvas.parts import CanvasSpec, Colouring, Panel
from dr_transformer.canvas.picture import KEPT, Drawing, colourings, picture
from dr_transformer.config import ViewConfig
from dr_transformer.data.dataset import Dataset
from dr_transformer.data.mnist import FAMILIES, count
from dr_transformer.engine.baselines import Baseline, BaselineRun
from dr_transformer.engine.run import Run
from dr_transformer.errors import InputError
from dr_transformer.export.files import settings
from dr_transformer.export.job import ExportJob
from dr_transformer.export.pages.web_page import web_page
from dr_transformer.hardware.devices import spoken
from dr_transformer.model.magnitude import drawable
from dr_transformer.quality.curves import COLOURINGS
from dr_transformer.quality.words import describe

MAX_ATTENDED = 20_000  # tokens; of more, what each attends to would take minutes and tens of megabytes
_N_ATTENDED = 5  # each more makes the file of 10 000 tokens and eight blocks 0.3 MB larger

Report = Callable[[float], None]


def run_page(
    run: Run,
    view: ViewConfig,
    *,
    depth: float | None = None,
    baselines: BaselineRun | None = None,
    report: Report | None = None,
) -> bytes:
    """Make the page of a finished run in this view, opened at `depth` (by default the last block).

    With the maps of `baselines`, as far as computed, beside it. Frames are those of whole blocks. `report` is
    called often, with the share that is done, and may raise to stop. Raises `InputError` for a run that is not done.
    """
    if not run.done.is_set() or run.error is not None:
        raise InputError("the run is not finished, so there is nothing to save yet; wait for its last block.")
    dataset, config, latents = run.dataset, run.config, list(run.full.latents)
    drawing = Drawing(run, view)
    drawing.grow()
    shown = picture(drawing, float(config.n_blocks))
    analysis = run.measured(COLOURINGS, functools.partial(report, 0.0) if report else lambda: None)
    assert shown is not None
    parts = {"view": view} if baselines is None else {"view": view, "baselines": baselines.baselines}
    names = dataset.class_names
    methods = [each for each in baselines.methods.values() if each.embedding is not None] if baselines else []
    panels = [whole_blocks(panel) for panel in shown.panels] + [_baseline_panel(method, view) for method in methods]
    return web_page(
        replace(
            CanvasSpec.of(dataset, panels, config.n_blocks),
            depth=float(config.n_blocks) if depth is None else min(depth, float(config.n_blocks)),
            colourings=[_for_panels(colouring, methods) for colouring in colourings(analysis)],
            attention_panel=1,
        ),
        title=page_title(dataset),
        lead=f"Each point is a token. Drag the depth, or press play: {config.n_blocks} blocks of attention, nothing "
        "of which was learned.",
        attended=_attended(run, report),
        descriptions=[
            describe(latents, dataset.labels, names, block, config.random_state) for block in range(len(latents))
        ],
        notes=_notes(run),
        settings=settings(config, dataset, **parts),
    )


def whole_blocks(panel: Panel) -> Panel:
    """The panel without the frames of sub-steps, which would make the file three times larger."""
    kept = [i for i, depth in enumerate(panel.depths) if depth == int(depth)]
    return replace(
        panel,
        frames=panel.frames[kept],
        packed=tuple(panel.packed[i] for i in kept) if panel.packed else (),
        depths=tuple(panel.depths[i] for i in kept),
        frame_names=tuple(panel.frame_names[i] for i in kept) if panel.frame_names else (),
    )


@dataclass(eq=False)
class WebPageJob(ExportJob):
    """`run_page` in the background, opened at `depth`, with `baselines` in so far as they have come to be."""

    depth: float = 0.0
    baselines: BaselineRun | None = None

    def _make(self) -> bytes:
        baselines = self.baselines
        if baselines is not None:
            self._wait("waiting for the other methods", lambda: baselines.finished or not baselines.owners)
        self.current = "finding what each token attends to"
        return run_page(self.run, self.view, depth=self.depth, baselines=baselines, report=self._report)

    def _report(self, share: float) -> None:
        self._check()
        self.progress = share


def _attended(run: Run, report: Report | None) -> AttendedTable | None:
    if run.dataset.n_samples > MAX_ATTENDED:
        return None
    return attended_table(run.full.latents, run.config, _N_ATTENDED, report)


def page_title(dataset: Dataset) -> str:
    """Say which tokens a page shows."""
    name = dataset.name
    shown = FAMILIES[name].title if name in FAMILIES else name
    return f"{shown}: {count(dataset.n_samples)} tokens in a transformer that was never trained"


def _baseline_panel(method: Baseline, view: ViewConfig) -> Panel:
    assert method.embedding is not None
    note = " · ".join([f"{method.seconds:.1f} s", *method.notes])
    frame = drawable(method.embedding[None, :, :2])
    return Panel(method.name, frame, (0.0,), "coordinate 0", "coordinate 1", scale=view.scale, note=note)


def _for_panels(colouring: Colouring, methods: Sequence[Baseline]) -> Colouring:
    """Values of the transformer's blocks are none of the baselines', which have their own, or none."""
    if not methods or colouring.class_names is not None or isinstance(colouring.values, tuple):
        return colouring
    none = np.full(colouring.values.shape[-1], np.nan)
    theirs = [
        method.preservation if colouring.name == KEPT and method.preservation is not None else none
        for method in methods
    ]
    return replace(colouring, values=(colouring.values, colouring.values, *theirs))


def _notes(run: Run) -> list[str]:
    where = f"{run.precision} on {spoken(run.device)}, {run.seconds:.1f} s"
    found = [
        f"Computed in {where}. Between two blocks points move in a straight line. Positions are stored to 1/65534 of "
        "the picture's extent.",
    ]
    if run.dataset.n_samples > MAX_ATTENDED:
        found.append(f"What a token attends to is kept for at most {MAX_ATTENDED} tokens, so it is not in this page.")
    else:
        found.append("Of a pinned token the most attended are kept, with weights to 1/255 of the greatest.")
    return found
