"""The run that a section of Inside a block is about, and the session's jobs of all sections."""

from __future__ import annotations

import functools
from dataclasses import replace

import streamlit as st

from dr_transformer.canvas.substep_frames import SubStepFrames
from dr_transformer.config import Config, ViewConfig
from dr_transformer.data.dataset import Dataset, subset, subset_sentence
from dr_transformer.engine.adjacency import MAX_SAMPLES, AdjacencyRun, MatrixImage
from dr_transformer.engine.alpha import AlphaTuning, relevant
from dr_transformer.engine.inside import InsideRun, Reparametrisation, VariantRun
from dr_transformer.engine.run import Run
from dr_transformer.engine.spectrum import SpectrumRun
from dr_transformer.theory.variants import Variant
from dr_transformer.ui import session
from dr_transformer.ui.job_panel import kept_going
from dr_transformer.ui.session import graphs, submit


def section_run(dataset: Dataset, config: Config) -> Run:
    """Return the run, begun; of more than `MAX_SAMPLES` tokens a subset as if it were all, and say so.

    Raises `InputError` for what stopped it.
    """
    seed = config.random_state
    run = session.begun(session.run(subset(dataset, MAX_SAMPLES, seed), config))
    if run.dataset is not dataset:
        st.info(f"This section runs on {subset_sentence(dataset, MAX_SAMPLES, seed)}, as if they were all.")
    return run


CANVAS = "inside_canvas"
"""The canvas that shows the latents before and after a sub-step."""

SLOTS = 4  # variants that are run side by side


def inside_run(run: Run) -> tuple[InsideRun, bool]:
    """Return the figures of every sub-step of a run, and whether they were stopped: they stay as far as they are."""
    about = id(run)  # no other can have it while the job holds the run
    return kept_going("inside", about, lambda: submit("inside", ("inside", about), functools.partial(InsideRun, run)))


def sub_step_frames(run: Run, view: ViewConfig) -> SubStepFrames:
    """Draw the latents before and after each sub-step of a run."""
    make = functools.partial(SubStepFrames, run, view)
    return submit("sub-steps", ("sub-steps", id(run), view), make)


def variant_runs(dataset: Dataset, config: Config, variants: list[Variant]) -> list[VariantRun]:
    """Run at most `SLOTS` variants of the block. Those that were run before are found, whatever their order then."""
    config = replace(config, graph_diffusion=False)  # the variant alone says what attention is
    found = []
    for slot, variant in enumerate(variants):
        key = ("variant", dataset.key, config, variant)
        make = functools.partial(VariantRun, dataset, config, variant)
        found.append(submit(f"variant {slot}", key, make))
    for slot in range(len(variants), SLOTS):
        session.stop(f"variant {slot}")
    return found


def reparametrisation(dataset: Dataset, config: Config, eta: float) -> Reparametrisation:
    """Run standard attention with the config's η and graph diffusion with another."""
    same = replace(config, graph_diffusion=False, precision="auto")  # it runs in both precisions
    make = functools.partial(Reparametrisation, dataset, same, eta)
    return submit("reparametrisation", ("reparametrisation", dataset.key, same, eta), make)


def adjacency_run(run: Run, n_neighbors: int) -> AdjacencyRun:
    """Measure the graph that A is at every block of a run."""
    key = ("adjacency", id(run), n_neighbors)  # no other can have this id while the job holds the run
    make = functools.partial(AdjacencyRun, run, n_neighbors, graphs())
    return submit("adjacency", key, make)


def matrix_image(run: Run, block: int, order: str, n_neighbors: int) -> MatrixImage:
    """Draw A as an image at one block."""
    key = ("matrix", id(run), block, order, n_neighbors)
    make = functools.partial(MatrixImage, run, block, order, n_neighbors, graphs())
    return submit("matrix", key, make)


def alpha_tuning(dataset: Dataset, config: Config, n_neighbors: int, symmetric: bool) -> AlphaTuning:
    """Find the best α. Only what it depends on is part of its key: the α of now, η or the depth change nothing."""
    same = relevant(config)
    make = functools.partial(AlphaTuning, dataset, same, n_neighbors, symmetric, graphs())
    return submit("alpha", ("alpha", dataset.key, same, n_neighbors, symmetric), make)


def spectrum_run(dataset: Dataset, config: Config, n_components: int, n_neighbors: int) -> SpectrumRun:
    """Measure the spectrum over depth."""
    make = functools.partial(SpectrumRun, dataset, config, n_components, n_neighbors, graphs())
    key = ("spectrum", dataset.key, config, n_components, n_neighbors)
    return submit("spectrum", key, make)
