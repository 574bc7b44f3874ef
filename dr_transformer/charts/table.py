"""The numbers of a chart as a table, for those who cannot see it, or want the figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

MOST = 20_000  # rows; a table of more is no help to anybody
_DRAWN_BY_POINTS = {"scatter", "scattergl", "scatter3d", "bar", "violin", "box", "histogram"}


def chart_table(figure: go.Figure) -> pd.DataFrame:
    """One row for each number that `figure` draws: its series, then one column an axis, named as the axis is.

    A heat map has one row a cell, its colour in the column "value". Gaps (None, NaN) are left out, and so are series
    without a name and without a hover text, which only mark something. At most `MOST` rows.
    """
    names = [_axis(figure, letter) for letter in "xyz"]
    parts = []
    for number, trace in enumerate(figure.data, start=1):
        if trace.type == "heatmap":
            part = _cells(trace, names)
        elif trace.type in _DRAWN_BY_POINTS and trace.hoverinfo != "skip":
            part = _points(trace, names)
        else:
            continue
        if len(part):
            part.insert(0, "series", trace.name or f"series {number}")
            parts.append(part)
    if not parts:
        return pd.DataFrame()
    table = pd.concat(parts, ignore_index=True)
    if table["series"].nunique() == 1:
        table = table.drop(columns="series")
    return table.head(MOST)


def _axis(figure: go.Figure, letter: str) -> str:
    in_space = any(trace.type == "scatter3d" for trace in figure.data)
    if letter == "z" and not in_space:
        return letter
    axis = (figure.layout.scene if in_space else figure.layout)[f"{letter}axis"]
    title = axis.title.text if axis.title and axis.title.text else ""
    return title.replace("<br>", " ").replace("<i>", "").replace("</i>", "") or letter


def _points(trace: Any, names: list[str]) -> pd.DataFrame:
    columns = {}
    for letter, name in zip("xyz", names, strict=True):
        values = getattr(trace, letter, None) if letter != "z" or trace.type == "scatter3d" else None
        if values is not None:
            columns[name if name not in columns else f"{name} ({letter})"] = list(values)
    if not columns:
        return pd.DataFrame()
    longest = max(len(values) for values in columns.values())
    return pd.DataFrame({name: values for name, values in columns.items() if len(values) == longest}).dropna()


def _cells(trace: Any, names: list[str]) -> pd.DataFrame:
    z = np.asarray(trace.z, dtype=float)
    rows, columns = z.shape
    x = np.asarray(trace.x if trace.x is not None else np.arange(columns))
    y = np.asarray(trace.y if trace.y is not None else np.arange(rows))
    across, down = (axis[:n] if len(axis) == n else np.arange(n) for axis, n in ((x, columns), (y, rows)))
    x_name, y_name = names[0], names[1] if names[1] != names[0] else f"{names[1]} (y)"
    table = pd.DataFrame({x_name: np.tile(across, rows), y_name: np.repeat(down, columns), "value": z.ravel()})
    return table.dropna()
