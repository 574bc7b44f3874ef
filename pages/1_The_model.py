"""The model in formulas, and what follows from them."""

import streamlit as st

from dr_transformer.paths import asset
from dr_transformer.ui.page import begin_page

begin_page("The model", controls=False)
st.markdown(asset("the_model.md").read_text(encoding="utf-8"))
