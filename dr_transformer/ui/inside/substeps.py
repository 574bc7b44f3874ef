"""The section "Sub-steps and objective" of the page "Inside a block"."""

from __future__ import annotations

import streamlit as st

from dr_transformer.config import Config
from dr_transformer.data.dataset import Dataset
from dr_transformer.errors import InputError
from dr_transformer.paths import asset
from dr_transformer.ui.inside.objective import objective_section
from dr_transformer.ui.inside.reparametrisation import reparametrisation_section
from dr_transformer.ui.inside.section_run import section_run
from dr_transformer.ui.inside.substep_panels import substep_panels
from dr_transformer.ui.inside.variants import variants_section
from dr_transformer.ui.sidebar import Settings
from dr_transformer.ui.text import grouped


def show(dataset: Dataset, config: Config, settings: Settings) -> None:
    """Draw the section; raises `InputError` for what cannot be shown."""
    st.html(asset("inside.css"))
    run = section_run(dataset, config)
    if not run.keeps_sub_steps:
        n, q, L = run.dataset.n_samples, config.n_components, config.n_blocks
        raise InputError(
            f"{grouped(n)} tokens, {q} dimensions and {L} blocks are too much to keep every sub-step in memory; take "
            "fewer of one of them."
        )
    st.markdown(
        "**Click a sub-step**: the panels show the latents before and after it, at the block of the depth axis."
    )
    substep_panels(run, settings.view())
    objective_section(run)
    variants_section(dataset, config, settings.view())
    reparametrisation_section(dataset, config)
