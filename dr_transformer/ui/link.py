"""Settings in the address bar: a link holds what differs from the paper's values, and opening it gives the same view.

Written here rather than with Streamlit's `bind="query-params"`: that drops invalid values without a word, and with
1.67 a change of page right after a run was seen to lose the settings.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import streamlit as st

from dr_transformer.config import DATASETS, PARAMETERS, Config
from dr_transformer.errors import InputError
from dr_transformer.hardware.devices import missing
from dr_transformer.hardware.products import bfloat16_is_offered, bfloat16_refusal
from dr_transformer.parameters import Parameter
from dr_transformer.ui.text import escaped

UPLOAD = "your own file"
DEFAULTS: dict[str, Any] = {name: parameter.default for name, parameter in PARAMETERS.items()} | {"n_samples": 10_000}
LAST_BLOCK = float(Config.parameters()["n_blocks"].maximum or 0)
"""A depth beyond all blocks: the canvas takes it as "the last block computed"."""
LOADED_DEPTH = "loaded_depth"
"""In the session: the depth that settings were loaded with, for the link."""
_LINK = "link"  # in the session: the link in the address bar, and since when
_LINKS = "links"  # in the session: all that were there
_SETTLED_SECONDS = 2.0


def read_link(query: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Return the settings that a link's parameters give, and one sentence for each that cannot be used."""
    values: dict[str, Any] = {}
    problems = []
    for name, parameter in PARAMETERS.items():
        if name in query:
            try:
                values[name] = _parse(parameter, query[name])
            except InputError as error:
                shown = f"The default ({DEFAULTS[name]}) is shown instead."
                problems.append(f"This link was changed: {escaped(str(error))} {shown}")
    return values, problems


def link_of(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters of a link to these settings: those that differ from the defaults."""
    return {name: _text(value) for name, value in values.items() if value != DEFAULTS[name]}


def write_link(values: Mapping[str, Any]) -> None:
    """Put the settings that differ from the defaults into the address bar, and the depth that was loaded with them.

    Other parameters stay.
    """
    changes: dict[str, str | None] = dict.fromkeys(values)
    changes.update(link_of(values))
    if LOADED_DEPTH in st.session_state:
        depth = st.session_state.pop(LOADED_DEPTH)
        changes["depth"] = f"{depth:g}" if depth < LAST_BLOCK else None
    _change(changes)


def write_depth(depth: float, n_blocks: int) -> None:
    """Put the depth into the address bar, unless it is the last block's."""
    _change({"depth": f"{depth:g}" if depth < n_blocks else None})


def read_depth(query: Mapping[str, str]) -> float:
    """Return the depth a link asks for; `LAST_BLOCK` where it asks for none, or for what is no depth."""
    try:
        depth = float(query.get("depth", LAST_BLOCK))
    except ValueError:
        return LAST_BLOCK
    return min(depth, LAST_BLOCK) if depth >= 0 else LAST_BLOCK


def put_in_link(name: str, text: str | None) -> None:
    """Put a parameter into the address bar; None takes it out."""
    _change({name: text})


def came_back(query: Mapping[str, str]) -> bool:
    """Return whether the browser's Back or Forward led to this link.

    That is one that this session has had, but not its last one. A request that the browser sent before it knew of a
    change of the link looks alike; it comes soon after the change, people do not.
    """
    last, at = st.session_state.get(_LINK, (None, 0.0))
    link = frozenset(query.items())
    known = link in st.session_state.get(_LINKS, ())
    came = known and link != last and time.monotonic() - at > _SETTLED_SECONDS
    if came:
        st.session_state[_LINK] = (link, 0.0)  # the next step back may follow at once
    return came


def _change(changes: Mapping[str, str | None]) -> None:
    """Put parameters into the address bar or (None) take them out: one message, one step in the browser's history."""
    before = st.query_params.to_dict()
    after = {name: text for name, text in (before | dict(changes)).items() if text is not None}
    if after != before:
        st.query_params.from_dict(after)
    link = frozenset(after.items())
    if st.session_state.get(_LINK, (None, 0.0))[0] != link:
        st.session_state[_LINK] = (link, time.monotonic())
    st.session_state.setdefault(_LINKS, set()).add(link)


def missing_precision(precision: str) -> str:
    """Say in a sentence why this machine takes no products in `precision`, which is not offered then; "" if it does."""
    if precision != "bfloat16" or bfloat16_is_offered():
        return ""
    return bfloat16_refusal()


def missing_device(device: str) -> str:
    """Say why this machine cannot compute on `device`, whose widget is disabled then; "" if it can."""
    why = missing(device)
    return "" if why is None else f"{why}, so device = {device} cannot be used."


def _text(value: Any) -> str:
    """The shortest text that `Parameter.parse` turns into the value again."""
    return str(value).lower() if isinstance(value, bool) else str(value).removesuffix(".0")


def _parse(parameter: Parameter, text: str) -> Any:
    value = parameter.parse(text)
    if value is None:
        raise InputError(f"{parameter.name} must be a number, but is {text!r}.")
    if parameter.name == "dataset" and value not in (*DATASETS, UPLOAD):
        raise InputError(f"there is no data set {value!r}.")
    if parameter.name == "device" and (reason := missing_device(value)):
        raise InputError(reason)
    if parameter.name == "precision" and (reason := missing_precision(value)):
        raise InputError(reason)
    if parameter.widget_range and parameter.name != "n_samples":
        low, high = parameter.widget_range
        if not low <= value <= high:
            raise InputError(f"{parameter.name} = {text} is outside the app's range, {low:g} to {high:g}.")
    return value
