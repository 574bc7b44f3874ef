"""Text beside what it is about, where the page is wide enough; one under the other where not."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dr_transformer.paths import asset
from dr_transformer.ui.charts import steady_chart, tables_behind


def begin() -> None:
    """Put the style of this module's containers on the page: once, before them."""
    st.html(asset("log_normaliser.css"))


def two_columns(name: str, *, wide: int = 1) -> tuple[DeltaGenerator, DeltaGenerator]:
    """Draw two containers side by side; the first (0) or the second one (1) is up to twice as wide as the other."""
    row = st.container(key=f"columns_{name}")
    first, second = (row.container(key=f"{'wide' if i == wide else 'narrow'}_{name}") for i in range(2))
    return first, second


def pair(name: str) -> DeltaGenerator:
    """Draw a container whose elements stand side by side, equally wide."""
    return st.container(key=f"pair_{name}")


def show(chart: go.Figure, key: str) -> None:
    """Draw a chart of its own height, without tools, and the table behind it."""
    with st.container(gap=None):
        steady_chart(chart, key=key)
        tables_behind({"What is drawn": chart}, key=key)
