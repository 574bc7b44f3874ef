"""Keep what the sessions of the app share, what one session is called, and whether it is still there."""

from __future__ import annotations

import atexit
import functools
import hashlib
import os
import threading
import uuid
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar, cast

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dr_transformer.bench.cases import BenchJob
from dr_transformer.canvas.attended import N_ATTENDED
from dr_transformer.canvas.attended import attended as attended_of
from dr_transformer.canvas.live import LiveTokens, live_key
from dr_transformer.canvas.parts import Attended
from dr_transformer.canvas.picture import Drawing
from dr_transformer.config import BaselineConfig, Config, ViewConfig
from dr_transformer.data.dataset import Dataset, drawn, load, load_bytes
from dr_transformer.engine.baselines import BaselineRun, Measurement
from dr_transformer.engine.jobs import J, Job, Runner
from dr_transformer.engine.layers import LayerFits, LayersRun, layers_config
from dr_transformer.engine.process.remote import Engine, Shared
from dr_transformer.engine.reality import RealityCheck
from dr_transformer.engine.run import Run
from dr_transformer.engine.sweep import Sweep
from dr_transformer.errors import InputError
from dr_transformer.methods.graph_store import GraphStore
from dr_transformer.methods.umap_worker import UMAPWorker
from dr_transformer.ui import ENGINE
from dr_transformer.ui.caps import caps
from dr_transformer.ui.link import UPLOAD
from dr_transformer.ui.sidebar import COLUMNS, Settings

T = TypeVar("T")


class SessionName(NamedTuple):
    """The owner of a session's jobs. `connection` is Streamlit's id of the session, None outside of its server."""

    own: str
    connection: str | None

    @classmethod
    def new(cls) -> SessionName:
        """Make one that no other session has, for the session whose script this thread runs."""
        context = get_script_run_ctx(suppress_warning=True)
        return cls(uuid.uuid4().hex, context.session_id if context else None)


def connected(owner: Hashable) -> bool:
    """Return whether the session of an owner (its name first, then what it waits with) has a browser at the other end.

    Streamlit has no event for the end of a session, but says which of them are connected, from any thread. A session
    whose tab was closed or reloaded is not from that moment on, one whose connection is lost from when the server
    notices; it is again once the browser has renewed it. Where no server runs there is nobody to lose.
    """
    name = owner[0] if isinstance(owner, tuple) and owner else None
    if not isinstance(name, SessionName) or name.connection is None:
        return True
    try:
        # Only a plain no counts: AppTest has a stand-in here, which other threads may find half made.
        return runtime.get_instance().is_active_session(name.connection) is not False
    except RuntimeError:  # there is no server
        return True


_FIRST_PICTURE_SECONDS = 5.0


class _Works(NamedTuple):
    """Who computes for this server; without an `engine` its own threads do."""

    runner: Runner
    engine: Engine | None


@st.cache_resource(show_spinner=False)
def _works() -> _Works:
    """Return what this server computes with, which stops with it. What a closed tab waited for stops by itself."""
    engine = None if os.environ.get(ENGINE) == "threads" else Engine(os.environ.get("DR_TRANSFORMER_SCHEDULER"))
    made = Runner(present=connected, execute=engine.work if engine else None)
    if engine:
        engine.died = made.forget
        threading.Thread(target=engine.start, name="engine starts", daemon=True).start()
        atexit.register(engine.close)
    made.watch()
    atexit.register(made.close)
    return _Works(made, engine)


def runner() -> Runner:
    """Return the one runner of this server."""
    return _works().runner


def ask(function: Callable[..., T], *args: Any, **options: Any) -> T:
    """Return what a function returns where this server computes; its arguments may be jobs and data sets."""
    engine = _works().engine
    return engine.ask(function, *args, **options) if engine else function(*args, **options)


def tell(job: Job, **fields: Any) -> None:
    """Give fields of a job other values, also where it is computed."""
    engine = _works().engine
    if engine:
        engine.set(job, **fields)
    else:
        for field, value in fields.items():
            setattr(job, field, value)


def submit(kind: str, key: Hashable, make: Callable[[], J]) -> J:
    """Return the session's job of this kind: found by `key`, made, or taken up again. The one before is given up.

    Sessions share a job, and with it the name of its data: with equal bytes of another name they do not.
    """
    if st.session_state.get("settings", {}).get("dataset") == UPLOAD and (upload := st.session_state.get("upload")):
        key = (key, upload[0])
    return runner().submit(key, make, (session_name(), kind))


def stop(*kinds: str) -> None:
    """Stop the session's jobs of these kinds at their next step; what they have found stays."""
    for kind in kinds:
        runner().release((session_name(), kind))


@st.cache_resource(show_spinner=False)
def graphs() -> GraphStore:
    """Return the kNN graphs of this server's data sets, or their name where these are in another process."""
    return cast(GraphStore, Shared("graphs")) if _works().engine else GraphStore()


def run(dataset: Dataset, config: Config, *, preview: bool = True) -> Run:
    """Return the session's run of the model: started, found, or taken up again.

    A new one makes a `preview` first, unless there is something better on screen already.
    """
    make = functools.partial(Run, dataset, config, graphs(), has_preview=preview)
    return submit("run", ("run", dataset.key, config), make)


def played(dataset: Dataset, config: Config, *, preview: bool = True) -> Run:
    """Return the session's run of the model, or what a file has instead: the layers of a network."""
    if dataset.trajectory is None:
        return run(dataset, config, preview=preview)
    config = layers_config(dataset, config)
    return submit("run", ("layers", dataset.key, config), lambda: LayersRun(dataset, config, graphs()))


def layer_fits(dataset: Dataset, random_state: int) -> LayerFits:
    """Return the session's fits of a hand-written block to each layer of a file."""
    return submit("layer fits", ("layer fits", dataset.key, random_state), lambda: LayerFits(dataset, random_state))


def colour_by(run: Run, name: str) -> None:
    """Have one of `quality.curves.COLOURINGS` measured of the run, unless it is already."""
    if name not in run.wanted:
        tell(run, wanted=run.wanted | {name})
        kind = "run" if run.dataset.trajectory is None else "layers"
        submit("run", (kind, run.dataset.key, run.config), lambda: run)


def begun(run: Run, *, wait: bool = True) -> Run:
    """Return the run once it has something to draw, or after some seconds; raise `InputError` for what stopped it."""
    run.begun.wait(_FIRST_PICTURE_SECONDS if wait else 0)
    if run.error:
        raise InputError(run.error)
    return run


def drawing(run: Run, view: ViewConfig, *, wait: bool = True) -> Drawing:
    """Return the session's picture of a run, which grows with it, once there is something to show."""
    found = submit("drawing", ("drawing", id(run), view), functools.partial(Drawing, run, view))
    found.begun.wait(_FIRST_PICTURE_SECONDS if wait else 0)
    return found


def live_tokens(dataset: Dataset, config: Config, key: str) -> LiveTokens:
    """Return the sample that the canvas `key` runs by itself; the same for all α, η and depths."""
    return submit("live", (key, live_key(dataset, config)), functools.partial(LiveTokens, dataset, config, key))


def attended(run: Run, token: int | None, count: int = N_ATTENDED) -> Attended | None:
    """Return what a token attends to most at each block computed so far; asked for once."""
    if token is None or run.block < 0 or run.dataset.trajectory is not None:
        return None
    asked = (run, token, count, run.block)
    kept: tuple[object, Attended | None] | None = st.session_state.get("attended")
    if kept is None or kept[0] != asked:
        kept = st.session_state["attended"] = (asked, ask(attended_of, run, token, count))
    return kept[1]


@st.cache_resource(show_spinner=False)
def umap_worker() -> UMAPWorker:
    """Return the server's UMAP process, which starts to compile as soon as somebody opens the app."""
    if (engine := _works().engine) is not None:
        there = cast(UMAPWorker, Shared("umap"))
        threading.Thread(target=engine.ask, args=(UMAPWorker.warm, there), name="umap compiles", daemon=True).start()
        return there
    made = UMAPWorker()
    made.warm()
    atexit.register(made.close)
    return made


def baseline_run(dataset: Dataset, config: Config, baselines: BaselineConfig) -> BaselineRun:
    """Return the session's baselines. Only what they depend on is part of their key: α or the depth change nothing."""
    same = Config(random_state=config.random_state, device=config.device)
    drawn = replace(baselines, align="none")
    make = functools.partial(BaselineRun, dataset, same, drawn, graphs(), umap_worker())
    return submit("baselines", ("baselines", dataset.key, same, drawn), make)


def stop_umap(baselines: BaselineRun) -> bool:
    """Stop the layout in the making, unless somebody else who is there waits for it too; return whether it was."""
    runner().look(patience=0)  # who is cut off for a moment and comes back gets the rest again
    return len(baselines.owners) < 2 and ask(BaselineRun.stop_umap, baselines)


def measurement(run: Run, baselines: BaselineRun) -> Measurement:
    """Return the session's quality figures of a run's blocks."""
    key = ("measurement", id(run), id(baselines))  # no other can have these while the measurement holds them
    return submit("measurement", key, functools.partial(Measurement, run, baselines))


def reality_check(
    dataset: Dataset, config: Config, baselines: BaselineConfig, n_seeds: int, with_umap: bool
) -> RealityCheck:
    """Return the session's check over seeds and null data."""
    worker = umap_worker() if with_umap else None
    n_seeds = min(n_seeds, caps().seeds)
    make = functools.partial(RealityCheck, dataset, config, baselines, n_seeds, worker)
    key = ("reality check", dataset.key, config, baselines, n_seeds, with_umap)
    return submit("reality check", key, make)


def sweep(made: Sweep) -> Sweep:
    """Return the session's phase diagram: started, found, or taken up again. One that only reads is not shared."""
    key = ("recall", id(made)) if made.recall_only else made.key  # no other can have it while the runner holds it
    return submit("sweep", key, lambda: made)


def bench(n_samples: int) -> BenchJob:
    """Return the session's measurement of this machine, another one at each press of the button."""
    key = ("bench", session_name(), st.session_state.get("bench_serial", 0), n_samples)
    return submit("bench", key, functools.partial(BenchJob, n_samples))


def leave_page() -> None:
    """Stop what only the page before wanted; the run of the model is of use on every page."""
    kinds = [
        "baselines",
        "measurement",
        "reality check",
        "bench",
        "sweep",
        "live",
        "adjacency",
        "matrix",
        "alpha",
        "layer fits",
        "spectrum",
    ]
    kinds += ["drawing", "sub-steps", "inside", *(f"variant {slot}" for slot in range(4)), "reparametrisation"]
    kinds += ["corollary", "theorem", "growth", "null band", "fitted null band"]
    kinds += ["drawn", "web page", "figure", "film", "table"]
    kinds += ["training", "class attention"]
    stop(*kinds)


def session_name() -> SessionName:
    """Return a name for this browser session, the owner of its runs.

    It stays when a lost connection is renewed. A reload makes another session, with another name.
    """
    if "session_name" not in st.session_state:
        st.session_state["session_name"] = SessionName.new()
    name: SessionName = st.session_state["session_name"]
    return name


def dataset(settings: Settings) -> Dataset:
    """Return the tokens the sidebar asks for, loaded once for all sessions; show the steps of a slow load."""
    seed = settings.config().random_state
    chosen = settings.data_config()
    if chosen.dataset == UPLOAD:
        if settings.upload is None:
            raise InputError("choose a file in the sidebar: .csv, .parquet, .npy or .npz, one row for each token.")
        name, content = settings.upload
        try:
            labels, metadata = settings.metadata or ("", b"")
            whole = _uploaded(name, _Content(content), seed, chosen.label, chosen.drop, labels, _Content(metadata))
        except InputError as refusal:
            _offer(refusal.columns, "")
            raise
        _offer(whole.columns, " ".join(whole.messages))
        n = chosen.n_samples
        return whole if n is None or n >= whole.n_samples else _drawn(whole, n, seed)
    return _named(chosen.dataset, chosen.n_samples, seed, os.environ.get("DR_TRANSFORMER_DATA"))


def own_file(settings: Settings) -> Dataset | None:
    """Return the visitor's file, if that is what is asked for and it can be read: a title does not wait for others."""
    try:
        return dataset(settings) if settings.values["dataset"] == UPLOAD else None
    except InputError:
        return None


def shows_images(own: Dataset | None) -> bool:
    """Say whether tokens are images; where there is no file of the visitor's own they are, as the paper's."""
    return own is None or own.image_shape is not None


def _offer(columns: tuple[str, ...], taken: str) -> None:
    """Let the sidebar offer a file's columns and say what was taken; it was drawn before the file was read."""
    if (columns or taken) and st.session_state.get(COLUMNS) != (columns, taken):
        st.session_state[COLUMNS] = (columns, taken)
        st.rerun()


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
def _uploaded(
    name: str, content: _Content, random_state: int, label: str, drop: str, labels: str, metadata: _Content
) -> Dataset:
    beside = (labels, bytes(metadata)) if labels else None
    return load_bytes(
        name, content, None, random_state, label=label, drop=drop, metadata=beside, max_bytes=caps().upload
    )


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs={Dataset: lambda whole: (whole.name, whole.key)})
def _drawn(whole: Dataset, n_samples: int, random_state: int) -> Dataset:
    return drawn(whole, n_samples, random_state)
