"""Trained networks: does A − I beat A?"""

import streamlit as st

from dr_transformer.ui.diffusion.page import diffusion
from dr_transformer.ui.page import begin_page

begin_page("Graph diffusion", controls=False)
st.title("Does A − I beat A?", anchor=False)
diffusion()
