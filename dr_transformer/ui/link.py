"""Settings in the address bar: a link holds what differs from the paper's values, and opening it gives the same view.

Written here rather than with Streamlit's `bind="query-params"`: that drops invalid values without a word, and with
1.67 a change of page right after a run was seen to lose the settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dr_transformer.all_parameters import PARAMETERS
from dr_transformer.config import DATASETS, Config
from dr_transformer.errors import InputError
from dr_transformer.parameters import Parameter

UPLOAD = "your own file"
DEFAULTS: dict[str, Any] = {name: parameter.default for name, parameter in PARAMETERS.items()} | {"n_samples": 10_000}
LAST_BLOCK = float(Config.parameters()["n_blocks"].maximum or 0)
"""A depth beyond all blocks: the canvas takes it as "the last block computed"."""


def read_link(query: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The settings that a link's parameters give, and one sentence for each that cannot be used."""
    values: dict[str, Any] = {}
    problems = []
    for name, parameter in PARAMETERS.items():
        if name in query:
            try:
                values[name] = _parse(parameter, query[name])
            except InputError as error:
                problems.append(f"This link was changed: {error} The default ({DEFAULTS[name]}) is shown instead.")
    return values, problems


def write_link(values: Mapping[str, Any]) -> None:
    """Put the settings that differ from the defaults into the address bar; other parameters (the depth) stay."""
    for name, value in values.items():
        if value != DEFAULTS[name]:
            _put(name, _text(value))
        elif name in st.query_params:
            del st.query_params[name]


def write_depth(depth: float, n_blocks: int) -> None:
    """Put the depth into the address bar, unless it is the last block's."""
    if depth < n_blocks:
        _put("depth", f"{depth:g}")
    elif "depth" in st.query_params:
        del st.query_params["depth"]


def read_depth(query: Mapping[str, str]) -> float:
    """The depth a link asks for; `LAST_BLOCK` where it asks for none, or for what is no depth."""
    try:
        depth = float(query.get("depth", LAST_BLOCK))
    except ValueError:
        return LAST_BLOCK
    return min(depth, LAST_BLOCK) if depth >= 0 else LAST_BLOCK


def put_in_link(name: str, text: str | None) -> None:
    """Put a parameter into the address bar; None takes it out."""
    if text is not None:
        _put(name, text)
    elif name in st.query_params:
        del st.query_params[name]


def _put(name: str, text: str) -> None:
    if st.query_params.get(name) != text:  # each assignment is a message to the browser
        st.query_params[name] = text


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _parse(parameter: Parameter, text: str) -> Any:
    value = parameter.parse(text)
    if value is None:
        raise InputError(f"{parameter.name} must be a number, but is {text!r}.")
    if parameter.name == "dataset" and value not in (*DATASETS, UPLOAD):
        raise InputError(f"there is no data set {value!r}.")
    if parameter.widget_range and parameter.name != "n_samples":
        low, high = parameter.widget_range
        if not low <= value <= high:
            raise InputError(f"{parameter.name} = {text} is outside the app's range, {low:g} to {high:g}.")
    return value
