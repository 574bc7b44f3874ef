"""Every job of the package, small: how it is made, what it finds, what a second try keeps, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from dr_transformer import Config, Dataset, load
from dr_transformer.bench.cases import BenchJob
from dr_transformer.canvas.drawn import DrawnRun
from dr_transformer.canvas.live import LiveTokens
from dr_transformer.canvas.picture import Drawing
from dr_transformer.canvas.substep_frames import SubStepFrames
from dr_transformer.charts.matrix_tables import ClassAttention
from dr_transformer.cli.transform import BaselineAlone
from dr_transformer.config import BaselineConfig, ViewConfig
from dr_transformer.engine.adjacency import AdjacencyRun, MatrixImage
from dr_transformer.engine.alpha import AlphaTuning
from dr_transformer.engine.baselines import BASELINES, BaselineRun, Measurement
from dr_transformer.engine.inside import InsideRun, Reparametrisation, VariantRun
from dr_transformer.engine.layers import LayerFits, LayersRun, layers_config
from dr_transformer.engine.reality import RealityCheck
from dr_transformer.engine.run import Run
from dr_transformer.engine.spectrum import SpectrumRun
from dr_transformer.engine.sweep import Sweep
from dr_transformer.engine.theorem import (
    CorollaryRun,
    CorollarySettings,
    GrowthRun,
    GrowthSettings,
    NullBand,
    TheoremRun,
    TheoremSettings,
)
from dr_transformer.export.figure_config import AnimationConfig, FigureConfig
from dr_transformer.export.job import FigureJob, FilmJob, TableJob
from dr_transformer.export.pages.live_page import LivePageJob
from dr_transformer.export.pages.run_page import WebPageJob
from dr_transformer.methods.graph_store import GraphStore
from dr_transformer.methods.umap_worker import UMAPWorker
from dr_transformer.model.unroll import unroll
from dr_transformer.quality.sweep_grid import Grid
from dr_transformer.theory.variants import Variant

CONFIG = Config(n_components=8, n_blocks=2, device="cpu")
VIEW = ViewConfig()
K = 10
FILM = AnimationConfig(frame_width=160, frame_height=160, fps=4, seconds_per_block=0.5, hold=0)
THEOREM = TheoremSettings(n_dimensions=1, n_particles=100, n_steps=2)


@dataclass(frozen=True)
class Case:
    """A job by `make`, and what is compared of it. `kept`: what a second try finds there and does not compute again.

    `bad` makes jobs that end with a sentence which holds the words beside them. `waiting` makes one that waits for the
    run that it is given.
    """

    kind: type
    make: Callable[[UMAPWorker], Any]
    found: Callable[[Any], Any]
    kept: Callable[[Any], list[Any]] | None = None
    bad: Callable[[UMAPWorker], list[tuple[Any, str]]] | None = None
    waiting: Callable[[Run], Any] | None = None


@cache
def mnist(n: int = 120) -> Dataset:
    """Images, which a drawing can be one of."""
    return load("mnist", n)


@cache
def layers() -> Dataset:
    """The trajectory of a run as the layers of somebody's network, ending with one that no hand-written block makes."""
    made = np.stack([step.X.numpy() for step in unroll(mnist().Y, CONFIG) if step.ends_block])
    return replace(mnist(), Y=made[0], image_shape=None, trajectory=np.append(made, -made[:1], axis=0))


@cache
def finished(n: int = 120) -> Run:
    """A run that others look at."""
    return _done(Run(mnist(n), CONFIG))


@cache
def _baselines(worker: UMAPWorker) -> BaselineRun:
    return _done(BaselineRun(mnist(), CONFIG, BaselineConfig(), GraphStore(), worker))


@cache
def _bands() -> tuple[NullBand, ...]:
    about = THEOREM.n_particles, THEOREM.n_dimensions
    return tuple(_done(NullBand(*about, fitted)) for fitted in THEOREM.bands())


def _done(job: Any) -> Any:
    job.owners.add("test")
    job.work()
    assert job.finished
    assert job.error is None
    return job


def _failed() -> Run:
    run = Run(mnist(), replace(CONFIG, projection="pca", n_components=128), owners={"test"})
    run.work()
    return run


def _unstructured(job: RealityCheck) -> list[Any]:
    return [(one.seed, one.data, one.method, one.part, one.quality) for one in job.replicates]


def _sweep(config: Config = CONFIG, n: int = 60) -> Sweep:
    return Sweep(mnist(), config, Grid("eta", (5, 30), (0.2, 0.5, 0.4)), n, cache=None)


_NO_NEIGHBOURS = "n_neighbors = 120 is not possible with 120 tokens"
_NO_VARIANCE = "the covariance must be positive definite"
_NO_BLOCK = "block = 5 is not there: this run has the blocks 0 to 2"
_NO_PCA = "use at most 120"

CASES = [
    Case(
        Run,
        lambda _: Run(mnist(), CONFIG),
        lambda job: (job.full.latents, job.full.attention, job.analysis.curves, job.neighbours, job.deviation),
        kept=lambda job: job.full.latents if job.done.is_set() else [],
        bad=lambda _: [(Run(mnist(), replace(CONFIG, projection="pca", n_components=128)), _NO_PCA)],
    ),
    Case(
        LayersRun,
        lambda _: LayersRun(layers(), layers_config(layers(), CONFIG)),
        lambda job: (job.full.latents, job.analysis.curves, job.neighbours),
    ),
    Case(
        LayerFits,
        lambda _: LayerFits(layers(), CONFIG.random_state),
        lambda job: [(fit.alpha, fit.eta, fit.left) for fit in job.found],
        kept=lambda job: job.found,
    ),
    Case(
        BaselineRun,
        lambda worker: BaselineRun(mnist(), CONFIG, BaselineConfig(), GraphStore(), worker),
        lambda job: {n: (m.embedding, m.frames, m.frame_names, m.quality) for n, m in job.methods.items()},
        kept=lambda job: [job.methods[name].embedding for name in BASELINES if job.methods[name].embedding is not None],
    ),
    Case(
        BaselineAlone,
        lambda worker: BaselineAlone(mnist(), CONFIG, BaselineConfig(), GraphStore(), worker, only="laplacian"),
        lambda job: (job.methods["laplacian"].embedding, job.methods["laplacian"].frames),
    ),
    Case(
        Measurement,
        lambda worker: Measurement(finished(), _baselines(worker)),
        lambda job: (job.blocks, job.reduced),
        kept=lambda job: job.blocks,
        bad=lambda worker: [(Measurement(_failed(), _baselines(worker)), _NO_PCA)],
    ),
    Case(
        RealityCheck,
        lambda _: RealityCheck(mnist(), CONFIG, BaselineConfig(n_neighbors=5), 1),
        _unstructured,
    ),
    Case(
        AdjacencyRun,
        lambda _: AdjacencyRun(finished(), K, GraphStore()),
        lambda job: job.blocks,
        kept=lambda job: list(job.blocks.values()),
        bad=lambda _: [(AdjacencyRun(finished(), 120, GraphStore()), _NO_NEIGHBOURS)],
        waiting=lambda run: AdjacencyRun(run, K, GraphStore()),
    ),
    Case(
        MatrixImage,
        lambda _: MatrixImage(finished(), 1, "class", K, GraphStore()),
        lambda job: (job.image, job.labels),
        bad=lambda _: [(MatrixImage(finished(), 1, "class", 120, GraphStore()), _NO_NEIGHBOURS)],
        waiting=lambda run: MatrixImage(run, 0, "given", K, GraphStore()),
    ),
    Case(
        Drawing,
        lambda _: Drawing(finished(), ViewConfig(view="pca")),
        lambda job: [block.frames for block in job.full.blocks],
        kept=lambda job: job.full.blocks,
        waiting=lambda run: Drawing(run, VIEW),
    ),
    Case(
        SubStepFrames,
        lambda _: SubStepFrames(finished(), VIEW),
        lambda job: (job.ends, job.inside),
        kept=lambda job: job.ends,
        waiting=lambda run: SubStepFrames(run, VIEW),
    ),
    Case(
        ClassAttention,
        lambda _: ClassAttention(finished(), 2),
        lambda job: job.shares,
        waiting=lambda run: ClassAttention(run, 2),
    ),
    Case(
        AlphaTuning,
        lambda _: AlphaTuning(mnist(), CONFIG, K, True, GraphStore()),
        lambda job: job.curve,
        bad=lambda _: [(AlphaTuning(mnist(), CONFIG, 120, True, GraphStore()), _NO_NEIGHBOURS)],
    ),
    Case(
        SpectrumRun,
        lambda _: SpectrumRun(mnist(), CONFIG, 5, K, GraphStore()),
        lambda job: (job.blocks, job.principal, job.maps),
        kept=lambda job: job.blocks,
        bad=lambda _: [
            (SpectrumRun(mnist(), replace(CONFIG, n_heads=2), 5, K, GraphStore()), "set n_heads to 1"),
            (SpectrumRun(mnist(), CONFIG, 5, 120, GraphStore()), _NO_NEIGHBOURS),
        ],
    ),
    Case(
        InsideRun,
        lambda _: InsideRun(finished()),
        lambda job: (job.figures, job.undone, job.places, job.terms, job.cosines),
        kept=lambda job: job.terms,
        waiting=InsideRun,
    ),
    Case(
        VariantRun,
        lambda _: VariantRun(mnist(), CONFIG, Variant()),
        lambda job: (job.latents, job.terms, job.ranks, job.accuracies),
        bad=lambda _: [(VariantRun(mnist(), replace(CONFIG, projection="pca", n_components=128), Variant()), _NO_PCA)],
    ),
    Case(
        Reparametrisation,
        lambda _: Reparametrisation(mnist(), CONFIG, 0.2),
        lambda job: (job.standard, job.diffusion, job.apart),
    ),
    Case(
        CorollaryRun,
        lambda _: CorollaryRun(CorollarySettings(n_repeats=3, n_dimensions=1)),
        lambda job: (job.over_samples, job.over_dimensions),
        bad=lambda _: [(CorollaryRun(CorollarySettings(variance=0.0)), _NO_VARIANCE)],
    ),
    Case(NullBand, lambda _: NullBand(100, 2, fitted=True), lambda job: job.energies),
    Case(
        TheoremRun,
        lambda _: TheoremRun(THEOREM, _bands()),
        lambda job: job.found,
        bad=lambda _: [
            (TheoremRun(replace(THEOREM, variance=0.0), _bands()), _NO_VARIANCE),
            (TheoremRun(THEOREM, (NullBand(100, 1, fitted=False, error="no."),)), "no."),
        ],
    ),
    Case(
        GrowthRun,
        lambda _: GrowthRun(GrowthSettings(n_particles=200, n_seeds=3)),
        lambda job: job.found,
        bad=lambda _: [(GrowthRun(GrowthSettings(variance=0.0)), _NO_VARIANCE)],
    ),
    Case(
        Sweep,
        lambda _: _sweep(),
        lambda job: (job.figures, job.done, job.reasons),
        bad=lambda _: [(_sweep(replace(CONFIG, projection="pca", n_components=100)), "use at most 60")],
    ),
    Case(
        DrawnRun,
        lambda _: DrawnRun(finished(), VIEW, mnist().images[17]),
        lambda job: (job.found, [panel.frames for panel in job.panels]),
    ),
    Case(
        LiveTokens,
        lambda _: LiveTokens(mnist(), CONFIG, "canvas"),
        lambda job: job.packed,
    ),
    Case(
        LivePageJob,
        lambda _: LivePageJob(finished(), VIEW),
        lambda job: job.content,
        bad=lambda _: [(LivePageJob(finished(), ViewConfig(view="pca")), "two latent axes")],
        waiting=lambda run: LivePageJob(run, VIEW),
    ),
    Case(
        WebPageJob,
        lambda _: WebPageJob(finished(), VIEW, depth=1.0),
        lambda job: job.content,
    ),
    Case(
        FigureJob,
        lambda _: FigureJob(finished(), VIEW, options=FigureConfig(template="attention", dpi=50), kind="png"),
        lambda job: job.content,
        bad=lambda _: [(FigureJob(finished(), VIEW, options=FigureConfig(template="attention", block=5)), _NO_BLOCK)],
        waiting=lambda run: FigureJob(run, VIEW),
    ),
    Case(
        FilmJob,
        lambda _: FilmJob(finished(), VIEW, options=FILM, suffix=".gif"),
        lambda job: job.content,
        waiting=lambda run: FilmJob(run, VIEW, options=FILM),
    ),
    Case(
        TableJob,
        lambda worker: TableJob(finished(), VIEW, method="pca", baselines=_baselines(worker), suffix=".csv"),
        lambda job: job.content,
        bad=lambda _: [(TableJob(finished(), VIEW, block=5), _NO_BLOCK)],
        waiting=lambda run: TableJob(run, VIEW),
    ),
    Case(
        BenchJob,  # of the cases that a test gives it
        lambda _: BenchJob(600),
        lambda job: [result.name for result in job.results],
    ),
]


def plain(value: Any) -> Any:
    """The value as containers, numbers and arrays, which `numpy.testing.assert_equal` compares to the last bit."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return np.asarray(value) if hasattr(value, "__array__") else value
