"""The sidebar every page shares: one widget for each declared parameter, in step with the address bar."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

import streamlit as st
from streamlit.errors import StreamlitPageNotFoundError

from dr_transformer.config import DATASETS, Config, DataConfig, Parameter
from dr_transformer.ui.link import LAST_BLOCK, UPLOAD

PAGES = {"app.py": "Explorer", "pages/1_The_model.py": "The model"}
_DEFAULT_N = 10_000
_MOST = {"mnist": 70_000, "fashion-mnist": 70_000, "kmnist": 70_000, "digits": 1797, UPLOAD: 1_000_000}


class Settings(NamedTuple):
    """What the sidebar says. `config` raises `InputError` lazily, so that the page can show the sentence."""

    data: dict[str, Any]
    model: dict[str, Any]
    upload: tuple[str, bytes] | None

    def config(self) -> Config:
        """The validated model parameters."""
        return Config(**self.model)

    def data_config(self) -> DataConfig:
        """The validated data parameters."""
        return DataConfig(**self.data)


def sidebar() -> Settings:
    """Draw the sidebar and return the settings it shows."""
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
        data, upload = _data_widgets()
        st.subheader("Model")
        model = {p.name: _widget(p) for p in Config.parameters().values() if p.group == "model"}
        with st.expander("More"):
            model |= {p.name: _widget(p) for p in Config.parameters().values() if p.group == "more"}
    return Settings(data, model, upload)


def _reset() -> None:
    for name, parameter in (DataConfig.parameters() | Config.parameters()).items():
        st.session_state[name] = _DEFAULT_N if name == "n_samples" else parameter.default
    st.session_state["start_depth"] = LAST_BLOCK
    st.session_state["resets"] = st.session_state.get("resets", 0) + 1


def _data_widgets() -> tuple[dict[str, Any], tuple[str, bytes] | None]:
    declared = DataConfig.parameters()
    st.subheader("Data")
    dataset = st.selectbox(
        declared["dataset"].label,
        [*DATASETS, UPLOAD],
        key="dataset",
        bind="query-params",
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
    most = _MOST[dataset]
    if st.session_state.get("n_samples", 0) > most:
        st.session_state["n_samples"] = most
    n_samples = st.number_input(
        declared["n_samples"].label,
        min_value=2,
        max_value=most,
        value=min(_DEFAULT_N, most),
        step=500,
        key="n_samples",
        bind="query-params",
        help=f"{declared['n_samples'].help} Up to {most:,}.".replace(",", " "),
    )
    return {"dataset": dataset, "n_samples": n_samples}, upload


def _widget(parameter: Parameter) -> Any:
    shared: dict[str, Any] = {"key": parameter.name, "help": parameter.help, "bind": "query-params"}
    if parameter.type is bool:
        return st.toggle(parameter.label, value=parameter.default, **shared)
    if parameter.choices:
        return st.selectbox(
            parameter.label, parameter.choices, index=parameter.choices.index(parameter.default), **shared
        )
    if parameter.widget_range is None:
        low, high = int(parameter.minimum or 0), int(parameter.maximum or 0)
        return st.number_input(
            parameter.label, min_value=low, max_value=high, value=parameter.default, step=1, **shared
        )
    low, high = (parameter.type(bound) for bound in parameter.widget_range)
    step = parameter.type(parameter.step)
    shown = "%g" if parameter.type is float else "%d"
    return st.slider(
        parameter.label, min_value=low, max_value=high, value=parameter.default, step=step, format=shown, **shared
    )
