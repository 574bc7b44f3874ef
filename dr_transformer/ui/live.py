"""The sliders beside the depth, and the sample that the browser runs while one is dragged (`assets/live/`)."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from dr_transformer.canvas.live import is_live, live_spec
from dr_transformer.canvas.parts import MAIN_CANVAS
from dr_transformer.canvas.sliders import slider
from dr_transformer.canvas.source import LIVE_SETTINGS_JS, LIVE_TOKENS_JS, live_engine, source
from dr_transformer.config import PARAMETERS, Config, ViewConfig
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.run import Run
from dr_transformer.ui import session

SETTINGS = "live_settings"
_SHOWN = "live_shown"  # in the session: values of the sliders of which the browser shows a live picture
_DRAWN = "live_drawn"  # in the session: what Python's picture is of, but for those
ON_CANVAS = ("alpha", "eta")
"""The parameters whose sliders stand beside the picture; the sidebar of that page has none for them."""


def live_sliders(values: Mapping[str, Any], key: str = MAIN_CANVAS) -> None:
    """Tell the canvas `key` the values of its sliders; what somebody sets there goes into the settings."""
    sliders = [slider(name, float(values[name])) for name in ON_CANVAS]
    _settings_component()(
        data={"key": key, "sliders": sliders, "at": _reported().get("at", 0)}, key=SETTINGS, on_settings_change=_take
    )


def live_tokens(run: Run, view: ViewConfig, key: str = MAIN_CANVAS) -> tuple[dict[str, Any] | None, bool]:
    """Give the canvas `key` the tokens that the browser can run by itself; return what the canvas is told of the model,
    and whether the tokens are still to come.

    None, and no tokens, where the view or the model is not one of those.
    """
    dataset, config = run.dataset, run.config
    if not is_live(config, view) or dataset.trajectory is not None:
        _tokens_component()(data=None, key=f"{key}_live", height="content")
        return None, False
    made = session.live_tokens(dataset, config, key)
    _tokens_component()(data=made.packed or None, key=f"{key}_live", height="content")
    return live_spec(dataset, config, view), not made.finished


def is_shown_live(dataset: Dataset, config: Config, view: ViewConfig) -> bool:
    """Tell whether the browser has a live picture of this very model on screen, which only the exact one replaces."""
    if dataset.trajectory is not None:
        return False
    values = [getattr(config, name) for name in ON_CANVAS]
    return st.session_state.get(_SHOWN) == values and st.session_state.get(_DRAWN) == _but_for(dataset, config, view)


def forget_live() -> None:
    """Forget that there is a live picture: its page was left."""
    st.session_state[_SHOWN] = None


def drawn_now(dataset: Dataset, config: Config, view: ViewConfig) -> None:
    """Remember what Python's picture on the canvas is of; a live one has gone."""
    st.session_state[_DRAWN], st.session_state[_SHOWN] = _but_for(dataset, config, view), None


def _but_for(dataset: Dataset, config: Config, view: ViewConfig) -> tuple[Any, ...]:
    """All that a picture depends on, but for the values of the sliders."""
    same = Config.parameters()
    return dataset.key, view, replace(config, **{name: same[name].default for name in ON_CANVAS})


def _take() -> None:
    """Put what the browser reported into the settings, before the sidebar is drawn."""
    reported = _reported()
    for name in ON_CANVAS:
        low, high = PARAMETERS[name].widget_range or (-math.inf, math.inf)
        value = reported.get(name)
        if isinstance(value, int | float) and low <= value <= high:
            st.session_state["settings"][name] = st.session_state[name] = float(value)
    values = st.session_state["settings"]
    st.session_state[_SHOWN] = [values[name] for name in ON_CANVAS] if reported.get("live") else None


def _reported() -> Mapping[str, Any]:
    state = st.session_state.get(SETTINGS)
    return (None if state is None else state.get("settings")) or {}


@functools.cache
def _settings_component() -> Callable[..., Any]:
    return st.components.v2.component("live_settings", js=source(LIVE_SETTINGS_JS))


@functools.cache
def _tokens_component() -> Callable[..., Any]:
    return st.components.v2.component("live_tokens", js=live_engine() + source(LIVE_TOKENS_JS))
