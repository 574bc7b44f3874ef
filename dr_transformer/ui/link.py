"""What a link's settings mean, and a sentence for each that means nothing.

The widgets themselves follow the address bar (Streamlit's `bind="query-params"`), which drops invalid values without a
word. A reader who opens such a link is told what was dropped.
"""

from __future__ import annotations

from collections.abc import Mapping

from dr_transformer.config import DATASETS, Config, DataConfig, Parameter
from dr_transformer.errors import InputError

UPLOAD = "your own file"


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


def depth_of(query: Mapping[str, str], n_blocks: int) -> float:
    """The depth a link asks for, within 0 … n_blocks; the last block where it asks for none."""
    try:
        return min(max(float(query.get("depth", n_blocks)), 0.0), float(n_blocks))
    except ValueError:
        return float(n_blocks)


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
