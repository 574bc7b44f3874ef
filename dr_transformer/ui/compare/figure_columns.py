"""The columns of tables of quality figures, each with what its figure says."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dr_transformer.quality.metrics import METRICS
from dr_transformer.ui.text import fitting


def figure_columns(*, images: bool, as_text: bool = False) -> dict[str, Any]:
    """The column of each of `METRICS`, by title. `as_text`: the cells are sentences rather than numbers."""
    columns: dict[str, Any] = {}
    for metric in METRICS.values():
        said = fitting(metric.help, images=images)
        number = st.column_config.NumberColumn(help=said, format="%.3f")
        columns[metric.title] = st.column_config.TextColumn(help=said) if as_text else number
    return columns
