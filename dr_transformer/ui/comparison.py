"""From the runs to what the compare page draws: four panels on one depth axis, a table and curves of quality."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dr_transformer import views
from dr_transformer.baseline_run import BASELINES, Baseline, BaselineRun
from dr_transformer.config import ViewConfig
from dr_transformer.measurement import Measurement
from dr_transformer.metrics import METRICS
from dr_transformer.picture import Picture, clusters, picture
from dr_transformer.quality import Quality
from dr_transformer.run import Run
from dr_transformer.ui.canvas import Colouring, Panel
from dr_transformer.ui.summary import capitalised, change

ORDER = ("transformer", *BASELINES)
_FROM_ORIGIN = ("effective_rank", "mean_cosine")
CURVES = ("accuracy", "nmi", "trustworthiness", "recall")

Array = npt.NDArray[np.floating]


def panels(run: Run, baselines: BaselineRun, view: ViewConfig, depth: float, align: str) -> Picture | None:
    """The transformer's panel and the baselines', as far as computed; None before there is anything to draw."""
    shown = picture(run, view, depth)
    if shown is None:
        return None
    baselines.follow_umap()
    transformer = replace(shown.panels[-1], title="Transformer, " + shown.panels[-1].title.replace("Latents a", "a"))
    found = {"transformer": replace(transformer, note=_transformer_note(run))}
    for name in BASELINES:
        found[name] = _baseline_panel(baselines.methods[name], _settings(name, baselines), run, view)
    if align in found and shown.visible is None and not found[align].blank:
        target = found[align].frames[-1]
        for name, panel in found.items():
            if name != align and not panel.blank:
                note = f"aligned to {_title(align)} · {panel.note}"
                frames = views.laid_on(panel.frames, target)
                found[name] = replace(panel, frames=frames, note=note, x_label="aligned x", y_label="aligned y")
    return Picture([found[name] for name in ORDER], shown.visible)


def _title(name: str) -> str:
    return BASELINES.get(name, "the transformer")


def _transformer_note(run: Run) -> str:
    c = run.config
    time = f"{run.seconds:.1f} s" if run.done.is_set() else "computing …"
    settings = f"q = {c.n_components}, α = {c.alpha:g}, η = {c.eta:g}, seed {c.random_state}"
    return f"{time} · {_device(run.device)} · {settings}"


def _device(device: str) -> str:
    return "GPU" if device == "cuda" else "CPU"


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
        note = f"{method.seconds:.1f} s · {_device(method.device)}"
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
    """What there is so far to colour all panels by, besides the classes."""
    found = clusters(run)
    kept = {name: baselines.methods[name].preservation for name in BASELINES}
    blocks = run.analysis.preservation
    if blocks and len(blocks) == len(run.full.latents):
        n = run.dataset.n_samples
        each = [values if values is not None else np.full(n, np.nan) for values in kept.values()]
        values = (np.stack(blocks), *each)
        found.append(Colouring("share of 10 pixel neighbours kept", values, low=0.0, high=1.0))
    return found


def table(run: Run, baselines: BaselineRun, measured: Measurement) -> list[dict[str, Any]]:
    """One row a method, and one a block of the transformer: dimensions, seconds, device and every figure."""
    rows = []
    for block, found in enumerate(measured.blocks):
        rows.append(_row(f"transformer, block {block}", run.config.n_components, run.seconds, run.device, found))
    if measured.reduced is not None:
        k = baselines.baselines.baseline_components
        name = f"transformer, block {run.config.n_blocks}, by PCA"
        rows.append(_row(name, k, run.seconds, run.device, measured.reduced))
    for method in baselines.methods.values():
        if method.quality is not None and method.embedding is not None:
            q = method.embedding.shape[1]
            rows.append(
                _row(method.name, q, method.seconds, method.device, method.quality, centred=method.name == "PCA")
            )
    return rows


def _row(name: str, q: int, seconds: float, device: str, found: Quality, *, centred: bool = True) -> dict[str, Any]:
    figures = {METRICS[metric].title: value for metric, value in found.figures.items()}
    if not centred:  # where the origin of such a map lies means nothing, and so do angles seen from it
        figures |= dict.fromkeys((METRICS[name].title for name in _FROM_ORIGIN), None)
    return {"method": name, "dimensions": q, **figures, "seconds": seconds, "device": _device(device)}


def curves(measured: Measurement, names: tuple[str, ...]) -> dict[str, list[float | None]]:
    """Of each chosen figure, its value at each block measured so far, by title."""
    return {METRICS[name].title: [found.figures[name] for found in measured.blocks] for name in names}


def levels(baselines: BaselineRun, names: tuple[str, ...]) -> Mapping[str, Mapping[str, float | None]]:
    """Of each chosen figure, what the baselines reach, by title and method."""
    found = {method.name: method.quality for method in baselines.methods.values()}
    return {
        METRICS[name].title: {
            method: None if q is None or (name in _FROM_ORIGIN and method != "PCA") else q.figures[name]
            for method, q in found.items()
        }
        for name in names
    }


def sentences(run: Run, baselines: BaselineRun, measured: Measurement) -> Iterator[str]:
    """What depth does here, with the figures; and what went wrong."""
    if measured.complete:
        first, last = measured.blocks[0].figures, measured.blocks[-1].figures
        ends = [(METRICS[name].title, first[name], last[name]) for name in ("nmi", "accuracy")]
        changes = [change(title, a, b) for title, a, b in ends if a is not None and b is not None]
        if changes:
            yield f"From block 0 to block {run.config.n_blocks}, {' and '.join(changes)}."
    if baselines.reference is not None and baselines.methods["pca"].quality is not None:
        sample = baselines.methods["pca"].quality.sample
        yield f"Measured on {sample}, each method in its own dimensions. The explorer splits the tokens otherwise."
    for method in baselines.methods.values():
        if method.error:
            yield f"{method.name} is missing: {capitalised(method.error)}"
