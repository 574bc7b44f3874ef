"""Settings in a link: each value comes back exactly, and what this machine cannot do is said."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_transformer.config import PARAMETERS
from dr_transformer.ui.link import DEFAULTS, link_of, missing_device, read_link
from tests.helpers.machine import pretend

FLOATS = {name: parameter.widget_range for name, parameter in PARAMETERS.items() if parameter.type is float}


def settings(bounds: dict[str, Any]) -> st.SearchStrategy[dict[str, float]]:
    return st.fixed_dictionaries({name: st.floats(*map(float, ends)) for name, ends in bounds.items()})


@given(settings(FLOATS))
def test_every_number_comes_back_exactly(values: dict[str, float]) -> None:
    assert len(FLOATS) >= 4
    link = link_of(DEFAULTS | values)
    assert all(isinstance(text, str) for text in link.values())
    found, problems = read_link(link)
    assert problems == []
    assert DEFAULTS | found == DEFAULTS | values


def test_a_link_is_short() -> None:
    link = link_of(DEFAULTS | {"alpha": 17.0, "eta": 0.123456789, "n_blocks": 12, "mask_self": False, "beta": 1e-7})
    assert link == {"alpha": "17", "eta": "0.123456789", "n_blocks": "12", "mask_self": "false", "beta": "1e-07"}


@pytest.mark.parametrize("has_gpu", [True, False])
def test_a_device_that_this_machine_has_not_is_said(has_gpu: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "cuda" if has_gpu else None)
    values, problems = read_link({"device": "cuda", "alpha": "17"})
    assert values == ({"device": "cuda", "alpha": 17.0} if has_gpu else {"alpha": 17.0})
    assert bool(problems) == (not has_gpu)
    assert all("device = cuda cannot be used. The default (auto) is shown instead." in said for said in problems)
    assert [missing_device(device) for device in ("auto", "cpu")] == ["", ""]
    assert missing_device("mps") == "PyTorch finds no Apple GPU on this machine, so device = mps cannot be used."
