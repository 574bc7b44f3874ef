"""Curves over depth under the picture, on which the browser marks where the canvas is without asking the server."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dr_transformer.charts import curve_digits, depth_curves, depth_range
from dr_transformer.paths import asset


def show_depth_curves(
    curves: Mapping[str, Sequence[float | None]],
    *,
    n_blocks: int,
    levels: Mapping[str, Mapping[str, float | None]] | None = None,
    height: int = 170,
    canvas: str = "latent_canvas",
    key: str = "depth_curves",
) -> None:
    """Draw `curves` (one figure a block each, by name) over 0 … n_blocks, marked at the depth of the canvas `canvas`.

    `levels` as in `charts.depth_curves`. Drawn from the start, still empty: a chart that came later would move the page
    under the reader's hand.
    """
    chart = depth_curves(curves, n_blocks=n_blocks, levels=levels, height=height)
    with st.container(key=key, gap=None):
        st.plotly_chart(chart, key=f"{key}_chart", height=int(chart.layout.height), config={"displayModeBar": False})
        data = {
            "container": key,
            "canvas": canvas,
            "range": depth_range(n_blocks),
            "curves": [{"values": list(values), "digits": curve_digits(values)} for values in curves.values()],
        }
        _component()(data=data, key=f"{key}_marks", height="content")


@functools.cache
def _component() -> Any:
    names = ("canvas/dom.js", "canvas/shared_depth.js", "depth_marks.js")
    source = "\n".join(asset(name).read_text(encoding="utf-8") for name in names)
    return st.components.v2.component("depth_marks", js=source)
