"""What a link's settings mean, and a sentence for each that means nothing.

The widgets themselves follow the address bar (Streamlit's `bind="query-params"`), which drops invalid values without a
word. A reader who opens such a link is told what was dropped.
"""

from __future__ import annotations

from collections.abc import Mapping

from dr_transformer.config import DATASETS, Config, DataConfig, Parameter
from dr_transformer.errors import InputError

UPLOAD = "your own file"
LAST_BLOCK = float(Config.parameters()["n_blocks"].maximum or 0)
"""A depth beyond all blocks: the canvas takes it as "the last block computed"."""


def link_problems(query: Mapping[str, str]) -> list[str]:
    """One sentence for each parameter of a link that cannot be used."""
    problems = []
    for name, parameter in (DataConfig.parameters() | Config.parameters()).items():
        if name in query:
            try:
                _check(parameter, query[name])
            except InputError as error:
                problems.append(
                    f"This link was changed: {error} The default ({_said(parameter.default)}) is shown instead."
                )
    return problems


def depth_of(query: Mapping[str, str]) -> float:
    """The depth a link asks for; `LAST_BLOCK` where it asks for none, or for what is no depth."""
    try:
        depth = float(query.get("depth", LAST_BLOCK))
    except ValueError:
        return LAST_BLOCK
    return min(depth, LAST_BLOCK) if depth >= 0 else LAST_BLOCK


def _check(parameter: Parameter, text: str) -> None:
    value = parameter.parse(text)
    if parameter.name == "dataset" and value not in (*DATASETS, UPLOAD):
        raise InputError(f"there is no data set {value!r}.")
    if value is not None and parameter.widget_range and parameter.name != "n_samples":
        low, high = parameter.widget_range
        if not low <= value <= high:
            raise InputError(f"{parameter.name} = {text} is outside the app's range, {low:g} to {high:g}.")


def _said(default: object) -> object:
    return 10_000 if default is None else default
