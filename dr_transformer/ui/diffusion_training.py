"""A small comparison, trained now."""

import streamlit as st


def trained_here() -> None:
    """Controls, live curves, results."""
    st.write("soon")
