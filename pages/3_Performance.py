"""How fast this machine is, against the plain references."""

import streamlit as st

from dr_transformer.ui.page import begin_page
from dr_transformer.ui.performance import performance

begin_page("Performance", controls=False)
st.title("How fast, and against what?", anchor=False)
performance()
