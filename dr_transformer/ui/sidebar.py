"""The settings' widgets, in step with the address bar: the sidebar every page shares, and the bar above a picture."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import streamlit as st
from streamlit.errors import StreamlitPageNotFoundError

from dr_transformer.config import (
    DATASETS,
    DEVICES,
    PARAMETERS,
    PRECISIONS,
    VIEWS,
    BaselineConfig,
    Config,
    DataConfig,
    ViewConfig,
)
from dr_transformer.data.reading.files import ENDINGS, ending
from dr_transformer.data.reading.rows import in_text, split
from dr_transformer.hardware.devices import accelerator, missing
from dr_transformer.parameters import Parameter
from dr_transformer.ui.caps import caps
from dr_transformer.ui.link import (
    DEFAULTS,
    UPLOAD,
    came_back,
    link_of,
    missing_precision,
    read_depth,
    read_link,
    write_link,
)
from dr_transformer.ui.state import REPLACED, load_settings
from dr_transformer.ui.text import escaped, fitting


class Preset(NamedTuple):
    """Describe what differs from the paper's values, and what to look for."""

    values: dict[str, Any]
    help: str
    everything: bool = False  # data, seed and view, too


PRESETS = {
    "Paper": Preset(
        {}, "The values of the paper's figure 1: q = 128, L = 8, α = 30, η = 0.4, seed 42; all else, too.", True
    ),
    "Shallow": Preset({"n_blocks": 2}, "Two blocks: clusters have only begun to form."),
    "Too deep": Preset({"n_blocks": 32}, "32 blocks: neighbours merge until hardly any structure is left."),
    "η near ½": Preset({"eta": 0.49}, "The largest steps below ½; at exactly ½ the feed-forward step is 0/0."),
    "Tiny α": Preset({"alpha": 1.0}, "Attention all but uniform: every token moves towards the same mean."),
    "Huge α": Preset({"alpha": 300.0}, "Attention all but one-hot: each token follows its nearest neighbour."),
}


GROUPS = {
    "Explore": {
        "app.py": "Explorer",
        "pages/2_Compare.py": "Compare",
        "pages/7_Draw_a_digit.py": "Draw a digit",
        "pages/8_Lessons.py": "Lessons",
    },
    "Understand": {
        "pages/1_The_model.py": "The model",
        "pages/4_Inside_a_block.py": "Inside a block",
        "pages/5_Log_normaliser.py": "Log-normaliser",
    },
    "Measure": {
        "pages/6_Graph_diffusion.py": "Graph diffusion",
        "pages/3_Performance.py": "Performance",
    },
}
"""The pages by what they are for: files, and what they are called."""
CHOICES = {  # choices whose names do not speak for themselves
    "axes": "Latent axes",
    "pca": "PCA of this block",
    "fixed-pca": "PCA of one block",
    "aligned-pca": "PCA, aligned",
    "frame": "fit to every block",
    "final": "that of the last block",
    "degree": "over √degree (scikit-learn)",
    "probdr": "(Λ⁻¹ − βI)^½ (ProbDR)",
    "none": "none",
    "laplacian": "Laplacian Eigenmaps",
    "umap": "UMAP",
}
COLUMNS = "upload_columns"
"""In the session, once the visitor's file has been read: the names of its columns (or arrays), and what was taken."""
_WITHOUT_LABELS = (".tsv", ".txt", ".npy")  # formats that often come without
MOST = {"mnist": 70_000, "fashion-mnist": 70_000, "kmnist": 70_000, "digits": 1797, UPLOAD: 1_000_000}


class Settings(NamedTuple):
    """What the sidebar says."""

    values: dict[str, Any]  # by parameter name
    upload: tuple[str, bytes] | None
    metadata: tuple[str, bytes] | None = None  # labels of the upload, if they are in a file of their own

    def config(self) -> Config:
        """Return the validated model parameters; raise `InputError`, also for what this server does not admit."""
        return caps().admit(Config(**{name: self.values[name] for name in Config.parameters()}))

    def view(self) -> ViewConfig:
        """Return which plane is drawn."""
        return ViewConfig(**{name: self.values[name] for name in ViewConfig.parameters()})

    def baselines(self) -> BaselineConfig:
        """Return what the transformer is compared with; raise `InputError`."""
        return BaselineConfig(**{name: self.values[name] for name in BaselineConfig.parameters()})

    def data_config(self) -> DataConfig:
        """Return the validated data parameters; raise `InputError`, also for what this server does not admit."""
        return caps().admit(DataConfig(**{name: self.values[name] for name in DataConfig.parameters()}))


def sidebar(
    entered: bool, *, controls: bool = True, baselines: bool = False, elsewhere: Collection[str] = ()
) -> tuple[Settings, list[str]]:
    """Draw the sidebar; returns the settings and, on a first visit, what of the link could not be used.

    `entered` is true in the first run of a page, be it the visitor's first page or the next. Settings without a widget
    on this page (the baselines' by default, those that the page draws `elsewhere`, all without `controls`) are those of
    the page that had one, or of the link; the view's are drawn by `view_bar`, if at all.
    """
    problems = _remember(entered)
    upload = st.session_state.get("upload")
    values = {name: st.session_state[name] for name in ViewConfig.parameters() if name in st.session_state}
    with st.sidebar:
        links = st.container()
        if controls:
            _preset_buttons()
            st.subheader("Data")
            data, upload = _data_widgets()
            st.subheader("Model")
            values |= data | {
                name: parameter_widget(p)
                for name, p in PARAMETERS.items()
                if p.group == "model" and name not in elsewhere
            }
            with st.expander("More"):
                values |= {name: _more_widget(p) for name, p in PARAMETERS.items() if p.group == "more"}
        if baselines:
            st.subheader("Baselines")
            values |= _baseline_widgets()
    values = st.session_state["settings"] | values
    st.session_state["settings"] = values
    write_link(values)
    with links:
        page_links(link_of(values))
    return Settings(values, upload, st.session_state.get("metadata") if upload else None), problems


def page_links(query: Mapping[str, str] | None = None) -> None:
    """Draw links to all pages, the first thing in every sidebar; `query` is the settings' link."""
    with suppress(StreamlitPageNotFoundError), st.container(gap=None):  # a page that is run by itself has no siblings
        for group, pages in GROUPS.items():
            st.caption(group)
            for path, title in pages.items():
                st.page_link(path, label=title, query_params=query)


def _remember(entered: bool) -> list[str]:
    """Give every widget the value it had on the page before, or the link's, or the default."""
    problems: list[str] = []
    query = st.query_params.to_dict()
    if "settings" not in st.session_state:
        values, problems = read_link(query)
        st.session_state["settings"] = DEFAULTS | values
    elif came_back(query):
        _go_back(query, entered)
    if entered:  # the widgets of a page begin at their minimum, although those of the last page had the same keys
        st.session_state.update(st.session_state["settings"])
    return problems


def _go_back(query: Mapping[str, str], entered: bool) -> None:
    """Load the settings of a link that the browser's Back or Forward led to."""
    kept = st.session_state["settings"]
    wanted = DEFAULTS | read_link(query)[0]
    if entered and wanted == kept:
        return  # a link to this page, which keeps the depth
    if entered or any(_widgets_show(values) for values in (kept, st.session_state.get(REPLACED, kept))):
        load_settings(wanted, read_depth(query))


def _widgets_show(values: Mapping[str, Any]) -> bool:
    """Tell whether nobody has touched the widgets since they were given these values."""
    return all(st.session_state.get(name, value) == value for name, value in values.items())


def _preset_buttons() -> None:
    st.caption("One-click settings")
    with st.container(horizontal=True, gap="xsmall", key="presets"):
        for name, preset in PRESETS.items():
            st.button(name, key=f"preset {name}", on_click=_load, args=(preset,), help=preset.help, type="tertiary")


_PRESET = {name for name in Config.parameters() if name != "random_state"}


def _load(preset: Preset) -> None:
    """The model as in the paper but for what the preset changes, seen from the last block.

    Data, seed and view stay the user's, except for the paper's own preset.
    """
    kept = {} if preset.everything else {k: v for k, v in st.session_state["settings"].items() if k not in _PRESET}
    load_settings(DEFAULTS | kept | preset.values)
    st.rerun()  # all of the page, even where the browser sent the press along with what a fragment reports


def _data_widgets() -> tuple[dict[str, Any], tuple[str, bytes] | None]:
    dataset = st.selectbox(
        PARAMETERS["dataset"].label,
        [*DATASETS, UPLOAD],
        key="dataset",
        help="Whose images, or a table's rows, become tokens. MNIST is the paper's; a file of your own goes to the "
        "server of this app alone, which keeps it while you are here.",
    )
    upload, chosen = None, {name: st.session_state["settings"][name] for name in ("label", "drop")}
    if dataset == UPLOAD:
        file = st.file_uploader(
            "File (table, array or embedding)",
            type=[name[1:] for name in ENDINGS],
            max_upload_size=caps().upload // 2**20,
            help="Rows are tokens; a column or array named label colours them. A link does not hold the file.",
        )
        # kept, for the uploader of the next page knows nothing of it
        if file and st.session_state.get("upload") != (given := (file.name, file.getvalue())):
            st.session_state["upload"] = given
            st.session_state.pop("metadata", None)
            st.session_state["label"], st.session_state["drop_columns"] = DEFAULTS["label"], []
            st.session_state.pop(COLUMNS, None)
        upload = st.session_state.get("upload")
        if upload and not file:
            st.caption(f"{escaped(upload[0])} is in use.")
        if upload and ending(upload[0]) in _WITHOUT_LABELS:
            _metadata_widget()
        if upload:
            columns, taken = st.session_state.get(COLUMNS, ((), ""))
            chosen = _column_widgets(columns)
            st.caption(escaped(taken))
    most = min(MOST[dataset], caps().n_samples)
    st.session_state["n_samples"] = min(st.session_state["n_samples"], most)
    n_samples = st.number_input(
        PARAMETERS["n_samples"].label,
        min_value=2,
        max_value=most,
        step=500,
        key="n_samples",
        help=f"{_help(PARAMETERS['n_samples'])} Up to {most:,}.".replace(",", "\u202f"),
    )
    return {"dataset": dataset, "n_samples": n_samples} | chosen, upload


def _metadata_widget() -> None:
    """Ask for labels in a file of their own; kept, as the upload is."""
    st.file_uploader(
        "Labels (metadata.tsv)",
        type=["tsv", "csv", "txt"],
        key="metadata_file",
        on_change=_metadata_given,
        max_upload_size=caps().upload // 2**20,
        help="For a file without labels: one label a row, or a table with a column label (Embedding Projector).",
    )
    if "metadata" in st.session_state:
        st.caption(f"Labels are from {escaped(st.session_state['metadata'][0])}.")


def _metadata_given() -> None:
    file = st.session_state["metadata_file"]
    if file is None:
        st.session_state.pop("metadata", None)
    else:
        st.session_state["metadata"] = file.name, file.getvalue()
    st.session_state.pop(COLUMNS, None)


def _column_widgets(columns: Sequence[str]) -> dict[str, str]:
    """Let the visitor say which column of the file holds the classes, and which hold no features."""
    state = st.session_state
    label = state.setdefault("label", DEFAULTS["label"])
    state.setdefault("drop_columns", list(split(state["settings"]["drop"])))
    offered = list(dict.fromkeys(["auto", "none", *columns, label]))
    if label not in offered:
        state["label"] = DEFAULTS["label"]
    label = st.selectbox(PARAMETERS["label"].label, offered, key="label", help=PARAMETERS["label"].help)
    dropped = st.multiselect(
        PARAMETERS["drop"].label,
        list(dict.fromkeys([*columns, *state["drop_columns"]])),
        key="drop_columns",
        placeholder="Nothing more",
        help="Columns of your file that are no features. What is left out already is named below.",
    )
    return {"label": label, "drop": in_text(dropped)}


def view_bar(*, three_d: bool = False) -> None:
    """Draw the view's widgets; `sidebar`, which runs before, has read what they were set to.

    `three_d`: the page can show three dimensions. What the chosen view does not use cannot be set.
    """
    state, kept = st.session_state, st.session_state["settings"]
    for name in ViewConfig.parameters():
        state.setdefault(name, kept[name])
    with st.container(horizontal=True, vertical_alignment="center", key="view_bar"):
        view = st.segmented_control(
            "View",
            VIEWS,
            key="view",
            required=True,
            format_func=CHOICES.__getitem__,
            label_visibility="collapsed",
            help=PARAMETERS["view"].help,
        )
        idle = {"first_axis": view != "axes", "second_axis": view != "axes", "view_block": view != "fixed-pca"}
        with st.popover("Axes and scale", type="tertiary", help="Which axes, which block's components, what scale."):
            for name in ViewConfig.parameters():
                if name != "view" and (three_d or name != "three_d"):
                    parameter_widget(PARAMETERS[name], disabled=idle.get(name, False))


def _more_widget(parameter: Parameter) -> Any:
    if parameter.name == "precision":
        offered = tuple(choice for choice in PRECISIONS if not missing_precision(choice))
        return parameter_widget(replace(parameter, choices=offered))
    if parameter.name != "device":
        return parameter_widget(parameter)
    if accelerator() is None:
        without = "PyTorch finds no GPU that it can use on this machine: all runs on the CPU."
        return parameter_widget(replace(parameter, help=without), True)
    here = tuple(choice for choice in DEVICES if missing(choice) is None)
    return parameter_widget(replace(parameter, choices=here))


def _baseline_widgets() -> dict[str, Any]:
    names = list(BaselineConfig.parameters())
    values: dict[str, Any] = {}
    for name in names:
        values[name] = parameter_widget(PARAMETERS[name], disabled=name == "beta" and values["scaling"] != "probdr")
    return values


def _help(parameter: Parameter) -> str:
    """The parameter's help; for a file, of which the sidebar does not know what it holds, without pixels and images."""
    return fitting(parameter.help, images=st.session_state.get("dataset") != UPLOAD)


def parameter_widget(parameter: Parameter, disabled: bool = False) -> Any:
    """Draw the widget of a parameter, under its name as key; return the value."""
    shared: dict[str, Any] = {"label": parameter.label, "key": parameter.name, "help": _help(parameter)}
    shared["disabled"] = disabled
    if parameter.type is bool:
        return st.toggle(**shared)
    if parameter.choices:
        return st.selectbox(options=parameter.choices, format_func=lambda choice: CHOICES.get(choice, choice), **shared)
    if parameter.widget_range is None:
        low, high = int(parameter.minimum or 0), int(parameter.maximum or 0)
        return st.number_input(min_value=low, max_value=high, step=1, **shared)
    low, high = (parameter.type(bound) for bound in parameter.widget_range)
    shown = "%g" if parameter.type is float else "%d"
    return st.slider(min_value=low, max_value=high, step=parameter.type(parameter.step), format=shown, **shared)
