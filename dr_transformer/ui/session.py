"""What the sessions of the app share, and what one session is called."""

from __future__ import annotations

import atexit
import functools
import hashlib
import os
from dataclasses import replace

import streamlit as st

from dr_transformer.bench.cases import BenchJob
from dr_transformer.config import BaselineConfig, Config
from dr_transformer.data.dataset import Dataset, load, load_bytes
from dr_transformer.engine.baselines import BaselineRun, Measurement
from dr_transformer.engine.jobs import Runner
from dr_transformer.engine.reality import RealityCheck
from dr_transformer.engine.run import Run
from dr_transformer.engine.run_cost import check_memory
from dr_transformer.engine.sweep import Sweep
from dr_transformer.errors import InputError
from dr_transformer.methods.graph_store import GraphStore
from dr_transformer.methods.umap_worker import UMAPWorker
from dr_transformer.ui.link import UPLOAD
from dr_transformer.ui.presence import SessionName, connected
from dr_transformer.ui.sidebar import Settings

_FIRST_PICTURE_SECONDS = 5.0


@st.cache_resource(show_spinner=False)
def runner() -> Runner:
    """The one runner of this server, stopped when the server stops. What a closed tab waited for stops by itself."""
    made = Runner(present=connected)
    made.watch()
    atexit.register(made.close)
    return made


@st.cache_resource(show_spinner=False)
def graphs() -> GraphStore:
    """The kNN graphs of this server's data sets."""
    return GraphStore()


def run(dataset: Dataset, config: Config) -> Run:
    """The session's run of the model: started, found, or taken up again; refused where memory would not do."""

    def make() -> Run:
        check_memory(dataset.n_samples, config, dataset.Y.dtype)  # of a new one alone: others hold theirs already
        return Run(dataset, config, graphs())

    return runner().submit(("run", dataset.key, config), make, (session_name(), "run"))


def begun(run: Run) -> Run:
    """The run, once it has something to draw or a few seconds have passed; raises `InputError` for what stopped it."""
    run.begun.wait(_FIRST_PICTURE_SECONDS)
    if run.error:
        raise InputError(run.error)
    return run


@st.cache_resource(show_spinner=False)
def umap_worker() -> UMAPWorker:
    """The server's UMAP process, which starts to compile as soon as somebody opens the app."""
    made = UMAPWorker()
    made.warm()
    atexit.register(made.close)
    return made


def baseline_run(dataset: Dataset, config: Config, baselines: BaselineConfig) -> BaselineRun:
    """The session's baselines. Only what they depend on is part of their key: α or the depth change nothing."""
    same = Config(random_state=config.random_state, device=config.device)
    drawn = replace(baselines, align="none")
    make = functools.partial(BaselineRun, dataset, same, drawn, graphs(), umap_worker())
    return runner().submit(("baselines", dataset.key, same, drawn), make, (session_name(), "baselines"))


def stop_umap(baselines: BaselineRun) -> bool:
    """Stop the layout in the making, unless somebody else who is still there waits for it too; whether it was."""
    runner().look(patience=0)  # who is cut off for a moment and comes back gets the rest again
    return baselines.stop_umap()


def measurement(run: Run, baselines: BaselineRun) -> Measurement:
    """The session's quality figures of a run's blocks."""
    key = ("measurement", id(run), id(baselines))  # no other can have these while the measurement holds them
    return runner().submit(key, functools.partial(Measurement, run, baselines), (session_name(), "measurement"))


def reality_check(
    dataset: Dataset, config: Config, baselines: BaselineConfig, n_seeds: int, with_umap: bool
) -> RealityCheck:
    """The session's check over seeds and null data."""
    worker = umap_worker() if with_umap else None
    make = functools.partial(RealityCheck, dataset, config, baselines, n_seeds, worker)
    key = ("reality check", dataset.key, config, baselines, n_seeds, with_umap)
    return runner().submit(key, make, (session_name(), "reality check"))


def stop_reality_check() -> None:
    """Stop it within a piece of its work."""
    runner().release((session_name(), "reality check"))


def sweep(made: Sweep) -> Sweep:
    """The session's phase diagram: started, found, or taken up again. One that only reads the disk is not shared."""
    key = ("recall", id(made)) if made.recall_only else made.key  # no other can have it while the runner holds it
    return runner().submit(key, lambda: made, (session_name(), "sweep"))


def stop_sweep() -> None:
    """Stop it within a cell; those that are computed stay."""
    runner().release((session_name(), "sweep"))


def bench(n_samples: int) -> BenchJob:
    """The session's measurement of this machine."""
    serial = st.session_state.setdefault("bench_serial", 0)
    key = ("bench", session_name(), serial, n_samples)
    return runner().submit(key, functools.partial(BenchJob, n_samples), (session_name(), "bench"))


def forget_bench() -> None:
    """Measure anew the next time."""
    st.session_state["bench_serial"] = st.session_state.get("bench_serial", 0) + 1


def stop_bench() -> None:
    """Stop it after the call that is being measured."""
    runner().release((session_name(), "bench"))


def leave_page() -> None:
    """What only the page before wanted is stopped; the run of the model is of use on every page."""
    kinds = ["baselines", "measurement", "reality check", "bench", "sweep", "adjacency", "matrix", "alpha", "spectrum"]
    kinds += ["inside", *(f"variant {slot}" for slot in range(4)), "reparametrisation"]
    kinds += ["corollary", "theorem", "growth", "null band", "fitted null band"]
    kinds += ["drawn", "web page", "figure", "film", "table"]
    kinds += ["training", "class attention"]
    for kind in kinds:
        runner().release((session_name(), kind))


def session_name() -> SessionName:
    """A name for this browser session, the owner of its runs.

    It stays when a lost connection is renewed. A reload makes another session, with another name.
    """
    if "session_name" not in st.session_state:
        st.session_state["session_name"] = SessionName.new()
    name: SessionName = st.session_state["session_name"]
    return name


def dataset(settings: Settings) -> Dataset:
    """The tokens the sidebar asks for, loaded once for all sessions; the steps of a slow load are shown as it goes."""
    seed = settings.config().random_state
    chosen = settings.data_config()
    if chosen.dataset == UPLOAD:
        if settings.upload is None:
            raise InputError("choose a file in the sidebar: .npy, .npz, .csv or .parquet, one row for each token.")
        name, content = settings.upload
        whole = _uploaded(name, _Content(content), None, seed)
        if chosen.n_samples is None or chosen.n_samples >= whole.n_samples:
            return whole
        return _uploaded(name, _Content(content), chosen.n_samples, seed)
    return _named(chosen.dataset, chosen.n_samples, seed, os.environ.get("DR_TRANSFORMER_DATA"))


@st.cache_resource(max_entries=8, show_spinner="Loading the images …")
def _named(name: str, n_samples: int | None, random_state: int, folder: str | None) -> Dataset:
    return load(name, n_samples, random_state, folder=folder)


class _Content(bytes):
    """Bytes that are hashed whole: two uploads share a cache entry only if they are equal."""


@st.cache_resource(
    max_entries=8,
    show_spinner="Reading the file …",
    hash_funcs={_Content: lambda content: hashlib.sha256(content).hexdigest()},
)
def _uploaded(name: str, content: _Content, n_samples: int | None, random_state: int) -> Dataset:
    return load_bytes(name, content, n_samples, random_state)
