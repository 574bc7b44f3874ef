"""Curves over depth that come, go and grow as people press, for the browser tests; no canvas."""

import streamlit as st

from dr_transformer.ui.charts import show_depth_curves

N_BLOCKS = 4
CURVES = {
    "share": [0.125, 0.25, 0.5, 0.75, 1.0],
    "rank": [16.0, 8.0, 4.0, 2.0, 1.0],
    "count": [3.0, None, 1.0, 7.0, 5.0],
}

known = st.number_input("Blocks", 1, N_BLOCKS + 1, N_BLOCKS + 1)  # of the first curve; the others do not change
chosen = st.pills("Curves", list(CURVES), selection_mode="multi", default=list(CURVES))
curves = {name: CURVES[name][: known if name == "share" else None] for name in chosen}
show_depth_curves(curves, n_blocks=N_BLOCKS)
st.text(f"{known} blocks of {', '.join(sorted(chosen))}.")
