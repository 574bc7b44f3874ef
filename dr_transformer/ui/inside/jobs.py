"""The session's jobs of the section "Sub-steps and objective"; their owners' names are those `leave_page` knows."""

from __future__ import annotations

import functools
from dataclasses import replace

import streamlit as st

from dr_transformer.config import Config
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.inside import InsideRun, Reparametrisation, VariantRun
from dr_transformer.engine.run import Run
from dr_transformer.theory.variants import Variant
from dr_transformer.ui.session import runner, session_name

SLOTS = 4  # variants that are run side by side


_STOPPED = "inside_stopped"


def inside_run(run: Run) -> tuple[InsideRun, bool]:
    """The figures of every sub-step of a run, and whether somebody stopped them: they stay as far as they are."""
    stopped: InsideRun | None = st.session_state.get(_STOPPED)
    if stopped is not None and stopped.run is run and not stopped.finished:
        return stopped, True
    key = ("inside", id(run))  # no other can have this id while the job holds the run
    return runner().submit(key, functools.partial(InsideRun, run), (session_name(), "inside")), False


def stop_inside(inside: InsideRun) -> None:
    """Stop these figures within a sub-step."""
    runner().release((session_name(), "inside"))
    st.session_state[_STOPPED] = inside


def resume_inside() -> None:
    """Go on with the figures that were stopped."""
    st.session_state.pop(_STOPPED, None)


def variant_runs(dataset: Dataset, config: Config, variants: list[Variant]) -> list[VariantRun]:
    """At most `SLOTS` variants of the block. Those that were run before are found, whatever their order then."""
    config = replace(config, graph_diffusion=False)  # the variant alone says what attention is
    found = []
    for slot, variant in enumerate(variants):
        key = ("variant", dataset.key, config, variant)
        make = functools.partial(VariantRun, dataset, config, variant)
        found.append(runner().submit(key, make, (session_name(), f"variant {slot}")))
    for slot in range(len(variants), SLOTS):
        runner().release((session_name(), f"variant {slot}"))
    return found


def reparametrisation(dataset: Dataset, config: Config, eta: float) -> Reparametrisation:
    """Standard attention with the config's η and graph diffusion with another."""
    same = replace(config, graph_diffusion=False, precision="auto")  # it runs in both precisions
    make = functools.partial(Reparametrisation, dataset, same, eta)
    return runner().submit(("reparametrisation", dataset.key, same, eta), make, (session_name(), "reparametrisation"))
