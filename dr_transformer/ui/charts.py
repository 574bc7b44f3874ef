"""Charts on a page: drawn again without blinking, with the table behind them, marked at the canvas's depth."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from dr_transformer.canvas.parts import MAIN_CANVAS
from dr_transformer.charts.depth import DASHES, curve_digits, depth_curve, depth_range
from dr_transformer.paths import asset_text


def draw_chart(chart: go.Figure, *, key: str, **options: Any) -> None:
    """Draw a chart, by default of its own height and without tools; `options` are those of `st.plotly_chart`."""
    defaults: dict[str, Any] = {"height": int(chart.layout.height), "config": {"displayModeBar": False}}
    st.plotly_chart(chart, key=key, **(defaults | options))


def steady_chart(chart: go.Figure, *, key: str, **options: Any) -> None:
    """Draw a chart as `draw_chart` does; the one before it stays in sight until this one is drawn."""
    container = f"{key}_steady"
    with st.container(gap=None):
        with st.container(key=container, gap=None):
            draw_chart(chart, key=key, **options)
        _steady_component()(data={"container": container}, key=f"{key}_guard", height="content")


@functools.cache
def _steady_component() -> Any:
    return st.components.v2.component("steady_chart", js=asset_text("steady_charts.js", "steady_chart.js"))


def tables_behind(charts: Mapping[str, go.Figure], *, key: str, label: str = "Table") -> None:
    """Offer the numbers of `charts`, by name, in an expander. Nothing of it is computed or sent while it is closed."""
    expander = st.expander(label, key=f"{key}_table", on_change="rerun", type="compact")
    if not expander.open:
        return
    from dr_transformer.charts.table import MOST, chart_table  # pandas, for those who look

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


def show_depth_curves(
    curves: Mapping[str, Sequence[float | None]],
    *,
    n_blocks: int,
    levels: Mapping[str, Mapping[str, float | None]] | None = None,
    before: Mapping[str, Sequence[float | None]] | None = None,
    canvas: str = MAIN_CANVAS,
    key: str = "depth_curves",
) -> None:
    """Draw `curves` (one figure a block each, by name) over 0 … n_blocks, marked at the depth of the canvas `canvas`.

    As many stand in a row as there is room for. `levels` or `before` as in `charts.depth.depth_curve`, for each curve.
    Drawn from the start, still empty: a chart that came later would move the page under the reader's hand.
    """
    charts: dict[str, go.Figure] = {}
    marked: dict[str, Sequence[float | None] | None] = {}
    with st.container(key=key, gap=None):
        for number, (name, values) in enumerate(curves.items()):
            marked[f"{key}_{number}"] = values
            across = (levels or {}).get(name)
            ghost = tuple((before or {}).get(name, ()))
            chart = _depth_curve(
                name, tuple(values), n_blocks, None if across is None else tuple(across.items()), ghost
            )
            charts[name] = chart
            draw_chart(chart, key=f"{key}_{number}")
        mark_depth(marked, n_blocks=n_blocks, canvas=canvas, container=key, names=list(curves))
    if levels:
        methods = list(next(iter(levels.values())))
        st.caption("  ".join(f"{look} {method}" for look, method in zip(DASHES.values(), methods, strict=False)))
    tables_behind(charts, key=key, label="Curves as tables")


@functools.lru_cache(maxsize=64)
def _depth_curve(
    name: str,
    values: tuple[float | None, ...],
    n_blocks: int,
    levels: tuple[tuple[str, float | None], ...] | None,
    before: tuple[float | None, ...],
) -> go.Figure:
    """Make each chart once: a page that looks for news draws all of them again, of which most have none."""
    across = None if levels is None else dict(levels)
    return depth_curve(name, values, n_blocks=n_blocks, levels=across, before=before)


def mark_depth(
    curves: Mapping[str, Sequence[float | None] | None],
    *,
    n_blocks: int,
    depths: Sequence[float] | None = None,
    canvas: str = MAIN_CANVAS,
    container: str,
    names: Sequence[str] = (),
) -> None:
    """Mark the depth of `canvas` on the charts of the container with the key `container`: one for each of `curves`.

    And keep them in sight while they are drawn again, as `steady_chart` does.
    Call it within that container, after the charts. Their horizontal axis is `charts.depth.depth_range(n_blocks)`.
    `curves` are by the charts' keys their values at `depths`, by default whole ones. Where the mark crosses the curve,
    straight between these, the value is written above the right end of the plot; None where nothing is to be written.
    `names` of the curves are those under which the canvas measures its live pictures.
    """
    data = {
        "container": container,
        "canvas": canvas,
        "range": depth_range(n_blocks),
        "curves": {
            key: None
            if values is None
            else {
                "name": name,
                "depths": list(range(len(values)) if depths is None else depths),
                "values": list(values),
                "digits": curve_digits(values),
            }
            for (key, values), name in itertools.zip_longest(curves.items(), names)
        },
    }
    _marks_component()(data=data, key=f"{container}_marks", height="content")


@functools.cache
def _marks_component() -> Any:
    js = asset_text("canvas/dom.js", "canvas/transport/shared_depth.js", "steady_charts.js", "depth_marks.js")
    return st.components.v2.component("depth_marks", js=js)
