"""The explorer: watch the latents of a transformer that was never trained collapse into clusters."""

import streamlit as st

from dr_transformer.ui.explorer.page import explorer
from dr_transformer.ui.exports.panel import export_panel
from dr_transformer.ui.live import ON_CANVAS
from dr_transformer.ui.page import at_the_door, begin_page, tour_button
from dr_transformer.ui.session import own_file, shows_images
from dr_transformer.ui.sidebar import view_bar

opens = at_the_door()
settings = begin_page("A transformer that was never trained", elsewhere=ON_CANVAS)
own = own_file(settings)
images, layers = shows_images(own), own is not None and own.trajectory is not None
with st.container(horizontal=True, vertical_alignment="center"):
    never_trained = f"A transformer that was never trained, sorting {'digits' if images else 'tokens'}"
    st.title("Your network, layer by layer" if layers else never_trained, anchor=False)
    st.space("stretch")
    tour_button()
st.markdown(
    "Each point is a token, at what each layer of your file makes of it. The settings of the model change nothing "
    "here; under the picture is how near its blocks come to your layers."
    if layers
    else f"Each point is {'an image' if images else 'a row of the table'}, one token. Nothing is learned: the weights "
    "are written down by hand. A random projection, then block after block of attention."
)
view_bar(three_d=True)
explorer(settings, opens=opens)
if "last_run" in st.session_state:
    export_panel(st.session_state["last_run"], settings)
