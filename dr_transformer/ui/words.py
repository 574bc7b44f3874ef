"""The picture in words: which classes stand apart, which have merged, for those who cannot see it, or see it wrong."""

from __future__ import annotations

import streamlit as st

from dr_transformer.describe import NO_CLASSES, has_classes, overlaps, sentences
from dr_transformer.run import Run


def picture_in_words(run: Run, depth: float) -> None:
    """A closed section with the description at `depth`; empty until the run is done. Measured once for each run."""
    with st.expander("The picture in words", key="picture_in_words"):
        st.markdown(_words(run, depth))


def _words(run: Run, depth: float) -> str:
    dataset = run.dataset
    if not run.done.is_set() or run.error:
        return "It is described once the last block is computed."
    if dataset.labels is None or not has_classes(dataset.labels):
        return NO_CLASSES
    kept = st.session_state.get("overlaps")
    if kept is None or kept[0] is not run:
        found = overlaps(run.full.latents, dataset.labels, len(dataset.class_names), run.config.random_state)
        kept = st.session_state["overlaps"] = (run, found)
    return sentences(kept[1], dataset.class_names, depth)
