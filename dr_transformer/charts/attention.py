"""Charts of attention as a graph and of its spectrum, by Plotly."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from dr_transformer.charts.depth import depth_range
from dr_transformer.charts.figure import GREY, ZOOMS, series, titled
from dr_transformer.data.mnist import count
from dr_transformer.engine.alpha import cross_entropy_at
from dr_transformer.palette import SEQUENTIAL
from dr_transformer.theory.alpha_tuning import AlphaCurve
from dr_transformer.types import Floats

_ACCENT = SEQUENTIAL[len(SEQUENTIAL) // 2]
_SCALE = [[i / (len(SEQUENTIAL) - 1), colour] for i, colour in enumerate(SEQUENTIAL)]
_LEAST = -1.0  # log₁₀ of what is drawn darkest: a tenth of uniform attention
_BINS = 40
_AT = "α = %{x:g}: %{y:.3f}"
MATRIX_HEIGHT, HISTOGRAM_HEIGHT = 520, 230  # CSS pixels


def rounded(number: float) -> str:
    """The number for people, with three digits at least and no exponent: 4 467, 32.1."""
    return count(round(number)) if number >= 100 else f"{number:.3g}"


def over_uniform(image: Floats, n_samples: int) -> Floats:
    """An `attention_image` (m, m) of n tokens over what uniform attention, 1/(n − 1) each, would give: log₁₀, ≥ −1."""
    m = len(image)
    sizes = np.diff(np.append(np.arange(m) * n_samples // m, n_samples))
    return np.log10(np.maximum(image * (n_samples - 1) / sizes, 10**_LEAST))


def brightest(image: Floats, n_samples: int) -> float:
    """Return what is drawn brightest, log₁₀ of a multiple of uniform attention: all but a thousandth of the image
    is below.
    """
    return max(1.0, float(np.quantile(over_uniform(image, n_samples), 0.999)))


def distance_from_diagonal(image: Floats) -> float:
    """Return how far from the diagonal attention lies on average, 0 … 1 of the side; in random order it is 1/3.

    `image` is an `attention_image` (m, m): right to half a pixel.
    """
    m = len(image)
    apart = np.abs(np.subtract.outer(np.arange(m), np.arange(m)))
    return float((image * apart).sum() / (m * image.sum()))


def matrix_chart(
    image: Floats, n_samples: int, labels: npt.NDArray[np.integer] | None = None, class_names: Sequence[str] = ()
) -> go.Figure:
    """An `attention_image` (m, m) of n tokens; `labels` (n,), in the image's order, mark where a class ends."""
    m, top = len(image), brightest(image, n_samples)
    width = n_samples / m
    ticks = np.arange(_LEAST, top + 1e-9)
    heat = go.Heatmap(
        z=over_uniform(image, n_samples).astype(np.float32),
        x0=width / 2,
        dx=width,
        y0=width / 2,
        dy=width,
        zmin=_LEAST,
        zmax=top,
        colorscale=_SCALE,
        colorbar={
            "tickvals": ticks,
            "ticktext": [f"{10**tick:g}×" for tick in ticks],
            "orientation": "h",
            "thickness": 10,
            "len": 0.8,  # else the number at its end has no room
            "outlinewidth": 0,
            "y": 1,
            "yanchor": "bottom",
            "title": {"text": "times uniform attention", "side": "top"},
        },
        hovertemplate="about token %{y:.0f} to %{x:.0f}: 10<sup>%{z:.1f}</sup> times uniform<extra></extra>",
    )
    axis: dict[str, Any] = {**ZOOMS, "constrain": "domain"}
    shapes = []
    if labels is not None:
        edges = np.concatenate([[0], 1 + np.flatnonzero(np.diff(labels)), [n_samples]])
        line = {"type": "line", "line": {"color": "white", "width": 1}, "opacity": 0.6}
        shapes += [{**line, "x0": edge, "x1": edge, "y0": 0, "y1": n_samples} for edge in edges[1:-1]]
        shapes += [{**line, "y0": edge, "y1": edge, "x0": 0, "x1": n_samples} for edge in edges[1:-1]]
        if len(edges) <= 21:  # more names would overlap
            names = [class_names[labels[edge]] for edge in edges[:-1]]
            axis |= {"tickvals": [(a + b) / 2 for a, b in pairwise(edges)], "ticktext": names, "ticks": ""}
    x = {**axis, "range": [0, n_samples], "title": "attended token"}
    # Rows from the top, as a matrix is written.
    y = {**axis, "range": [n_samples, 0], "title": "attending token", "scaleanchor": "x", "autorange": False}
    margin = {"r": 0, "t": 8}
    return titled("", [heat], height=MATRIX_HEIGHT, x=x, y=y, margin=margin, dragmode="zoom", shapes=shapes)


def neighbours_histogram(effective: Floats) -> go.Figure:
    """Return how many tokens have how many neighbours in effect (n,), exp of the row entropy, in bins equal in
    the entropy.
    """
    most = np.log(max(len(effective) - 1, 2))
    counts, edges = np.histogram(np.log(effective).clip(0, most), _BINS, (0, most))
    low, high = np.exp(edges[:-1]), np.exp(edges[1:])
    bars = go.Bar(
        x=low,
        y=counts,
        offset=0,
        width=(high - low) * 0.95,
        customdata=high,
        marker={"color": GREY},
        hovertemplate="%{y} tokens: %{x:.3~g} to %{customdata:.3~g} in effect<extra></extra>",
    )
    x = {
        "type": "log",
        "range": [0, most / np.log(10)],
        "tickvals": 10.0 ** np.arange(int(most / np.log(10)) + 1),
        "title": "tokens attended to in effect, exp H (logarithmic)",
    }
    y = {"title": "tokens", "nticks": 4, "zeroline": True}
    figure = titled("", [bars], height=HISTOGRAM_HEIGHT, x=x, y=y, margin={"t": 24})
    median = float(np.median(effective))
    figure.add_vline(x=median, line={"color": _ACCENT, "width": 2})
    figure.add_annotation(x=np.log10(median), y=1, yref="paper", yanchor="bottom", text=f"median {rounded(median)}")
    return figure


def alpha_chart(curve: AlphaCurve, alpha: float) -> go.Figure:
    """Cross-entropy to the kNN graph over α: computed (points), between them by their slopes; optimum and `alpha`."""
    between = np.geomspace(curve.alphas[0], curve.alphas[-1], 200)
    slopes = series(between, cross_entropy_at(curve, between), width=2)
    computed = series(curve.alphas, curve.agreement.cross_entropy, hover=_AT, size=6)
    title = "cross-entropy to the kNN graph, nats"
    return _over_alpha(title, [slopes, computed], curve, curve.best_cross_entropy, alpha)


def mass_chart(curve: AlphaCurve, alpha: float) -> go.Figure:
    """The part of A that lies on true neighbours, over α."""
    computed = series(curve.alphas, curve.agreement.mass, hover=_AT, width=2, size=6)
    return _over_alpha("attention on true neighbours", [computed], curve, curve.best_mass, alpha)


def _over_alpha(title: str, traces: Sequence[go.Scatter], curve: AlphaCurve, value: float, alpha: float) -> go.Figure:
    """Draw `traces`, the optimum, which is at `value`, and where `alpha` is."""
    low, high = float(curve.alphas[0]), float(curve.alphas[-1])
    x = {
        "type": "log",
        "range": np.log10([low / 1.08, high * 1.08]).tolist(),
        "tickvals": [tick for tick in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if low <= tick <= high],
        "title": "α (logarithmic)",
    }
    y = {"nticks": 5, "tickformat": ".3~g"}
    said = "optimum: α = %{x:.1f}, %{y:.3f}"
    best = series([curve.best], [value], "optimum", said, colour=_ACCENT, size=13, symbol="diamond")
    figure = titled(title, [*traces, best], height=260, x=x, y=y, above=16, margin={"t": 46})
    figure.add_vline(x=alpha, line={"color": GREY, "width": 1.5, "dash": "dot"})
    if low <= alpha <= high:
        now: dict[str, Any] = {"x": np.log10(alpha), "text": f"now {alpha:g}", "xanchor": "center"}
    else:
        now = {"x": 1, "xref": "paper", "text": f"now {alpha:g}, beyond →", "xanchor": "right"}
    figure.add_annotation(**now, y=1, yref="paper", yanchor="bottom")
    return figure


def eigenvalue_chart(eigenvalues: Sequence[Floats], *, n_blocks: int) -> go.Figure:
    """λ of I − A over depth, a line for each (k,), and a line across at ½."""
    y = {"range": [0, 1.02], "tickvals": [0, 0.25, 0.5, 0.75, 1]}
    figure = _over_depth("eigenvalues λ of I − A", eigenvalues, n_blocks, "λ", y)
    figure.add_hline(y=0.5, line={"color": GREY, "width": 1, "dash": "dash"})
    return figure


def angle_chart(angles: Sequence[Floats], *, n_blocks: int) -> go.Figure:
    """Principal angles (k,), in radians, over depth, in degrees."""
    y = {"range": [0, 92], "tickvals": [0, 30, 60, 90], "ticksuffix": "°"}
    return _over_depth("principal angles to Laplacian Eigenmaps", [*map(np.degrees, angles)], n_blocks, "angle", y)


def _over_depth(title: str, rows: Sequence[Floats], n_blocks: int, name: str, y: dict[str, Any]) -> go.Figure:
    """One line for each of k values, the first darkest, over the blocks there are so far."""
    values = np.array(rows).reshape(len(rows), -1)
    k = values.shape[1]
    lines = [
        series(
            np.arange(len(values)),
            values[:, j],
            f"{name} {j + 1}",
            f"block %{{x}}: {name} {j + 1} = %{{y:.3~g}}",
            colour=SEQUENTIAL[j * (len(SEQUENTIAL) - 1) // max(1, k - 1)],
            width=1.5,
        )
        for j in range(k)
    ]
    return titled(title, lines, height=240, x={"range": depth_range(n_blocks), "nticks": 9}, y=y)
