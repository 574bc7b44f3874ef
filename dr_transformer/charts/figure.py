"""Give all charts one look: one Plotly template, a figure with its title, and traces."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import plotly.graph_objects as go
import plotly.io as pio

GREY = "#8a8f98"  # readable on the light and on the dark ground, as the next two
ACCENT = "#c4624b"
FAINT = "rgba(138, 143, 152, 0.45)"
ZOOMS = {"fixedrange": False}  # an axis on which people may zoom
_AXIS = {"showgrid": False, "zeroline": False, "fixedrange": True}
_NOTE = {"showarrow": False, "font": {"size": 12}}
_LAYOUT = {"xaxis": _AXIS, "yaxis": _AXIS, "annotationdefaults": _NOTE, "dragmode": False}


@functools.cache
def _template(below: str | None) -> go.layout.Template:
    """Lay the charts' template on the one that Plotly has by default, which in the app is Streamlit's theme."""
    return pio.templates.merge_templates(*filter(None, [below]), go.layout.Template(layout=_LAYOUT))


def titled(
    title: str,
    traces: Iterable[Any] = (),
    *,
    height: int,
    x: dict[str, Any] | None = None,
    y: dict[str, Any] | None = None,
    above: int = 2,
    size: int = 12,
    margin: dict[str, int] | None = None,
    showlegend: bool | None = False,
    **layout: Any,
) -> go.Figure:
    """Make a figure with its title on the upper left, `above` pixels over the plot, and axes `x` and `y`.

    With `showlegend` None it has a legend where there is more than one name.
    """
    place = {"xref": "paper", "yref": "paper", "x": 0, "y": 1, "xanchor": "left", "yanchor": "bottom", "yshift": above}
    base = {
        "template": _template(pio.templates.default),
        "xaxis": x or {},
        "yaxis": y or {},
        "annotations": [{"text": title, "font": {"size": size}, **place}] if title else [],
        "height": height,
        "margin": {"l": 0, "r": 8, "t": 28, "b": 0} | (margin or {}),
        "showlegend": showlegend,
    }
    return go.Figure(list(traces), base | layout)  # at once: each update of a figure takes milliseconds


def series(
    x: Any,
    y: Any,
    name: str | None = None,
    hover: str | None = None,
    *,
    colour: str | Sequence[str] = GREY,
    width: float | None = None,
    dash: str | None = None,
    size: float | Sequence[float] | None = None,
    symbol: str | None = None,
    **more: Any,
) -> go.Scatter:
    """Make a trace: a line if it has a `width`, markers if they have a `size`.

    Its `hover` None, it says nothing to people who point at it; empty, where it is.
    """
    look: dict[str, Any] = {}
    if width is not None:
        look["line"] = {"color": colour, "width": width, "dash": dash}
    if size is not None:
        look["marker"] = {"color": colour, "size": size, "symbol": symbol}
    mode = "+".join(f"{part}s" for part in look)
    told = {"hovertemplate": f"{hover}<extra></extra>"} if hover else {"hoverinfo": "skip" if hover is None else None}
    return go.Scatter(x=x, y=y, name=name, mode=mode, **look, **told, **more)
