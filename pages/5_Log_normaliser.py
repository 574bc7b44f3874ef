"""Attention as the gradient of a log normaliser, and where that stops."""

import streamlit as st

from dr_transformer.ui.log_normaliser.page import log_normaliser
from dr_transformer.ui.page import begin_page

begin_page("Log-normaliser", controls=False)
st.title("Attention is the gradient of a log normaliser", anchor=False)
log_normaliser()
