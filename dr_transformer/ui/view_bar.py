"""What stands above a picture: which plane of the latent space it shows, and how it is scaled."""

from __future__ import annotations

import streamlit as st

from dr_transformer.config import PARAMETERS, VIEWS, ViewConfig
from dr_transformer.ui.sidebar import CHOICES, parameter_widget


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
