"""The table under the drawing board: what a drawing attends to, block by block, and in which class it comes to lie."""

from __future__ import annotations

import base64
from typing import Any

import pandas as pd
import streamlit as st

from dr_transformer.canvas.drawn import N_SHOWN, DrawnRun
from dr_transformer.data.drawing import Pixels, png

_ROW = 36  # pixels: an image of 28 × 28 and some air


def drawn_table(shown: DrawnRun) -> None:
    """Draw a row a block: nearest class, images of the tokens attended to, their classes and weights."""
    frame = _frame(shown)
    st.dataframe(
        frame,
        hide_index=True,
        key="drawn_table",
        row_height=_ROW,
        height=_ROW * (min(len(frame), 9) + 1) + 3,
        column_config=_columns(),
    )


def _frame(shown: DrawnRun) -> pd.DataFrame:
    images = shown.run.dataset.images
    assert images is not None
    rows = []
    for row in shown.table():
        told = {"block": row["block"]}
        if "nearest class" in row:
            told["nearest class"] = f"{row['nearest class']} ({row['neighbours']})"
        told |= {f"attends to {i + 1}": _picture_url(images[token]) for i, token in enumerate(row["attended"])}
        told["weights"] = "  ".join(f"{100 * weight:.2g}" for weight in row["weights"])
        if row["classes"]:
            told["their classes"] = ", ".join(row["classes"])
        rows.append(told)
    return pd.DataFrame(rows)


def _columns() -> dict[str, Any]:
    column = st.column_config
    helps = {
        "block": column.NumberColumn(width=50, help="0 is before the first block; the others are after each."),
        "nearest class": column.TextColumn(width=90, help="The class of most of the 5 nearest tokens (5-NN)."),
        "weights": column.TextColumn("weights, %", width=150, help="Of all its attention, what these five get."),
        "their classes": column.TextColumn(help="The classes of these five."),
    }
    images = {
        f"attends to {i + 1}": column.ImageColumn(f"{i + 1}.", width=40, help="Attended to most, in the next block.")
        for i in range(N_SHOWN)
    }
    return helps | images


def _picture_url(image: Pixels) -> str:
    return f"data:image/png;base64,{base64.b64encode(png(image)).decode()}"
