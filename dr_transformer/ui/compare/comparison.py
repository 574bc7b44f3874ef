"""From the runs to what the compare page draws: four panels on one depth axis, tables and curves of quality."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st

from dr_transformer.canvas.parts import Colouring, Panel
from dr_transformer.canvas.picture import KEPT, Drawing, Picture, clusters, picture
from dr_transformer.config import ViewConfig
from dr_transformer.engine.baselines import BASELINES, Baseline, BaselineRun, Measurement, from_origin
from dr_transformer.engine.run import Run
from dr_transformer.hardware.devices import spoken
from dr_transformer.model.planes import laid_on
from dr_transformer.quality.metrics import METRICS
from dr_transformer.quality.scores import Quality
from dr_transformer.ui.text import depth_line, fitting, refusal

ORDER = ("transformer", *BASELINES)


_FEW = 3  # rows that a sentence names
CURVES = ("accuracy", "nmi", "trustworthiness", "recall")


def panels(drawing: Drawing, baselines: BaselineRun, depth: float, align: str) -> Picture | None:
    """Return the transformer's panel and the baselines', as far as computed; None before there is anything to draw."""
    run, view, shown = drawing.run, drawing.view, picture(drawing, depth)
    if shown is None:
        return None
    whose = "Transformer" if run.dataset.trajectory is None else "Your network"
    transformer = replace(shown.panels[-1], title=f"{whose}, {shown.panels[-1].title.replace('Latents a', 'a')}")
    found = {"transformer": replace(transformer, note=_transformer_note(run))}
    for name in BASELINES:
        found[name] = _baseline_panel(baselines.methods[name], _settings(name, baselines), run, view)
    if align in found and shown.visible is None and not found[align].blank:
        target = found[align].frames[-1]
        for name, panel in found.items():
            if name != align and not panel.blank:
                note = f"aligned to {_title(align)} · {panel.note}"
                frames = laid_on(panel.frames, target)
                found[name] = replace(
                    panel, frames=frames, packed=(), note=note, x_label="aligned x", y_label="aligned y"
                )
    return Picture([found[name] for name in ORDER], shown.visible)


def _title(name: str) -> str:
    return BASELINES.get(name, "the transformer")


def _transformer_note(run: Run) -> str:
    c = run.config
    if run.dataset.trajectory is not None:
        return f"{c.n_blocks} layers of {c.n_components} numbers"
    time = f"{run.seconds:.1f} s" if run.done.is_set() else "computing …"
    settings = f"q = {c.n_components}, α = {c.alpha:g}, η = {c.eta:g}, seed {c.random_state}"
    return f"{time} · {spoken(run.device)} · {settings}"


def _settings(name: str, baselines: BaselineRun) -> str:
    chosen = baselines.baselines
    q, k = chosen.baseline_components, chosen.n_neighbors
    if name == "laplacian":
        return f"q = {q}, k = {k}" + (f", ProbDR with β = {chosen.beta:g}" if chosen.scaling == "probdr" else "")
    if name == "umap":
        seed = f"seed {baselines.config.random_state}" if chosen.umap_seeded else "no seed"
        return f"q = {q}, k = {k}, least distance {chosen.min_dist:g}, {seed}"
    return f"q = {q}"


def _baseline_panel(method: Baseline, settings: str, run: Run, view: ViewConfig) -> Panel:
    n, n_blocks = run.dataset.n_samples, run.config.n_blocks
    if not method.frames:  # its place is kept, so that the others do not move when it comes
        said = method.error or "computing …"
        nothing = np.zeros((1, n, 2))
        return Panel(f"{method.name}: {said}", nothing, (0.0,), scale=view.scale, note=settings, blank=True)
    frames = np.stack([frame[:, :2] for frame in method.frames])
    step = n_blocks / max(1, method.n_frames - 1)
    depths = tuple(i * step for i in range(len(frames)))
    note = "stopped" if method.error else "computing …"
    if method.embedding is not None:
        note = f"{method.seconds:.1f} s · {spoken(method.device)}"
    title = method.name if len(frames) == 1 else f"{method.name}, {{frame}}"
    return Panel(
        title,
        frames,
        depths,
        "coordinate 0",
        "coordinate 1",
        scale=view.scale,
        frame_names=tuple(method.frame_names[: len(frames)]),
        note=" · ".join([note, settings, *method.notes]),
    )


def colourings(run: Run, baselines: BaselineRun) -> list[Colouring]:
    """Return what there is so far to colour all panels by, besides the classes."""
    found = clusters(run.analysis)
    if "preservation" not in run.analysis.measured:
        return found
    kept = {name: baselines.methods[name].preservation for name in BASELINES}
    n = run.dataset.n_samples
    each = [values if values is not None else np.full(n, np.nan) for values in kept.values()]
    values = (np.stack(run.analysis.preservation), *each)
    return [*found, Colouring(KEPT, values, low=0.0, high=1.0)]


@dataclass(frozen=True)
class _Row:
    """A row of the table: the method, its dimensions, seconds and device, and its figures."""

    name: str
    q: int
    seconds: float
    device: str
    quality: Quality


def _rows(run: Run, baselines: BaselineRun, measured: Measurement) -> Iterator[_Row]:
    """One a block of the transformer, the last one like for like, and one a method."""
    for block, found in enumerate(measured.blocks):
        yield _Row(f"transformer, block {block}", run.config.n_components, run.seconds, run.device, found)
    if measured.reduced is not None:
        name = f"transformer, block {run.config.n_blocks}, by PCA"
        yield _Row(name, baselines.baselines.baseline_components, run.seconds, run.device, measured.reduced)
    for key, method in baselines.methods.items():
        if method.quality is not None and method.embedding is not None:
            q = method.embedding.shape[1]
            yield _Row(method.name, q, method.seconds, method.device, from_origin(key, method.quality))


def table(run: Run, baselines: BaselineRun, measured: Measurement) -> list[dict[str, Any]]:
    """Return a row a method and a row a block of the transformer: dimensions, seconds, device and every figure."""
    return [
        {
            "method": row.name,
            "dimensions": row.q,
            **{METRICS[name].title: value for name, value in row.quality.figures.items()},
            "seconds": row.seconds,
            "device": spoken(row.device),
        }
        for row in _rows(run, baselines, measured)
    ]


def missing_line(run: Run, baselines: BaselineRun, measured: Measurement) -> str:
    """Say why cells of the table are empty: each reason once, with its figures and rows; empty where none is."""
    rows = list(_rows(run, baselines, measured))
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}  # sets in order
    for row in rows:
        for name, reason in row.quality.missing.items():
            titles, names = found.setdefault(reason, ({}, {}))
            titles[METRICS[name].title] = None
            names[row.name] = None
    said = []
    for reason, (titles, names) in found.items():
        of = ", ".join(names) if len(names) <= _FEW else f"{len(names)} rows"
        of = "" if len(names) == len(rows) else f" of {of}"
        said.append(f"{', '.join(titles)}{of}: {reason}")
    return f"No {'; no '.join(said)}." if said else ""


def sentences(run: Run, baselines: BaselineRun, measured: Measurement) -> Iterator[str]:
    """Say what depth does here, with the figures, what was measured, and what went wrong: the text under the table."""
    if measured.complete:
        nmi, accuracy = ([found.figures[name] for found in measured.blocks] for name in ("nmi", "accuracy"))
        if said := depth_line(run.config.n_blocks, nmi, accuracy):
            yield said
    if baselines.reference is not None and baselines.methods["pca"].quality is not None:
        sample = baselines.methods["pca"].quality.sample
        yield (
            f"Measured on {sample}, each method in its own dimensions. The explorer shows the same NMI; its 5-NN "
            "accuracy is of all tokens."
        )
    for method in baselines.methods.values():
        if method.error:
            yield f"{method.name} is missing: {refusal(method.error)}"
    if said := missing_line(run, baselines, measured):
        yield said


def figure_columns(*, images: bool, as_text: bool = False) -> dict[str, Any]:
    """Return the column of each of `METRICS`, by title. `as_text`: the cells are sentences rather than numbers."""
    columns: dict[str, Any] = {}
    for metric in METRICS.values():
        said = fitting(metric.help, images=images)
        number = st.column_config.NumberColumn(help=said, format="%.3f")
        columns[metric.title] = st.column_config.TextColumn(help=said) if as_text else number
    return columns
