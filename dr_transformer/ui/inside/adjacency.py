"""The section "Attention is a graph": one row of A, all of A as an image, its figures, and α tuned to the kNN graph."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st

from dr_transformer.canvas.parts import classes
from dr_transformer.canvas.picture import colourings, picture
from dr_transformer.charts.attention import (
    HISTOGRAM_HEIGHT,
    neighbours_histogram,
    rounded,
)
from dr_transformer.config import Config, ViewConfig
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.adjacency import AdjacencyRun
from dr_transformer.engine.run import Run
from dr_transformer.engine.waiting import next_look
from dr_transformer.ui import session
from dr_transformer.ui.canvas import last_depth, run_canvas
from dr_transformer.ui.charts import show_depth_curves, steady_chart, tables_behind
from dr_transformer.ui.inside.alpha import alpha_section
from dr_transformer.ui.inside.jobs import adjacency_run, section_run
from dr_transformer.ui.inside.matrix import keep_place, matrix_section
from dr_transformer.ui.inside.neighbours import (
    CANVAS,
    N_SHOWN,
    choose_neighbors,
    chosen_token,
    percent,
    show_neighbours,
)
from dr_transformer.ui.poll import poll
from dr_transformer.ui.sidebar import Settings, view_bar
from dr_transformer.ui.text import HILL, picture_in_words, refusal, status_line

_HEIGHT = 330


def show(dataset: Dataset, config: Config, settings: Settings) -> None:
    """Draw the section; raises `InputError` for what cannot be shown."""
    run = section_run(dataset, config)
    with st.container(horizontal=True):
        with st.container(width="stretch"):
            _explain(config)
        n_neighbors = choose_neighbors(settings, run.dataset.n_samples)
    view_bar()
    _section(run, settings.view(), n_neighbors)
    alpha_section(run.dataset, config, n_neighbors)


def _explain(config: Config) -> None:
    st.markdown(
        "The softmax of attention gives each token a weight for every other: a row of $A$, which sums to 1. Read as "
        "edges, **$A$ is a soft neighbour graph**, and $I - A$ its random-walk Laplacian (paper, section 3)."
    )
    st.latex(
        r"A_{ij} = \frac{\exp\left(\frac{\alpha n}{q}\, x_i^\top x_j\right)}"
        r"{\sum_{k \ne i} \exp\left(\frac{\alpha n}{q}\, x_i^\top x_k\right)},\quad A_{ii} = 0"
        if config.mask_self
        else r"A_{ij} = \frac{\exp\left(\frac{\alpha n}{q}\, x_i^\top x_j\right)}"
        r"{\sum_{k} \exp\left(\frac{\alpha n}{q}\, x_i^\top x_k\right)}"
    )
    st.caption(
        "[arXiv 2507.21040](https://arxiv.org/abs/2507.21040), section 4.1; with several heads, of each head, and A is "
        "their mean."
    )


@st.fragment
def _section(run: Run, view: ViewConfig, n_neighbors: int) -> None:
    adjacency = adjacency_run(run, n_neighbors)
    drawing = session.drawing(run, view)
    pending = not (run.finished and adjacency.finished and drawing.finished)
    st.subheader("One row: what a token attends to", anchor=False)
    st.markdown(
        "Click a point, or choose a token here, and move the depth. Lines: the most attended, thicker for more."
    )
    token, pin = chosen_token(run)
    shown = picture(drawing, last_depth())
    depth = float(run.config.n_blocks)
    place = st.container(gap=None)
    with place:
        if shown is not None:
            only = replace(shown, panels=shown.panels[-1:])
            lines = session.attended(run, token, N_SHOWN)
            depth = run_canvas(run, only, colourings(run.analysis), lines, height=_HEIGHT, pinned=pin, key=CANVAS)
    st.caption(status_line(run, shown))
    picture_in_words(run, depth)
    block = min(int(depth + 1e-9), max(0, run.block))
    if adjacency.wanted != block:
        session.tell(adjacency, wanted=block)
    with st.container():
        if token is not None and run.block >= block:
            show_neighbours(run, token, block, None if adjacency.graph is None else adjacency.graph.indices[token])
        elif token is None:
            st.caption("No token is chosen: click a point.")
    pending |= not (run.finished and adjacency.finished)  # of which more may be wanted now
    pending |= matrix_section(run, block, n_neighbors)
    _figures(run, adjacency, block)
    with place:
        poll(pending, seconds=next_look(run), key="adjacency_poll")


def _figures(run: Run, adjacency: AdjacencyRun, block: int) -> None:
    """Histogram and curves: there from the start, still empty, so that nothing moves when they come."""
    st.subheader("How many neighbours, and the true ones?", anchor=False)
    st.markdown(
        "The entropy $H_i$ of a row, in nats, says over how many tokens it spreads: over $e^{H_i}$ in effect, as many "
        "as would have that entropy in equal shares."
    )
    st.latex(r"H_i = -\sum_j A_{ij} \log A_{ij}")
    st.caption(f"Shannon's entropy; its exponential as a number of equal shares: {HILL}.")
    blocks, k = dict(adjacency.blocks), adjacency.n_neighbors
    here = blocks.get(block)
    in_order = [blocks.get(b) for b in range(max(blocks, default=-1) + 1)]
    if adjacency.error:
        st.error(refusal(adjacency.error))
    with st.container():
        if here is None:
            keep_place(HISTOGRAM_HEIGHT)
        else:
            chart = neighbours_histogram(here.effective)
            steady_chart(chart, key="effective")
            tables_behind({"effective number of neighbours": chart}, key="effective", label="Histogram as a table")
            st.markdown(figures_sentence(run, adjacency, block))
    curves = {
        "median effective number": [b and float(np.median(b.effective)) for b in in_order],
        "mass on true neighbours": [b and float(b.mass.mean()) for b in in_order],
        "true among most attended": [b and float(b.overlap.mean()) for b in in_order],
    }
    if run.dataset.labels is not None and len(classes(run.dataset)[1]) > 1:
        curves["mass inside the class"] = [b and b.within for b in in_order]
    show_depth_curves(curves, n_blocks=run.config.n_blocks, canvas=CANVAS)
    st.caption(
        f"True neighbours: each token's own {k} nearest in the pixels, not the symmetrised graph. Mass: the part of "
        f"its attention that they get; then the share of them among its {k} most attended. {len(blocks)} of "
        f"{run.config.n_blocks + 1} blocks."
    )


def figures_sentence(run: Run, adjacency: AdjacencyRun, block: int) -> str:
    """Say one block's figures in words."""
    here, k = adjacency.blocks[block], adjacency.n_neighbors
    effective = float(np.median(here.effective))
    said = (
        f"At block {block} half of the tokens attend to {rounded(effective)} others or fewer in effect (entropy "
        f"{np.log(effective):.2f} nats; uniform would be {np.log(run.dataset.n_samples - 1):.2f}). "
        f"**{percent(here.mass.mean())} of the attention lies on the {k} nearest in the pixels**; of these {k}, "
        f"{percent(here.overlap.mean())} are among the {k} most attended."
    )
    if here.within is not None:
        labels = classes(run.dataset)[0]
        by_chance = float(np.square(np.bincount(labels) / len(labels)).sum())
        said += f" {here.within:.0%} stays inside the class, by chance {by_chance:.0%}."
    return said
