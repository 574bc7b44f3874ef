"""The run that a section of Inside a block is about."""

from __future__ import annotations

import streamlit as st

from dr_transformer.config import Config
from dr_transformer.data.dataset import Dataset, subset, subset_sentence
from dr_transformer.engine.adjacency import MAX_SAMPLES
from dr_transformer.engine.run import Run
from dr_transformer.ui import session


def section_run(dataset: Dataset, config: Config) -> Run:
    """The run, begun; of more than `MAX_SAMPLES` tokens a subset as if it were all, and that is said.

    Raises `InputError` for what stopped it.
    """
    seed = config.random_state
    run = session.begun(session.run(subset(dataset, MAX_SAMPLES, seed), config))
    if run.dataset is not dataset:
        st.info(f"This section runs on {subset_sentence(dataset, MAX_SAMPLES, seed)}, as if they were all.")
    return run
