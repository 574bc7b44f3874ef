"""The table behind a chart, which opens under it."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go
import streamlit as st

from dr_transformer.charts.table import MOST, chart_table


def tables_behind(charts: Mapping[str, go.Figure], *, key: str, label: str = "Table") -> None:
    """An expander with the numbers of `charts`, by name. Nothing of it is computed or sent while it is closed."""
    expander = st.expander(label, key=f"{key}_table", on_change="rerun", type="compact")
    if not expander.open:
        return
    with expander:
        for number, (name, chart) in enumerate(charts.items()):
            table = chart_table(chart)
            st.caption(f"{name}: nothing is drawn yet." if table.empty else name)
            if not table.empty:
                st.dataframe(
                    table, hide_index=True, key=f"{key}_table_{number}", height=min(35 * (len(table) + 1) + 3, 300)
                )
            if len(table) == MOST:
                st.caption(f"The first {MOST} rows.")
