"""What all charts share: the template lies on Plotly's own, a title and the look of a trace are as asked for."""

import plotly.graph_objects as go
import plotly.io as pio
import pytest

from dr_transformer.charts.figure import ACCENT, GREY, ZOOMS, series, titled


@pytest.mark.parametrize("theme", ["plotly_white", "seaborn", None])
def test_the_template_lies_on_the_theme_of_whoever_draws(theme: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pio.templates, "default", theme)
    template = titled("a", height=100).layout.template
    for axis in (template.layout.xaxis, template.layout.yaxis):
        assert (axis.showgrid, axis.zeroline, axis.fixedrange) == (False, False, True)
    assert template.layout.dragmode is False
    if theme is None:
        assert not template.layout.colorway
    else:
        assert template.layout.colorway == pio.templates[theme].layout.colorway
        assert template.data.bar[0] == pio.templates[theme].data.bar[0]
        assert pio.templates[theme].layout.dragmode is None  # nothing is changed for others


def test_a_figure_has_its_title_on_the_upper_left_and_the_axes_it_is_given() -> None:
    figure = titled("name", [series([1], [2], width=1)], height=90, x=ZOOMS, y={"nticks": 3}, above=7, margin={"t": 40})
    (note,) = figure.layout.annotations
    assert (note.text, note.x, note.y, note.xref, note.yref, note.yshift) == ("name", 0, 1, "paper", "paper", 7)
    assert figure.layout.margin.to_plotly_json() == {"l": 0, "r": 8, "t": 40, "b": 0}
    assert (figure.layout.xaxis.fixedrange, figure.layout.yaxis.nticks) == (False, 3)
    assert (figure.layout.height, figure.layout.showlegend) == (90, False)
    assert titled("", height=90, showlegend=None).layout.showlegend is None
    assert not titled("", height=90).layout.annotations


def test_a_trace_is_a_line_markers_or_both_and_says_what_it_is_told_to() -> None:
    silent = series([1], [2], "a", width=0, fill="tonexty")
    assert (silent.mode, silent.line.width, silent.hoverinfo, silent.fill) == ("lines", 0, "skip", "tonexty")
    assert silent.marker == go.scatter.Marker()
    both = series([1], [2], "b", "%{y}", width=2, dash="dot", size=5, symbol="square")
    assert (both.mode, both.hoverinfo, both.hovertemplate) == ("lines+markers", None, "%{y}<extra></extra>")
    assert (both.line.color, both.line.dash, both.marker.color, both.marker.symbol) == (GREY, "dot", GREY, "square")
    plain = series([1], [2], "c", "", colour=ACCENT, size=5, marker_opacity=0.5)
    assert (plain.mode, plain.hoverinfo, plain.hovertemplate) == ("markers", None, None)
    assert (plain.marker.color, plain.marker.opacity) == (ACCENT, 0.5)
