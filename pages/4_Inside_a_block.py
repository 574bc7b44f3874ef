"""What a block does: its sub-steps, the objective they step on, attention as a graph, the phase diagram."""

import streamlit as st

from dr_transformer.ui.inside.page import inside
from dr_transformer.ui.page import begin_page

settings = begin_page("Inside a block")
st.title("Inside a block", anchor=False)
st.markdown(
    "The paper reads a block as a gradient step of an objective, and attention as a neighbour graph. "
    "**Try each of these claims here, also at settings at which it fails.**"
)
inside(settings)
