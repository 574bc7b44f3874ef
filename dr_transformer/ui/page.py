"""What every page begins with: its title in the browser, the shared style, the shared sidebar."""

from __future__ import annotations

import streamlit as st

from dr_transformer.paths import asset
from dr_transformer.ui.link import link_problems
from dr_transformer.ui.sidebar import Settings, sidebar


def begin_page(title: str) -> Settings:
    """Set up a page called `title` and return the sidebar's settings; a link's unusable settings are said."""
    st.set_page_config(page_title=title, layout="wide")
    st.html(asset("app.css"))
    problems = link_problems(st.query_params.to_dict())  # before the widgets drop what they cannot use
    settings = sidebar()
    for problem in problems:
        st.warning(problem)
    return settings
