"""A script with several fragments that poll at once, for the browser tests: each waits for some runs of its own."""

import time

import streamlit as st

from dr_transformer.ui.poll import poll

RUNS = 6


@st.fragment
def waiting(name: str) -> None:
    runs = st.session_state[name] = st.session_state.get(name, 0) + 1
    poll(runs < RUNS, seconds=0.1, key=f"{name}_poll")
    time.sleep(0.2)  # the others ask meanwhile
    st.text(f"{name}: {runs if runs < RUNS else 'done'}")


for number in range(6):
    waiting(f"fragment {number}")
