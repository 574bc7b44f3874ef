"""What one visitor may ask of this server: all limits of `dr-transformer app --public` stand here.

Without it people compute on a machine of their own, or of somebody who knows them, and have what the parameters
declare. With it the server is for anybody: nothing that one visitor asks for takes much longer than a minute of it, nor
more than a few hundred MB.
"""

from __future__ import annotations

import os
from typing import NamedTuple, TypeVar

import streamlit as st
from streamlit import runtime

from dr_transformer.errors import InputError
from dr_transformer.parameters import Declared

PUBLIC = "DR_TRANSFORMER_PUBLIC"
"""The environment variable that says that this server is for anybody."""

_ADMITTED = "admitted"  # in the session of a visitor who has a place
_AGAIN_SECONDS = 5

D = TypeVar("D", bound=Declared)


class Caps(NamedTuple):
    """The most of each parameter (tokens, dimensions, blocks), and of what pages offer besides."""

    n_samples: int = 1_000_000
    n_components: int = 4096
    n_blocks: int = 1024
    upload: int = 256 * 2**20  # bytes of a file, and of any array in it
    sweep_samples: int = 2000
    sweep_cells: int = 49  # each way
    seeds: int = 50
    trains: bool = True
    measures: bool = True
    visitors: int | None = None  # at a time

    def admit(self, settings: D) -> D:
        """Return the settings, or raise `InputError` for one that is beyond its cap."""
        for name in ("n_samples", "n_components", "n_blocks"):
            value, most = getattr(settings, name, None), getattr(self, name)
            if value is not None and value > most:
                raise InputError(f"{name} must be at most {most} on this server, which is open to all, but is {value}.")
        return settings


OWN = Caps()
STRICT = Caps(
    n_samples=10_000,
    n_components=256,
    n_blocks=32,
    upload=16 * 2**20,
    sweep_samples=500,
    sweep_cells=13,
    seeds=5,
    trains=False,
    measures=False,
    visitors=60,
)


def caps() -> Caps:
    """Return those of this server."""
    return STRICT if os.environ.get(PUBLIC) == "1" else OWN


def admit_visitor() -> None:
    """Go on if this visitor has a place, as the first `visitors` have while their pages are open; else ask to wait."""
    if st.session_state.get(_ADMITTED) or _has_place():
        st.session_state[_ADMITTED] = True
        return
    st.info(
        f"This server has room for {caps().visitors} visitors at a time, and all places are taken. This page opens by "
        "itself as soon as one is free."
    )
    _wait_for_a_place()
    st.stop()


@st.fragment(run_every=_AGAIN_SECONDS)
def _wait_for_a_place() -> None:
    if _has_place():
        st.rerun()


def _has_place() -> bool:
    most = caps().visitors
    if most is None:
        return True
    manager = getattr(runtime.get_instance(), "_session_mgr", None)  # a script that is tested by itself has none
    here = manager.list_active_sessions() if manager else []
    return sum(_ADMITTED in each.session.session_state for each in here) < most
