"""All rows of A: an image, and the table behind it, which opens under it."""

from __future__ import annotations

import functools

import pandas as pd
import streamlit as st

from dr_transformer.charts.attention import (
    MATRIX_HEIGHT,
    brightest,
    distance_from_diagonal,
    matrix_chart,
    rounded,
)
from dr_transformer.charts.matrix_tables import BY_CHANCE, ClassAttention, cell_table, class_table
from dr_transformer.engine.adjacency import ORDERS, MatrixImage
from dr_transformer.engine.run import Run
from dr_transformer.quality.words import has_classes
from dr_transformer.ui.charts import steady_chart
from dr_transformer.ui.inside.jobs import matrix_image
from dr_transformer.ui.session import submit
from dr_transformer.ui.state import remembered
from dr_transformer.ui.text import grouped, refusal


def matrix_section(run: Run, block: int, n_neighbors: int) -> bool:
    """Draw A as an image, the last one of this run while another is computed; return whether one is."""
    st.subheader("All rows: A as an image", anchor=False)
    possible = [order for order in ORDERS if order != "class" or run.dataset.labels is not None]
    with remembered("matrix", {"matrix_order": possible[0]}):
        if st.session_state["matrix_order"] not in possible:
            st.session_state["matrix_order"] = possible[0]
        order = st.segmented_control(
            "Order of the tokens",
            possible,
            required=True,
            format_func=ORDERS.__getitem__,
            key="matrix_order",
            help="Of rows and columns alike. The Fiedler vector of the pixels' kNN graph puts neighbours together.",
        )
    made = matrix_image(run, block, str(order), n_neighbors)
    pending = not made.finished  # asked first: what is drawn below is then all there is, or is drawn again
    last: MatrixImage | None = st.session_state.get("matrix_shown")
    if made.image is not None or last is None or last.run is not run:
        st.session_state["matrix_shown"] = last = made
    with st.container():
        if made.error:
            st.error(refusal(made.error))
        elif last.image is None:
            keep_place(MATRIX_HEIGHT)
        else:
            _draw_matrix(run, last)
            pending |= matrix_table(run, last)
    return pending


def _draw_matrix(run: Run, made: MatrixImage) -> None:
    n, image = run.dataset.n_samples, made.image
    assert image is not None
    chart = matrix_chart(image, n, made.labels, run.dataset.class_names)
    with st.container(horizontal=True):
        with st.container(width=520):
            steady_chart(chart, key="matrix", config=None)
        with st.container(width="stretch"):
            side = n / len(image)
            pooled = f"; each pixel a mean over {side:.3g} × {side:.3g} entries" if side > 1 else ""
            size = f"{grouped(n)} × {grouped(n)}"
            st.markdown(f"**A at block {made.block}**, {size}, rows and columns {ORDERS[made.order]}{pooled}.")
            st.markdown(
                f"Its weight lies on average {distance_from_diagonal(image):.2f} of the side away from the diagonal; "
                "in random order that would be 0.33. The nearer, the more of the graph this order shows."
            )
            if made.labels is not None:
                st.markdown("Lines mark where a class ends; inside a class, tokens are along the Fiedler vector.")
            st.caption(
                "Colour, logarithmic: attention over uniform attention, 1/(n − 1); darkest at a tenth of it or less, "
                f"brightest at {rounded(10 ** brightest(image, n))} times it or more."
            )


def keep_place(height: int) -> None:
    """Keep a chart's place, so that nothing moves when it comes."""
    with st.container(height=height, border=False):
        st.caption("Computing …")


def matrix_table(run: Run, made: MatrixImage) -> bool:
    """Draw classes by classes, or cell by cell where there are none. Nothing is computed while it is closed.

    Returns whether there is something to wait for.
    """
    classes = has_classes(run.dataset.labels)
    label = "Attention between classes as a table" if classes else "Cells as a table"
    section = st.expander(label, key="matrix_table", on_change="rerun", type="compact")
    if not section.open:
        return False
    with section:
        if classes:
            return _classes(run, made.block)
        _cells(run, made)
    return False


def _classes(run: Run, block: int) -> bool:
    job = _class_attention(run, block)
    pending = not job.finished  # asked first: what is drawn below is then all there is, or is drawn again
    if job.error:
        st.error(refusal(job.error))
    elif job.shares is None:
        st.caption("Computing …")
    else:
        assert run.dataset.labels is not None
        _table(class_table(job.shares, run.dataset.labels, run.dataset.class_names), 600)
        st.caption(
            f"Block {block}, over all of A, not its image: which share of the attention that the tokens of a class pay "
            f"goes to each class, on average. Rows sum to 1. Uniform attention would give a class its {BY_CHANCE}."
        )
    return pending


def _cells(run: Run, made: MatrixImage) -> None:
    assert made.image is not None
    table = cell_table(made.image, run.dataset.n_samples)
    _table(table, 300)
    side = len(made.image)
    which = (
        f"All {grouped(side**2)} cells"
        if len(table) == side**2
        else (
            f"The {grouped(len(table))} of {grouped(side**2)} cells with the most attention; together they hold "
            f"{table['attention'].sum() / side:.0%} of it"
        )
    )
    st.caption(f"{which}. Tokens are counted from 0 in the order of the image; a range is a cell of several.")


def _table(frame: pd.DataFrame, most: int) -> None:
    height = min(35 * (len(frame) + 1) + 3, most)
    st.dataframe(frame.round(4), hide_index=True, key="matrix_table_0", height=height)


def _class_attention(run: Run, block: int) -> ClassAttention:
    key = ("class attention", id(run), block)  # no other can have this id while the job holds the run
    make = functools.partial(ClassAttention, run, block)
    return submit("class attention", key, make)
