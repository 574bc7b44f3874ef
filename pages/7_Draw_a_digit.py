"""Draw a digit: it becomes one more token, and is watched on its way through the blocks."""

import streamlit as st

from dr_transformer.ui.draw.page import draw
from dr_transformer.ui.page import begin_page
from dr_transformer.ui.sidebar import view_bar

settings = begin_page("Draw a digit")
st.title("Draw a digit", anchor=False)
st.markdown(
    "Nothing here was trained to read digits. **See where yours goes all the same**: block by block it moves towards "
    "the tokens that it attends to."
)
view_bar()
draw(settings)
