"""Charts of training over its iterations, by Plotly: losses, their differences, the learned scalar a."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import plotly.graph_objects as go

from dr_transformer.charts.diffusion import COLOURS, FAINT, SYMBOLS, of_variant, trained
from dr_transformer.charts.figure import GREY, series
from dr_transformer.palette import SEQUENTIAL
from dr_transformer.training.outcome import NAMES
from dr_transformer.training.pairs import Group, LossDifference, Metric, curves
from dr_transformer.training.statistics import Band, mean_band
from dr_transformer.types import Floats

_BRIGHTEST = 104  # of SEQUENTIAL that a line may have on white
_THIN: dict[str, Any] = {"width": 1, "opacity": FAINT}

Points = tuple[Sequence[float], Sequence[float]]  # x, y


def loss_difference_chart(differences: Sequence[LossDifference], *, height: int = 300) -> go.Figure:
    """Training loss minus standard attention's over the iterations, each with its band; below 0 learns faster."""
    said = "iteration %{x:.0f}: %{y:+.4f} nats"
    traces = chain.from_iterable(_band(each.band, each.attention, said) for each in differences)
    title = "training loss minus that of A, nats"
    figure = trained(title, traces, height=height, x={"title": "iteration"}, legend=True)
    figure.add_hline(y=0, line={"color": GREY, "width": 1, "dash": "dash"})
    return figure


def validation_chart(group: Group, metric: Metric, *, height: int = 300) -> go.Figure:
    """The validation figure over the steps: a faint line for each run, and the mean of each variant."""
    traces = []
    for name in group.attentions:
        steps, values = curves(list(group.runs(name).values()), metric.name)
        said = f"step %{{x}}: %{{y:.{metric.decimals}f}} {metric.unit}"
        traces += _runs(steps, values * metric.scale, name, said)
    title = f"{metric.title.removeprefix('best ')}, {metric.unit}"
    return trained(title, traces, height=height, x={"title": "step"}, legend=True)


def live_chart(
    runs: Mapping[str, Sequence[Points]], training: tuple[str, Points] | None = None, *, height: int = 260
) -> go.Figure:
    """Validation loss of the runs so far, (steps, values) of each by variant; the last of each is the heaviest.

    `training`: of the run under way, its variant and training loss, dotted.
    """
    traces = []
    if training is not None:
        name, (steps, values) = training
        hover = "training, iteration %{x:.0f}: %{y:.4f}"
        look: dict[str, Any] = {"colour": COLOURS[name], "width": 1, "dash": "dot"}
        traces.append(series(list(steps), list(values), f"{NAMES[name]}, training", hover, **look))
    for name, each in runs.items():
        for i, (steps, values) in enumerate(each):
            last = i == len(each) - 1
            look = {"width": 2, "size": 4, "symbol": SYMBOLS[name], "opacity": 1} if last else _THIN
            x, y = list(steps), list(values)
            traces.append(of_variant(name, x, y, "step %{x}: %{y:.4f}", legendgroup=name, showlegend=last, **look))
    return trained("validation loss, nats", traces, height=height, x={"title": "step"}, legend=True)


def learned_a_chart(steps: Floats, layers: Floats, *, height: int = 300) -> go.Figure:
    """The scalar a of A − aI over the steps. `layers` is (n, k, blocks), or (n, k, 1) where all blocks share one.

    One a: a faint line for each run. One a block: its mean over the runs, the first block darkest. Heavy: the mean of
    all. A is at 0 and A − I at 1.
    """
    n_layers = layers.shape[2]
    shared = n_layers == 1
    traces = []
    for i, values in enumerate(layers[:, :, 0] if shared else layers.mean(axis=0).T):
        colour = COLOURS["learned"] if shared else SEQUENTIAL[i * _BRIGHTEST // max(1, n_layers - 1)]
        name, look = ("runs", _THIN) if shared else (f"block {i + 1}", {"width": 1.5, "opacity": 1})
        hover = f"{name}, step %{{x}}: a = %{{y:.3f}}"
        traces.append(series(steps, values, name, hover, colour=colour, showlegend=not shared, **look))
    band = mean_band(steps, layers.mean(axis=2))
    traces.append(series(band.x, band.mean, "mean", "mean, step %{x}: a = %{y:.3f}", width=3))
    figure = trained("learned scalar a", traces, height=height, x={"title": "step"}, legend=not shared)
    for level, text in ((0, "A"), (1, "A − I")):
        figure.add_hline(y=level, line={"color": GREY, "width": 1, "dash": "dot"})
        figure.add_annotation(x=1, xref="paper", y=level, text=text, xanchor="right", yanchor="bottom")
    return figure


def _runs(steps: Floats, values: Floats, name: str, said: str) -> list[go.Scatter]:
    """Make a faint line for each run, and their mean."""
    hidden = {"legendgroup": name, "showlegend": False, **_THIN}
    traces = [of_variant(name, steps, each, None, f"{NAMES[name]}, run", **hidden) for each in values]
    if len(values):
        mean, symbol = values.mean(axis=0), SYMBOLS[name]
        traces.append(of_variant(name, steps, mean, said, width=2, size=5, symbol=symbol, legendgroup=name))
    return traces


def _band(band: Band, name: str, said: str) -> list[go.Scatter]:
    """Make three traces: upper end of the interval, lower end, between which it is filled, and the mean."""
    traces = []
    if band.low is not None and band.high is not None:
        hidden: dict[str, Any] = {"legendgroup": name, "showlegend": False, "width": 0}
        red, green, blue = (int(COLOURS[name][i : i + 2], 16) for i in (1, 3, 5))
        fill = {"fill": "tonexty", "fillcolor": f"rgba({red},{green},{blue},0.25)"}
        traces.append(of_variant(name, band.x, band.high, None, f"{NAMES[name]}, upper", **hidden))
        traces.append(of_variant(name, band.x, band.low, None, f"{NAMES[name]}, lower", **hidden, **fill))
    return [*traces, of_variant(name, band.x, band.mean, said, width=2, legendgroup=name)]
