"""Charts of trained variants of attention, by Plotly: runs, their pairs, and the paired differences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from dr_transformer.palette import SEQUENTIAL
from dr_transformer.training.outcome import FEW, NAMES
from dr_transformer.training.pairs import Comparison, Group, Metric

GREY = "#8a8f98"  # readable on the light and on the dark ground
COLOURS = {"standard": GREY, "laplacian": SEQUENTIAL[60], "learned": SEQUENTIAL[104]}
"""Of the variants: not the classes' colours, which mean classes alone."""
SYMBOLS = {"standard": "circle", "laplacian": "diamond", "learned": "square"}
FAINT = 0.35


def runs_chart(group: Group, metric: Metric, *, height: int = 320) -> go.Figure:
    """Every run's figure by variant: points, a violin of five or more, and a thin line through the runs of each seed.

    The last trace of each variant is its points, named by its name; `customdata` has the seeds.
    """
    figure = go.Figure()
    values = {name: _values(group, name, metric) for name in group.attentions}
    places = {name: i for i, name in enumerate(values)}
    lines_x: list[float | None] = []
    lines_y: list[float | None] = []
    for seed in sorted({seed for runs in values.values() for seed in runs}):
        through = [(places[name], runs[seed]) for name, runs in values.items() if seed in runs]
        if len(through) > 1:
            lines_x += [*(x for x, _ in through), None]
            lines_y += [*(y for _, y in through), None]
    for name, runs in values.items():
        if len(runs) >= FEW:
            figure.add_violin(
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
    line = {"color": GREY, "width": 1}
    figure.add_scatter(x=lines_x, y=lines_y, mode="lines", line=line, opacity=0.6, hoverinfo="skip", name="seeds")
    for name, runs in values.items():
        figure.add_scatter(
            x=[places[name]] * len(runs),
            y=list(runs.values()),
            customdata=list(runs),
            mode="markers",
            marker={"color": COLOURS[name], "symbol": SYMBOLS[name], "size": 7},
            name=NAMES[name],
            hovertemplate=f"{NAMES[name]}, seed %{{customdata}}: %{{y:.{metric.decimals}f}}<extra></extra>",
        )
    figure.update_xaxes(
        tickvals=list(places.values()), ticktext=[NAMES[name] for name in places], range=[-0.6, len(places) - 0.4]
    )
    return styled(figure, f"{metric.title}, {metric.unit}", height)


def difference_chart(comparisons: Sequence[Comparison], *, height: int = 320) -> go.Figure:
    """Paired differences to standard attention, a row for each variant: points, mean, the bootstrap's interval.

    Two traces a variant: its points (`customdata`: seeds), then the mean with its interval as error bars.
    """
    figure = go.Figure()
    metric = comparisons[0].metric
    for row, comparison in enumerate(comparisons):
        name, statistics = comparison.attention, comparison.statistics
        differences = comparison.differences * metric.scale
        spread = np.linspace(-0.16, 0.16, len(differences)) if len(differences) > 1 else [0.0]
        figure.add_scatter(
            x=differences,
            y=row + 0.14 + np.array(spread)[: len(differences)],
            customdata=list(comparison.seeds),
            mode="markers",
            marker={"color": COLOURS[name], "symbol": SYMBOLS[name], "size": 7, "opacity": 0.75},
            name=f"{NAMES[name]}, pairs",
            hovertemplate=f"seed %{{customdata}}: %{{x:+.{metric.decimals}f}} {metric.difference_unit}<extra></extra>",
        )
        if statistics.interval is None:
            continue
        low, high = (end * metric.scale for end in statistics.interval)
        mean = statistics.mean * metric.scale
        figure.add_scatter(
            x=[mean],
            y=[row - 0.25],
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [high - mean],
                "arrayminus": [mean - low],
                "color": COLOURS[name],
                "thickness": 2,
                "width": 6,
            },
            mode="markers",
            marker={"color": COLOURS[name], "symbol": "line-ns-open", "size": 14, "line": {"width": 3}},
            name=f"{NAMES[name]}, mean",
            hovertemplate=(
                f"mean %{{x:+.{metric.decimals}f}} {metric.difference_unit}, 95 %: {low:+.{metric.decimals}f} … "
                f"{high:+.{metric.decimals}f}<extra></extra>"
            ),
        )
    figure.add_vline(x=0, line={"color": GREY, "width": 1, "dash": "dash"})
    figure.update_yaxes(
        tickvals=list(range(len(comparisons))),
        ticktext=[NAMES[comparison.attention] for comparison in comparisons],
        range=[len(comparisons) - 0.4, -0.6],
    )
    better = "better than A →" if metric.higher_is_better else "← better than A"
    figure.update_xaxes(title=better, rangemode="tozero")
    return styled(figure, f"difference to A, {metric.difference_unit}", height)


def _values(group: Group, attention: str, metric: Metric) -> dict[int, float]:
    """The figure of a variant's runs by seed, as people read it."""
    found = {seed: metric.of(row) for seed, row in group.runs(attention).items()}
    return {seed: value * metric.scale for seed, value in found.items() if value is not None}


def styled(figure: go.Figure, title: str, height: int, *, legend: bool = False) -> go.Figure:
    """What the charts of trained variants share: a title of one line, its legend under it, no grid, no zoom."""
    above = 26 if legend else 6
    figure.add_annotation(
        text=title, xref="paper", yref="paper", x=0, y=1, xanchor="left", yanchor="bottom", yshift=above
    )
    figure.update_annotations(showarrow=False, font_size=12)
    figure.update_xaxes(showgrid=False, zeroline=False, fixedrange=True)
    figure.update_yaxes(showgrid=False, zeroline=False, fixedrange=True, nticks=6)
    figure.update_layout(
        height=height,
        showlegend=legend,
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom"},
        dragmode=False,
        margin={"l": 0, "r": 8, "t": 28 + above, "b": 0},
    )
    return figure
