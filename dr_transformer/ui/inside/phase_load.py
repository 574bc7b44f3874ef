"""Loading a cell of the phase diagram into the sidebar, by a click on it or by its values."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dr_transformer.charts.phase_reading import SYMBOLS, settings_text
from dr_transformer.config import Config
from dr_transformer.engine.sweep import Sweep
from dr_transformer.quality.sweep_grid import Cell
from dr_transformer.ui.state import load_settings
from dr_transformer.ui.text import grouped


def load_a_cell(job: Sweep, config: Config) -> None:
    """The same as a click on a cell, for keyboards and fingers; and the sentence that says it was loaded."""
    grid = job.grid
    symbol = SYMBOLS[grid.column]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        keys = f"phase_row_{len(grid.alphas)}", f"phase_{grid.column}_{len(grid.values)}"
        st.selectbox(
            "Load α",
            range(len(grid.alphas)),
            index=_nearest(grid.alphas, config.alpha),
            format_func=lambda i: f"{grid.alphas[i]:g}",
            key=keys[0],
            width=110,
            help="The cell's α: what a click on the map sets, without a mouse.",
        )
        st.selectbox(
            symbol,
            range(len(grid.values)),
            index=_nearest(grid.values, getattr(config, grid.column)),
            format_func=lambda i: f"{grid.values[i]:g}",
            key=keys[1],
            width=110,
            help=f"The cell's {symbol}.",
        )
        st.button(
            "Load",
            key="phase_load",
            on_click=_load_chosen,
            args=(job, keys),
            help="Sets the sidebar to these values; every page follows.",
        )
    values, said = st.session_state.get("phase_loaded", ({}, ""))
    if values and all(getattr(config, name) == value for name, value in values.items()):
        st.success(said)  # until the sidebar is changed


def _nearest(values: tuple[float, ...], value: float) -> int:
    return int(np.abs(np.log(values) - np.log(value)).argmin())


def clicked(job: Sweep, key: str) -> None:
    """Load the cell of the chart `key` that was clicked; what is called back with."""
    points = st.session_state[key]["selection"]["points"]
    if points:
        row, column = points[-1]["customdata"]
        _load(job, (int(row), int(column)))


def _load_chosen(job: Sweep, keys: tuple[str, str]) -> None:
    row, column = (int(st.session_state[key]) for key in keys)
    _load(job, (row, column))


def was_loaded() -> bool:
    """Whether a cell was loaded since this was asked last: the sidebar has to be drawn again."""
    return bool(st.session_state.pop("phase_new", False))


def _load(job: Sweep, cell: Cell) -> None:
    """Set the sidebar to the cell's settings, and all pictures to the last block, which is what the cell shows."""
    values = {"alpha": job.grid.alphas[cell[0]], job.grid.column: job.grid.values[cell[1]]}
    load_settings(values)
    st.session_state.pop("last_depth", None)
    n, n_cell = job.dataset.n_samples, job.n_samples
    tokens = "" if n == n_cell else f" A run has all {grouped(n)} tokens, the cell {grouped(n_cell)}."
    said = f"Loaded {settings_text(job, cell)}; sidebar, link and pictures follow.{tokens}"
    st.session_state["phase_loaded"] = values, said
    st.session_state["phase_new"] = True
