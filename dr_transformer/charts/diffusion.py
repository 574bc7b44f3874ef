"""Charts of trained variants of attention, by Plotly: runs, their pairs, and the paired differences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from dr_transformer.charts.figure import GREY, series, titled
from dr_transformer.palette import SEQUENTIAL
from dr_transformer.training.outcome import FEW, NAMES
from dr_transformer.training.pairs import Comparison, Group, Metric

COLOURS = {"standard": GREY, "laplacian": SEQUENTIAL[60], "learned": SEQUENTIAL[104]}
"""Of the variants: not the classes' colours, which mean classes alone."""
SYMBOLS = {"standard": "circle", "laplacian": "diamond", "learned": "square"}
FAINT = 0.35


def runs_chart(group: Group, metric: Metric, *, height: int = 320) -> go.Figure:
    """Every run's figure by variant: points, a violin of five or more, and a thin line through the runs of each seed.

    The last trace of each variant is its points, named by its name; `customdata` has the seeds.
    """
    values = {name: _values(group, name, metric) for name in group.attentions}
    places = {name: i for i, name in enumerate(values)}
    lines_x: list[float | None] = []
    lines_y: list[float | None] = []
    for seed in sorted({seed for runs in values.values() for seed in runs}):
        through = [(places[name], runs[seed]) for name, runs in values.items() if seed in runs]
        if len(through) > 1:
            lines_x += [*(x for x, _ in through), None]
            lines_y += [*(y for _, y in through), None]
    traces: list[Any] = [
        go.Violin(
            x0=places[name],
            y=list(runs.values()),
            width=0.7,
            points=False,
            line={"color": COLOURS[name], "width": 1},
            fillcolor=COLOURS[name],
            opacity=FAINT,
            hoverinfo="skip",
            name=NAMES[name],
        )
        for name, runs in values.items()
        if len(runs) >= FEW
    ]
    traces.append(series(lines_x, lines_y, "seeds", width=1, opacity=0.6))
    for name, runs in values.items():
        x, y, said = (
            [places[name]] * len(runs),
            list(runs.values()),
            f"seed %{{customdata}}: %{{y:.{metric.decimals}f}}",
        )
        traces.append(of_variant(name, x, y, said, size=7, symbol=SYMBOLS[name], customdata=list(runs)))
    names, span = [NAMES[name] for name in places], [-0.6, len(places) - 0.4]
    ticks = {"tickvals": list(places.values()), "ticktext": names, "range": span}
    return trained(f"{metric.title}, {metric.unit}", traces, height=height, x=ticks)


def difference_chart(comparisons: Sequence[Comparison], *, height: int = 320) -> go.Figure:
    """Paired differences to standard attention, a row for each variant: points, mean, the bootstrap's interval.

    Two traces a variant: its points (`customdata`: seeds), then the mean with its interval as error bars.
    """
    metric = comparisons[0].metric
    traces = []
    for row, comparison in enumerate(comparisons):
        name, statistics = comparison.attention, comparison.statistics
        differences, decimals, unit = comparison.differences * metric.scale, metric.decimals, metric.difference_unit
        spread = np.linspace(-0.16, 0.16, len(differences)) if len(differences) > 1 else np.zeros(len(differences))
        look: dict[str, Any] = {"colour": COLOURS[name], "size": 7, "symbol": SYMBOLS[name], "marker_opacity": 0.75}
        hover = f"seed %{{customdata}}: %{{x:+.{decimals}f}} {unit}"
        places, seeds = row + 0.14 + spread, list(comparison.seeds)
        traces.append(series(differences, places, f"{NAMES[name]}, pairs", hover, customdata=seeds, **look))
        if statistics.interval is None:
            continue
        low, high = (end * metric.scale for end in statistics.interval)
        mean = statistics.mean * metric.scale
        ends = {"array": [high - mean], "arrayminus": [mean - low]}
        bars = {"type": "data", "symmetric": False, **ends, "color": COLOURS[name], "thickness": 2, "width": 6}
        look = {"colour": COLOURS[name], "size": 14, "symbol": "line-ns-open", "marker_line_width": 3}
        hover = f"mean %{{x:+.{decimals}f}} {unit}, 95 %: {low:+.{decimals}f} … {high:+.{decimals}f}"
        traces.append(series([mean], [row - 0.25], f"{NAMES[name]}, mean", hover, error_x=bars, **look))
    better = "better than A →" if metric.higher_is_better else "← better than A"
    names = [NAMES[comparison.attention] for comparison in comparisons]
    y = {"tickvals": list(range(len(names))), "ticktext": names, "range": [len(names) - 0.4, -0.6]}
    x = {"title": better, "rangemode": "tozero"}
    figure = trained(f"difference to A, {metric.difference_unit}", traces, height=height, x=x, y=y)
    figure.add_vline(x=0, line={"color": GREY, "width": 1, "dash": "dash"})
    return figure


def _values(group: Group, attention: str, metric: Metric) -> dict[int, float]:
    """The figure of a variant's runs by seed, as people read it."""
    found = {seed: metric.of(row) for seed, row in group.runs(attention).items()}
    return {seed: value * metric.scale for seed, value in found.items() if value is not None}


def of_variant(name: str, x: Any, y: Any, said: str | None, title: str | None = None, **look: Any) -> go.Scatter:
    """Make a trace of a variant in its colour, which says who it is; called `title`, by default as the variant."""
    hover = None if said is None else f"{NAMES[name]}, {said}"
    return series(x, y, title or NAMES[name], hover, colour=COLOURS[name], **look)


def trained(
    title: str, traces: Iterable[Any], *, legend: bool = False, y: dict[str, Any] | None = None, **layout: Any
) -> go.Figure:
    """Make a chart of trained variants: a title of one line, its legend under it."""
    above = 26 if legend else 6
    return titled(
        title,
        traces,
        y={"nticks": 6} | (y or {}),
        above=above,
        margin={"t": 28 + above},
        showlegend=legend,
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom"},
        **layout,
    )
