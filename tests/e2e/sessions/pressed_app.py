"""Fragments that poll without end beside what people press, in the page and in another fragment."""

import streamlit as st

from dr_transformer.ui.poll import poll


@st.fragment
def waiting(key: str) -> None:
    poll(True, seconds=0.1, key=key)


@st.fragment
def pressing() -> None:
    pressed = st.button("Press")
    st.session_state["presses"] = st.session_state.get("presses", 0) + pressed
    st.text(f"Pressed: {st.session_state['presses']}.")


waiting("one")
waiting("other")
letter = st.radio("Letter", ["a", "b", "c"])
st.text(f"The page shows {letter}.")
pressing()
