"""The sidebar every page shares: one widget for each declared parameter, in step with the address bar."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

import streamlit as st
from streamlit.errors import StreamlitPageNotFoundError

from dr_transformer.config import DATASETS, Config, DataConfig, Parameter
from dr_transformer.ui.link import DEFAULTS, LAST_BLOCK, PARAMETERS, UPLOAD, read_link, write_link

PAGES = {"app.py": "Explorer", "pages/1_The_model.py": "The model"}
MOST = {"mnist": 70_000, "fashion-mnist": 70_000, "kmnist": 70_000, "digits": 1797, UPLOAD: 1_000_000}


class Settings(NamedTuple):
    """What the sidebar says."""

    values: dict[str, Any]  # by parameter name
    upload: tuple[str, bytes] | None

    def config(self) -> Config:
        """The validated model parameters; raises `InputError`."""
        return Config(**{name: self.values[name] for name in Config.parameters()})

    def data_config(self) -> DataConfig:
        """The validated data parameters; raises `InputError`."""
        return DataConfig(**{name: self.values[name] for name in DataConfig.parameters()})


def sidebar(entered: bool) -> tuple[Settings, list[str]]:
    """Draw the sidebar; returns the settings it shows and, on a first visit, what of the link could not be used.

    `entered` is true in the first run of a page, be it the visitor's first page or the next.
    """
    problems = _remember(entered)
    with st.sidebar:
        for path, title in PAGES.items():
            with suppress(StreamlitPageNotFoundError):  # a page that is run by itself has no siblings
                st.page_link(path, label=title)
        st.button(
            "Paper's setting",
            on_click=_reset,
            help="Set every control to the value of the paper's figure 1.",
            width="stretch",
        )
        st.subheader("Data")
        values, upload = _data_widgets()
        st.subheader("Model")
        values |= {name: _widget(p) for name, p in PARAMETERS.items() if p.group == "model"}
        with st.expander("More"):
            values |= {name: _widget(p) for name, p in PARAMETERS.items() if p.group == "more"}
    st.session_state["settings"] = values
    write_link(values)
    return Settings(values, upload), problems


def _remember(entered: bool) -> list[str]:
    """Give every widget the value it had on the page before, or the link's, or the default."""
    problems: list[str] = []
    if "settings" not in st.session_state:
        values, problems = read_link(st.query_params.to_dict())
        st.session_state["settings"] = DEFAULTS | values
    if entered:  # the widgets of a page begin at their minimum, although those of the last page had the same keys
        st.session_state.update(st.session_state["settings"])
    return problems


def _reset() -> None:
    st.session_state.update(DEFAULTS)
    st.session_state["start_depth"] = LAST_BLOCK
    st.session_state["resets"] = st.session_state.get("resets", 0) + 1


def _data_widgets() -> tuple[dict[str, Any], tuple[str, bytes] | None]:
    dataset = st.selectbox(
        PARAMETERS["dataset"].label,
        [*DATASETS, UPLOAD],
        key="dataset",
        help="Whose images become tokens. MNIST is the paper's; a file of your own stays on this computer.",
    )
    upload = None
    if dataset == UPLOAD:
        file = st.file_uploader(
            "File (.npy, .npz, .csv, .parquet)",
            type=["npy", "npz", "csv", "parquet"],
            help="Rows are tokens; a column or array named label colours them. A link does not hold the file.",
        )
        upload = (file.name, file.getvalue()) if file else None
    most = MOST[dataset]
    st.session_state["n_samples"] = min(st.session_state["n_samples"], most)
    n_samples = st.number_input(
        PARAMETERS["n_samples"].label,
        min_value=2,
        max_value=most,
        step=500,
        key="n_samples",
        help=f"{PARAMETERS['n_samples'].help} Up to {most:,}.".replace(",", "\u202f"),
    )
    return {"dataset": dataset, "n_samples": n_samples}, upload


def _widget(parameter: Parameter) -> Any:
    shared: dict[str, Any] = {"label": parameter.label, "key": parameter.name, "help": parameter.help}
    if parameter.type is bool:
        return st.toggle(**shared)
    if parameter.choices:
        return st.selectbox(options=parameter.choices, **shared)
    if parameter.widget_range is None:
        low, high = int(parameter.minimum or 0), int(parameter.maximum or 0)
        return st.number_input(min_value=low, max_value=high, step=1, **shared)
    low, high = (parameter.type(bound) for bound in parameter.widget_range)
    shown = "%g" if parameter.type is float else "%d"
    return st.slider(min_value=low, max_value=high, step=parameter.type(parameter.step), format=shown, **shared)
