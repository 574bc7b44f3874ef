"""Charts of trained variants of attention, by Plotly: runs and their pairs, differences, curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from dr_transformer.palette import SEQUENTIAL
from dr_transformer.training.outcome import FEW, NAMES
from dr_transformer.training.pairs import Comparison, Group, LossDifference, Metric, curves
from dr_transformer.training.statistics import Band, mean_band

_GREY = "#8a8f98"  # readable on the light and on the dark ground
COLOURS = {"standard": _GREY, "laplacian": SEQUENTIAL[60], "learned": SEQUENTIAL[104]}
"""Of the variants: not the classes' colours, which mean classes alone."""
_SYMBOLS = {"standard": "circle", "laplacian": "diamond", "learned": "square"}
_FAINT = 0.35
_BRIGHTEST = 104  # of SEQUENTIAL that a line may have on white

Array = npt.NDArray[np.float64]


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
                opacity=_FAINT,
                hoverinfo="skip",
                name=NAMES[name],
            )
    line = {"color": _GREY, "width": 1}
    figure.add_scatter(x=lines_x, y=lines_y, mode="lines", line=line, opacity=0.6, hoverinfo="skip", name="seeds")
    for name, runs in values.items():
        figure.add_scatter(
            x=[places[name]] * len(runs),
            y=list(runs.values()),
            customdata=list(runs),
            mode="markers",
            marker={"color": COLOURS[name], "symbol": _SYMBOLS[name], "size": 7},
            name=NAMES[name],
            hovertemplate=f"{NAMES[name]}, seed %{{customdata}}: %{{y:.{metric.decimals}f}} {metric.unit}<extra></extra>",
        )
    figure.update_xaxes(
        tickvals=list(places.values()), ticktext=[NAMES[name] for name in places], range=[-0.6, len(places) - 0.4]
    )
    return _styled(figure, f"{metric.title}, {metric.unit}", height)


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
            marker={"color": COLOURS[name], "symbol": _SYMBOLS[name], "size": 7, "opacity": 0.75},
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
                f"mean %{{x:+.{metric.decimals}f}} {metric.difference_unit}, 95 % interval {low:+.{metric.decimals}f} … "
                f"{high:+.{metric.decimals}f}<extra></extra>"
            ),
        )
    figure.add_vline(x=0, line={"color": _GREY, "width": 1, "dash": "dash"})
    figure.update_yaxes(
        tickvals=list(range(len(comparisons))),
        ticktext=[NAMES[comparison.attention] for comparison in comparisons],
        range=[len(comparisons) - 0.4, -0.6],
    )
    better = "better than A →" if metric.higher_is_better else "← better than A"
    figure.update_xaxes(title=better, rangemode="tozero")
    return _styled(figure, f"difference to A, {metric.difference_unit}", height)


def loss_difference_chart(differences: Sequence[LossDifference], *, height: int = 300) -> go.Figure:
    """Training loss minus standard attention's over the iterations, each with its band; below 0 learns faster."""
    figure = go.Figure()
    for difference in differences:
        _add_band(figure, difference.band, difference.attention, "iteration %{x:.0f}: %{y:+.4f} nats")
    figure.add_hline(y=0, line={"color": _GREY, "width": 1, "dash": "dash"})
    figure.update_xaxes(title="iteration")
    return _styled(figure, "training loss minus that of A, nats", height, legend=True)


def validation_chart(group: Group, metric: Metric, *, height: int = 300) -> go.Figure:
    """The validation figure over the steps: a faint line for each run, and the mean of each variant."""
    figure = go.Figure()
    for name in group.attentions:
        rows = list(group.runs(name).values())
        steps, values = curves(rows, metric.name)
        _add_runs(figure, steps, values * metric.scale, name, f"step %{{x}}: %{{y:.{metric.decimals}f}} {metric.unit}")
    figure.update_xaxes(title="step")
    return _styled(figure, f"{metric.title.removeprefix('best ')}, {metric.unit}", height, legend=True)


def live_chart(
    runs: Mapping[str, Sequence[tuple[Sequence[float], Sequence[float]]]], *, height: int = 260
) -> go.Figure:
    """Validation loss of runs so far, (steps, values) of each by variant; the last of each is the heaviest."""
    figure = go.Figure()
    for name, each in runs.items():
        for i, (steps, values) in enumerate(each):
            last = i == len(each) - 1
            figure.add_scatter(
                x=list(steps),
                y=list(values),
                mode="lines+markers" if last else "lines",
                marker={"size": 4, "symbol": _SYMBOLS[name]},
                line={"color": COLOURS[name], "width": 2 if last else 1},
                opacity=1 if last else _FAINT,
                name=NAMES[name],
                legendgroup=name,
                showlegend=last,
                hovertemplate=f"{NAMES[name]}, step %{{x}}: %{{y:.4f}}<extra></extra>",
            )
    figure.update_xaxes(title="step")
    return _styled(figure, "validation loss, nats", height, legend=True)


def learned_a_chart(steps: Array, layers: Array, *, height: int = 300) -> go.Figure:
    """The scalar a of A − aI over the steps. `layers` is (n, k, blocks), or (n, k, 1) where all blocks share one.

    One a: a faint line for each run. One a block: its mean over the runs, the first block darkest. Heavy: the mean of
    all. A is at 0 and A − I at 1.
    """
    figure = go.Figure()
    n_layers = layers.shape[2]
    shared = n_layers == 1
    thin = layers[:, :, 0] if shared else layers.mean(axis=0).T
    for i, values in enumerate(thin):
        colour = COLOURS["learned"] if shared else SEQUENTIAL[i * _BRIGHTEST // max(1, n_layers - 1)]
        name = "runs" if shared else f"block {i + 1}"
        figure.add_scatter(
            x=steps,
            y=values,
            mode="lines",
            line={"color": colour, "width": 1 if shared else 1.5},
            opacity=_FAINT if shared else 1,
            name=name,
            hovertemplate=f"{name}, step %{{x}}: a = %{{y:.3f}}<extra></extra>",
            showlegend=not shared,
        )
    band = mean_band(steps, layers.mean(axis=2))
    figure.add_scatter(
        x=band.x,
        y=band.mean,
        mode="lines",
        line={"color": _GREY, "width": 3},
        name="mean",
        hovertemplate="mean, step %{x}: a = %{y:.3f}<extra></extra>",
    )
    for level, text in ((0, "A"), (1, "A − I")):
        figure.add_hline(y=level, line={"color": _GREY, "width": 1, "dash": "dot"})
        figure.add_annotation(x=1, xref="paper", y=level, text=text, xanchor="right", yanchor="bottom")
    figure.update_xaxes(title="step")
    return _styled(figure, "learned scalar a", height, legend=not shared)


def _values(group: Group, attention: str, metric: Metric) -> dict[int, float]:
    """The figure of a variant's runs by seed, as people read it."""
    found = {seed: metric.of(row) for seed, row in group.runs(attention).items()}
    return {seed: value * metric.scale for seed, value in found.items() if value is not None}


def _add_runs(figure: go.Figure, steps: Array, values: Array, name: str, said: str) -> None:
    for each in values:
        figure.add_scatter(
            x=steps,
            y=each,
            mode="lines",
            line={"color": COLOURS[name], "width": 1},
            opacity=_FAINT,
            legendgroup=name,
            showlegend=False,
            hoverinfo="skip",
            name=f"{NAMES[name]}, run",
        )
    if len(values):
        figure.add_scatter(
            x=steps,
            y=values.mean(axis=0),
            mode="lines+markers",
            marker={"size": 5, "symbol": _SYMBOLS[name]},
            line={"color": COLOURS[name], "width": 2},
            legendgroup=name,
            name=NAMES[name],
            hovertemplate=f"{NAMES[name]}, {said}<extra></extra>",
        )


def _add_band(figure: go.Figure, band: Band, name: str, said: str) -> None:
    """The mean, over what its interval encloses: three traces, upper end, lower end, mean."""
    if band.low is not None and band.high is not None:
        edge = {"x": band.x, "mode": "lines", "line": {"width": 0, "color": COLOURS[name]}, "hoverinfo": "skip"}
        figure.add_scatter(**edge, y=band.high, showlegend=False, legendgroup=name, name=f"{NAMES[name]}, upper")
        red, green, blue = (int(COLOURS[name][i : i + 2], 16) for i in (1, 3, 5))
        figure.add_scatter(
            **edge,
            y=band.low,
            fill="tonexty",
            fillcolor=f"rgba({red},{green},{blue},0.25)",
            showlegend=False,
            legendgroup=name,
            name=f"{NAMES[name]}, lower",
        )
    figure.add_scatter(
        x=band.x,
        y=band.mean,
        mode="lines",
        line={"color": COLOURS[name], "width": 2},
        legendgroup=name,
        name=NAMES[name],
        hovertemplate=f"{NAMES[name]}, {said}<extra></extra>",
    )


def _styled(figure: go.Figure, title: str, height: int, *, legend: bool = False) -> go.Figure:
    figure.add_annotation(text=title, xref="paper", yref="paper", x=0, y=1, xanchor="left", yanchor="bottom", yshift=6)
    figure.update_annotations(showarrow=False, font_size=12)
    figure.update_xaxes(showgrid=False, zeroline=False, fixedrange=True)
    figure.update_yaxes(showgrid=False, zeroline=False, fixedrange=True, nticks=6)
    figure.update_layout(
        height=height,
        showlegend=legend,
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"},
        dragmode=False,
        margin={"l": 0, "r": 8, "t": 34, "b": 0},
    )
    return figure
