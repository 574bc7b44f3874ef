"""What the sessions of the app share, and what one session is called."""

from __future__ import annotations

import atexit
import functools
import hashlib
import os
import uuid

import streamlit as st

from dr_transformer.config import Config
from dr_transformer.data import Dataset, load, load_bytes
from dr_transformer.errors import InputError
from dr_transformer.graph_store import GraphStore
from dr_transformer.jobs import Runner
from dr_transformer.run import Run
from dr_transformer.ui.link import UPLOAD
from dr_transformer.ui.sidebar import Settings


@st.cache_resource(show_spinner=False)
def runner() -> Runner:
    """The one runner of this server, stopped when the server stops."""
    made = Runner()
    atexit.register(made.close)
    return made


@st.cache_resource(show_spinner=False)
def graphs() -> GraphStore:
    """The kNN graphs of this server's data sets."""
    return GraphStore()


def run(dataset: Dataset, config: Config) -> Run:
    """This session's run of the model: started, found, or taken up again."""
    make = functools.partial(Run, dataset, config, graphs())
    return runner().submit(("run", dataset.key, config), make, (session_name(), "run"))


def session_name() -> str:
    """A name for this browser session, the owner of its runs."""
    name: str = st.session_state.setdefault("session_name", uuid.uuid4().hex)
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
