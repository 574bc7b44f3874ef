"""A chart that is drawn again and again without blinking."""

from __future__ import annotations

import functools
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from dr_transformer.paths import asset_text


def steady_chart(chart: go.Figure, *, key: str, **options: Any) -> None:
    """`st.plotly_chart(chart, key=key, **options)`: the chart before it stays in sight until this one is drawn."""
    container = f"{key}_steady"
    with st.container(gap=None):
        with st.container(key=container, gap=None):
            st.plotly_chart(chart, key=key, **options)
        _component()(data={"container": container}, key=f"{key}_guard", height="content")


@functools.cache
def _component() -> Any:
    return st.components.v2.component("steady_chart", js=asset_text("steady_charts.js", "steady_chart.js"))
