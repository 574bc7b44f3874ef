"""A page of fragments whose server sends late, as on a busy machine: for tests."""

import streamlit as st
from streamlit.runtime import runtime

from dr_transformer.ui.streamlit_requests import mend_streamlit

SENDS_SECONDS = 1.5


@st.fragment
def part(name: str) -> None:
    runs = st.session_state[name] = st.session_state.get(name, 0) + 1
    st.button(name)
    st.text(f"{name}: run {runs}")


mend_streamlit()
runtime.MESSAGE_FLUSH_INTERVAL_SECS = SENDS_SECONDS
st.button("All")
for name in ("First", "Second", "Third"):
    part(name)
st.text("The end")
