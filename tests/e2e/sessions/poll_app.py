"""A script whose fragment polls until it has run some times, for the browser tests."""

import streamlit as st

from dr_transformer.ui.poll import poll

RUNS = 5


@st.fragment
def waiting() -> None:
    runs = st.session_state["runs"] = st.session_state.get("runs", 0) + 1
    poll(runs < RUNS, seconds=0.1)
    st.text(f"Run {runs}" if runs < RUNS else "All runs are done")


waiting()
