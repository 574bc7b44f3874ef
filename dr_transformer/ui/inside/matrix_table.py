"""The table behind the image of A, which opens under it."""

from __future__ import annotations

import functools

import pandas as pd
import streamlit as st

from dr_transformer.charts.matrix_tables import BY_CHANCE, ClassAttention, cell_table, class_table
from dr_transformer.engine.adjacency import MatrixImage
from dr_transformer.engine.run import Run
from dr_transformer.quality.words import has_classes
from dr_transformer.ui.session import runner, session_name
from dr_transformer.ui.text import capitalised, grouped


def matrix_table(run: Run, made: MatrixImage) -> bool:
    """Classes by classes, or cell by cell where there are none. Nothing is computed while it is closed.

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
        st.error(capitalised(job.error))
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
    return runner().submit(key, make, (session_name(), "class attention"))
