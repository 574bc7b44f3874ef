"""The transformer next to Laplacian Eigenmaps, UMAP and PCA."""

import streamlit as st

from dr_transformer.ui.compare.page import compare
from dr_transformer.ui.exports.panel import export_comparison
from dr_transformer.ui.page import begin_page
from dr_transformer.ui.session import own_file, shows_images
from dr_transformer.ui.sidebar import view_bar

settings = begin_page("Compare", baselines=True)
st.title(f"The same {'digits' if shows_images(own_file(settings)) else 'tokens'}, four ways", anchor=False)
st.markdown(
    "The untrained transformer next to Laplacian Eigenmaps, which by the paper it approximates, UMAP and PCA. All have "
    "the same tokens. **Play moves all panels at once; what you select in one is selected in all.**"
)
view_bar()
compare(settings)
if "last_comparison" in st.session_state:
    export_comparison(*st.session_state["last_comparison"], settings)
