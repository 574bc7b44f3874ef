"""The section "Sub-steps and objective" of the page "Inside a block"."""

from __future__ import annotations

import streamlit as st

from dr_transformer.adjacency_run import MAX_SAMPLES
from dr_transformer.config import Config
from dr_transformer.data import Dataset
from dr_transformer.errors import InputError
from dr_transformer.paths import asset
from dr_transformer.subset import subset, subset_sentence
from dr_transformer.ui import session
from dr_transformer.ui.objective_section import objective_section
from dr_transformer.ui.reparametrisation_section import reparametrisation_section
from dr_transformer.ui.sidebar import Settings
from dr_transformer.ui.substep_panels import substep_panels
from dr_transformer.ui.variants_section import variants_section

_FIRST_PICTURE_SECONDS = 5.0


def show(dataset: Dataset, config: Config, settings: Settings) -> None:
    """Draw the section; of more than `MAX_SAMPLES` tokens a subset is run as if it were all, and that is said."""
    st.html(asset("inside.css"))
    seed = config.random_state
    some = subset(dataset, MAX_SAMPLES, seed)
    run = session.run(some, config)
    run.begun.wait(_FIRST_PICTURE_SECONDS)
    if run.error:
        raise InputError(run.error)
    if some is not dataset:
        st.info(f"This section runs on {subset_sentence(dataset, MAX_SAMPLES, seed)}, as if they were all.")
    st.markdown(
        "**Click a sub-step**: the panels show the latents before and after it, at the block of the depth axis."
    )
    substep_panels(run, settings.view())
    objective_section(run)
    variants_section(dataset, config, settings.view())
    reparametrisation_section(dataset, config)
