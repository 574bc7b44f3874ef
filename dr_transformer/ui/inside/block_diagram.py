"""The diagram of a block, whose sub-steps are buttons (`assets/block_diagram.js`)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import streamlit as st

from dr_transformer.config import Config
from dr_transformer.model.unroll import SUB_STEPS
from dr_transformer.paths import asset_text

LABELS = dict(zip(SUB_STEPS, ("Attention", "LayerNorm", "Feed-forward", "LayerNorm"), strict=True))


class _Step(NamedTuple):
    name: str
    label: str
    formula: str
    help: str
    residual: bool


def chosen_sub_step(key: str = "block_diagram") -> str:
    """Return the sub-step that is chosen in this run, before the diagram is drawn; it stays so on other pages."""
    state = st.session_state.get(key)
    reported = None if state is None else state.get("step")
    if reported in SUB_STEPS:
        st.session_state["sub_step"] = reported
    chosen: str = st.session_state.setdefault("sub_step", SUB_STEPS[0])
    return chosen


def block_diagram(config: Config, block: int, key: str = "block_diagram") -> None:
    """Draw block `block`; `chosen_sub_step` says what is chosen in it."""
    before = "block 0" if block == 1 else f"after block {block - 1}"
    data = {
        "before": {"symbol": "X", "label": before},
        "after": {"symbol": "X", "label": f"after block {block}"},
        "chosen": chosen_sub_step(key),
        "steps": [step._asdict() for step in _steps(config)],
    }
    _component()(data=data, key=key, height="content", on_step_change=lambda: None)


def _steps(config: Config) -> list[_Step]:
    moved = "2η (A − I) X" if config.graph_diffusion else "2η A X"
    scaled = "−2η relu(X)" if config.activation == "relu" else "−2η X"
    shown = "Show the latents before and after this sub-step."
    return [
        _Step(SUB_STEPS[0], LABELS[SUB_STEPS[0]], moved, shown, True),
        _Step(SUB_STEPS[1], LABELS[SUB_STEPS[1]], "LN(X) / √n", shown, False),
        _Step(SUB_STEPS[2], LABELS[SUB_STEPS[2]], scaled, shown, True),
        _Step(SUB_STEPS[3], LABELS[SUB_STEPS[3]], "LN(X) / √n", shown, False),
    ]


@functools.cache
def _component() -> Callable[..., Any]:
    js = asset_text("canvas/dom.js", "canvas/transport/sending.js", "block_diagram.js")
    return st.components.v2.component("block_diagram", css=asset_text("block_diagram.css"), js=js)
