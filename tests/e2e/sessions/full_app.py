"""A page of a server that is open to all and has room for one visitor: for tests."""

import os

import streamlit as st

from dr_transformer.ui import caps
from dr_transformer.ui.page import begin_page

os.environ[caps.PUBLIC] = "1"
caps.STRICT = caps.STRICT._replace(visitors=1)
begin_page("Full", controls=False)
st.text("There is room.")
if st.button("Again"):
    st.text("Still there.")
