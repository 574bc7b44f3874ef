"""The page "Log-normaliser": Shim's reading of attention, one section a statement, each checked as one watches."""

from __future__ import annotations

import streamlit as st

from dr_transformer.ui.log_normaliser.corollary import corollary_section
from dr_transformer.ui.log_normaliser.growth import growth_section
from dr_transformer.ui.log_normaliser.layout import begin
from dr_transformer.ui.log_normaliser.limits import limits_section
from dr_transformer.ui.log_normaliser.particles import particle_section
from dr_transformer.ui.log_normaliser.proposition import proposition_section
from dr_transformer.ui.log_normaliser.theorem import theorem_section
from dr_transformer.ui.poll import poll

_EXPLAINED = (
    "Each token $x$ asks all tokens $x_1 \\dots x_N$, and attention answers with their average, weighted by "
    "$\\mathrm{softmax}(x \\cdot x_n)$. Shim (*A Probabilistic Interpretation of Transformers*, "
    "[arXiv 2205.01080](https://arxiv.org/abs/2205.01080)) reads this average as the gradient of the log normaliser of "
    "an exponential family. **Here tokens are particles in the plane, and each statement of the paper can be tried.** "
    "The page is about bare attention: the settings in the sidebar change nothing here."
)


def log_normaliser() -> None:
    """Draw the page."""
    begin()
    st.markdown(_EXPLAINED)
    particle_section()
    proposition_section()
    _measured()
    limits_section()


@st.fragment
def _measured() -> None:
    """Return what is measured in the background, together, for a page is to have but one poll."""
    place = st.container(gap=None)
    sections = (corollary_section, theorem_section, growth_section)
    pending = [section() for section in sections]
    with place:
        poll(any(pending), seconds=0.5, key="log_normaliser_poll")
