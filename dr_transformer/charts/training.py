"""Charts of training over its iterations, by Plotly: losses, their differences, the learned scalar a."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from dr_transformer.charts.diffusion import COLOURS, FAINT, GREY, SYMBOLS, styled
from dr_transformer.palette import SEQUENTIAL
from dr_transformer.training.outcome import NAMES
from dr_transformer.training.pairs import Group, LossDifference, Metric, curves
from dr_transformer.training.statistics import Band, mean_band
from dr_transformer.types import Floats

_BRIGHTEST = 104  # of SEQUENTIAL that a line may have on white

Points = tuple[Sequence[float], Sequence[float]]  # x, y


def loss_difference_chart(differences: Sequence[LossDifference], *, height: int = 300) -> go.Figure:
    """Training loss minus standard attention's over the iterations, each with its band; below 0 learns faster."""
    figure = go.Figure()
    for difference in differences:
        _add_band(figure, difference.band, difference.attention, "iteration %{x:.0f}: %{y:+.4f} nats")
    figure.add_hline(y=0, line={"color": GREY, "width": 1, "dash": "dash"})
    figure.update_xaxes(title="iteration")
    return styled(figure, "training loss minus that of A, nats", height, legend=True)


def validation_chart(group: Group, metric: Metric, *, height: int = 300) -> go.Figure:
    """The validation figure over the steps: a faint line for each run, and the mean of each variant."""
    figure = go.Figure()
    for name in group.attentions:
        rows = list(group.runs(name).values())
        steps, values = curves(rows, metric.name)
        _add_runs(figure, steps, values * metric.scale, name, f"step %{{x}}: %{{y:.{metric.decimals}f}} {metric.unit}")
    figure.update_xaxes(title="step")
    return styled(figure, f"{metric.title.removeprefix('best ')}, {metric.unit}", height, legend=True)


def live_chart(
    runs: Mapping[str, Sequence[Points]], training: tuple[str, Points] | None = None, *, height: int = 260
) -> go.Figure:
    """Validation loss of the runs so far, (steps, values) of each by variant; the last of each is the heaviest.

    `training`: of the run under way, its variant and training loss, dotted.
    """
    figure = go.Figure()
    if training is not None:
        name, (steps, values) = training
        figure.add_scatter(
            x=list(steps),
            y=list(values),
            mode="lines",
            line={"color": COLOURS[name], "width": 1, "dash": "dot"},
            name=f"{NAMES[name]}, training",
            hovertemplate="training, iteration %{x:.0f}: %{y:.4f}<extra></extra>",
        )
    for name, each in runs.items():
        for i, (steps, values) in enumerate(each):
            last = i == len(each) - 1
            figure.add_scatter(
                x=list(steps),
                y=list(values),
                mode="lines+markers" if last else "lines",
                marker={"size": 4, "symbol": SYMBOLS[name]},
                line={"color": COLOURS[name], "width": 2 if last else 1},
                opacity=1 if last else FAINT,
                name=NAMES[name],
                legendgroup=name,
                showlegend=last,
                hovertemplate=f"{NAMES[name]}, step %{{x}}: %{{y:.4f}}<extra></extra>",
            )
    figure.update_xaxes(title="step")
    return styled(figure, "validation loss, nats", height, legend=True)


def learned_a_chart(steps: Floats, layers: Floats, *, height: int = 300) -> go.Figure:
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
            opacity=FAINT if shared else 1,
            name=name,
            hovertemplate=f"{name}, step %{{x}}: a = %{{y:.3f}}<extra></extra>",
            showlegend=not shared,
        )
    band = mean_band(steps, layers.mean(axis=2))
    figure.add_scatter(
        x=band.x,
        y=band.mean,
        mode="lines",
        line={"color": GREY, "width": 3},
        name="mean",
        hovertemplate="mean, step %{x}: a = %{y:.3f}<extra></extra>",
    )
    for level, text in ((0, "A"), (1, "A − I")):
        figure.add_hline(y=level, line={"color": GREY, "width": 1, "dash": "dot"})
        figure.add_annotation(x=1, xref="paper", y=level, text=text, xanchor="right", yanchor="bottom")
    figure.update_xaxes(title="step")
    return styled(figure, "learned scalar a", height, legend=not shared)


def _add_runs(figure: go.Figure, steps: Floats, values: Floats, name: str, said: str) -> None:
    for each in values:
        figure.add_scatter(
            x=steps,
            y=each,
            mode="lines",
            line={"color": COLOURS[name], "width": 1},
            opacity=FAINT,
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
            marker={"size": 5, "symbol": SYMBOLS[name]},
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
