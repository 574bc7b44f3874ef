"""The session's jobs of the sections on attention as a graph; their owners' names are those that `leave_page` knows."""

from __future__ import annotations

import functools

from dr_transformer.config import Config
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.adjacency import AdjacencyRun, MatrixImage
from dr_transformer.engine.alpha import AlphaTuning, relevant
from dr_transformer.engine.run import Run
from dr_transformer.engine.spectrum import SpectrumRun
from dr_transformer.ui.session import graphs, runner, session_name


def adjacency_run(run: Run, n_neighbors: int) -> AdjacencyRun:
    """The graph that A is at every block of a run."""
    key = ("adjacency", id(run), n_neighbors)  # no other can have this id while the job holds the run
    make = functools.partial(AdjacencyRun, run, n_neighbors, graphs())
    return runner().submit(key, make, (session_name(), "adjacency"))


def matrix_image(run: Run, block: int, order: str, n_neighbors: int) -> MatrixImage:
    """A as an image at one block."""
    key = ("matrix", id(run), block, order, n_neighbors)
    make = functools.partial(MatrixImage, run, block, order, n_neighbors, graphs())
    return runner().submit(key, make, (session_name(), "matrix"))


def alpha_tuning(dataset: Dataset, config: Config, n_neighbors: int, symmetric: bool) -> AlphaTuning:
    """The best α. Only what it depends on is part of its key: the α of now, η or the depth change nothing."""
    same = relevant(config)
    make = functools.partial(AlphaTuning, dataset, same, n_neighbors, symmetric, graphs())
    return runner().submit(("alpha", dataset.key, same, n_neighbors, symmetric), make, (session_name(), "alpha"))


def spectrum_run(dataset: Dataset, config: Config, n_components: int, n_neighbors: int) -> SpectrumRun:
    """The spectrum over depth."""
    make = functools.partial(SpectrumRun, dataset, config, n_components, n_neighbors, graphs())
    key = ("spectrum", dataset.key, config, n_components, n_neighbors)
    return runner().submit(key, make, (session_name(), "spectrum"))


def stop(kind: str) -> None:
    """Stop the session's job of this kind: "alpha" or "spectrum"."""
    runner().release((session_name(), kind))
