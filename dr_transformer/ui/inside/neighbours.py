"""The token that is looked at, chosen on the canvas, by its number or by its class, and what it attends to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from dr_transformer.canvas.parts import Pin, classes
from dr_transformer.charts.attention import rounded
from dr_transformer.config import PARAMETERS
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.adjacency import TokenAttention, attention_of
from dr_transformer.engine.run import Run
from dr_transformer.ui import session
from dr_transformer.ui.canvas import pinned_token
from dr_transformer.ui.sidebar import Settings
from dr_transformer.ui.text import escaped

CANVAS = "adjacency_canvas"
N_SHOWN = 12
_PIXELS = 3  # on the screen for one of an image, at 28 × 28

Indices = npt.NDArray[np.intp]


def choose_neighbors(settings: Settings, n_samples: int) -> int:
    """Draw the control of k, the neighbours in the pixels that attention is compared with; it is every page's k."""
    state, parameter = st.session_state, PARAMETERS["n_neighbors"]
    low, high = (int(bound) for bound in parameter.widget_range or (1, 50))
    high = max(1, min(high, n_samples - 1))
    low = min(low, high)
    state["n_neighbors"] = min(max(state.get("n_neighbors", settings.values["n_neighbors"]), low), high)
    return st.number_input(
        parameter.label,
        low,
        high,
        step=1,
        key="n_neighbors",
        on_change=_keep_neighbors,
        width=150,
        help="Of each token in the kNN graph of the pixels, which attention is compared with.",
    )


def _keep_neighbors() -> None:
    """Keep it for the link, and for the other pages."""
    st.session_state["settings"] = st.session_state["settings"] | {"n_neighbors": st.session_state["n_neighbors"]}


def chosen_token(run: Run) -> tuple[int | None, Pin]:
    """Draw the controls; returns the chosen token, None if the user has let go of it, and what the canvas is to pin."""
    state, dataset = st.session_state, run.dataset
    labels, names = classes(run.dataset)
    if state.get("token_of") != dataset.key:
        state["token_of"] = dataset.key
        _give(0)
    elif not _canvas_has_spoken() and state["token"] not in (None, state["token_given"].index):
        _give(state["token"])  # back from another page or section, with a new canvas
    given: Pin = state["token_given"]
    token = state["token"] = pinned_token(dataset.key, CANVAS, given)
    number_key = _shows("token_number", token)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input(
            "Token",
            min_value=0,
            max_value=dataset.n_samples - 1,
            step=1,
            value=None,
            key=number_key,
            on_change=_by_number,
            args=(number_key,),
            width=150,
            help=f"The number of the image whose neighbours are shown, 0 to {dataset.n_samples - 1}; or click a point.",
        )
        if len(names) > 1:
            class_key = _shows("token_class", None if token is None else names[labels[token]])
            st.selectbox(
                "Its class",
                names,
                key=class_key,
                index=None,
                placeholder="choose",
                on_change=_by_class,
                args=(class_key, labels, names),
                width=150,
                help="Choosing a class goes to its next token.",
            )
        st.button(
            "Next of its class" if len(names) > 1 else "Next token",
            key="token_next",
            on_click=_next,
            args=(labels,),
            disabled=token is None,
            help="Goes to the next token, by number, of the same class.",
        )
    return token, given


def show_neighbours(run: Run, token: int, block: int, nearest: Indices | None) -> None:
    """Draw what `token` attends to at the latents after `block`, and its `nearest` in the pixels (None: yet)."""
    near = np.empty(0, dtype=np.intp) if nearest is None else nearest[:N_SHOWN]
    found = session.ask(attention_of, run, block, token, N_SHOWN, near)
    labels, names = classes(run.dataset)
    st.markdown(sentence(run.dataset, token, block, found, nearest is not None))
    _strip("Most attended, with its weight", run.dataset, labels, names, found.neighbours, found.weights)
    if nearest is not None:
        title = "Nearest in the pixels, and the weight they get"
        _strip(title, run.dataset, labels, names, found.nearest, found.nearest_weights)


def sentence(dataset: Dataset, token: int, block: int, found: TokenAttention, compared: bool) -> str:
    """Say what the images show, in figures."""
    count, total = len(found.neighbours), float(found.weights.sum())
    said = (
        f"**Token {token}** at block {block}: the {count} most attended hold {percent(total)} of its attention, which "
        f"spreads over {rounded(found.effective)} tokens in effect."
    )
    parts = []
    if dataset.labels is not None:
        same = int((dataset.labels[found.neighbours] == dataset.labels[token]).sum())
        parts.append(f"{same} are of its class ({escaped(dataset.class_names[dataset.labels[token]])})")
    if compared:
        parts.append(f"{found.n_true} are among its {len(found.nearest)} nearest in the pixels")
    return said + (f" Of these {count}, {', and '.join(parts)}." if parts else "")


def percent(share: float) -> str:
    """Write a share as a percentage, with two digits if it is small."""
    return f"{share:.0%}" if share >= 0.095 else f"{100 * share:.2g}%"


def _strip(
    title: str,
    dataset: Dataset,
    labels: npt.NDArray[np.integer],
    names: Sequence[str],
    tokens: Indices,
    weights: npt.NDArray[np.floating],
) -> None:
    """Images in a row, each with its label and weight; a table where tokens are no images."""
    st.caption(title)
    if dataset.image_shape is None:
        rows = {"token": tokens, "label": [names[labels[i]] for i in tokens], "weight": weights}
        st.dataframe(pd.DataFrame(rows), hide_index=True, width="content", key=title)
        return
    named = len(names) > 1
    captions = [
        f"{escaped(names[labels[i]])} · {percent(weight)}" if named else percent(weight)
        for i, weight in zip(tokens, weights, strict=True)
    ]
    st.image([_picture(dataset, int(i)) for i in tokens], captions, width=64)


def _picture(dataset: Dataset, token: int) -> npt.NDArray[np.uint8]:
    """The token as ink on the page's own ground, (height, width, 4), enlarged without a blur."""
    height, width = dataset.image_shape or (1, 1)
    factor = max(1, round(28 * _PIXELS / max(height, width)))
    ink = np.kron(_image(dataset, token), np.ones((factor, factor), dtype=np.uint8))
    tone = 250 if st.context.theme.type == "dark" else 38
    return np.dstack([np.full_like(ink, tone)] * 3 + [ink])


def _image(dataset: Dataset, token: int) -> npt.NDArray[np.uint8]:
    if dataset.Y.dtype == np.uint8 and dataset.image_shape is not None:
        return dataset.Y[token].reshape(dataset.image_shape)
    images = dataset.images
    assert images is not None
    return images[token]


def _canvas_has_spoken() -> bool:
    report = st.session_state.get(CANVAS)
    return report is not None and report.get("pinned") is not None


def _give(token: int) -> None:
    """Have the canvas pin this token."""
    last: Pin | None = st.session_state.get("token_given")
    st.session_state["token_given"] = Pin(token, 0 if last is None else last.revision + 1)
    st.session_state["token"] = token


def _shows(name: str, value: int | str | None) -> str:
    """Have a widget show `value`; returns its key: that of a new one if not itself has brought the value about.

    A browser that has not heard of a new value yet goes on sending the old one, with whatever it asks for. Of the same
    widget that would be a choice; to an old one nobody listens.
    """
    state = st.session_state
    if state.get(_key(name)) != value:
        state[f"{name}_serial"] = state.get(f"{name}_serial", 0) + 1
    state[_key(name)] = value
    return _key(name)


def _key(name: str) -> str:
    return f"{name}_{st.session_state.get(f'{name}_serial', 0)}"


def _by_number(key: str) -> None:
    if key == _key("token_number") and st.session_state[key] is not None:
        _give(st.session_state[key])


def _by_class(key: str, labels: npt.NDArray[np.integer], names: Sequence[str]) -> None:
    if key == _key("token_class") and st.session_state[key] is not None:
        _give(next_of(labels, st.session_state["token"], names.index(st.session_state[key])))


def _next(labels: npt.NDArray[np.integer]) -> None:
    token = st.session_state["token"]
    _give(next_of(labels, token, int(labels[token])))


def next_of(labels: npt.NDArray[np.integer], token: int | None, label: int) -> int:
    """Return the next token of this class after `token`, after the last one the first; `token` if it has none."""
    members = np.flatnonzero(labels == label)
    if not len(members):
        return token or 0
    after = members[members > (-1 if token is None else token)]
    return int(after[0] if len(after) else members[0])
