"""The page "Graph diffusion": A against A − I in trained networks, reported and measured."""

from __future__ import annotations

import streamlit as st

from dr_transformer.training.outcome import title
from dr_transformer.ui.caps import caps
from dr_transformer.ui.diffusion.claim import claim, reported_and_own
from dr_transformer.ui.diffusion.source import Source, analysed, shipped, uploaded
from dr_transformer.ui.diffusion.training import trained_here
from dr_transformer.ui.diffusion.view import group_view

SHIPPED, FILES, TRAIN = "This project's runs", "Results files", "Train now"
_NOTHING = {
    SHIPPED: "No results files come with this copy; open some, or train a few small models now.",
    FILES: "Choose results files to see them here.",
    TRAIN: "Press Start: each variant is trained with each seed, and what they say is shown as they come.",
}


def diffusion() -> None:
    """Draw the page."""
    claim()
    own = shipped()
    reported_and_own(analysed(own))
    st.subheader("The runs", anchor=False)
    chosen = _origin()
    with st.container(key="diffusion_origin"):
        source = own if chosen == SHIPPED else uploaded() if chosen == FILES else trained_here()
    results(source, _NOTHING[chosen])


def results(source: Source, nothing: str) -> None:
    """Draw what the rows of a source say, one group of comparable runs at a time."""
    with st.container():
        for problem in source.problems:
            st.warning(problem)
    found = analysed(source)
    if not found:
        st.info(nothing)
        return
    groups = {group.key: group for group, _ in found}
    if st.session_state.get("diffusion_group") not in groups:
        st.session_state["diffusion_group"] = next(iter(groups))
    key = st.selectbox(
        "Comparison",
        list(groups),
        format_func=lambda key: title(groups[key]),
        key="diffusion_group",
        help="Runs with the same task, settings and data; others are not comparable with them.",
    )
    group, comparisons = next(each for each in found if each[0].key == key)
    group_view(group, comparisons, "diffusion")


def _origin() -> str:
    """Return where the runs come from; kept for a later visit, for the widget alone would forget it."""
    options = [SHIPPED, FILES, TRAIN] if caps().trains else [SHIPPED, FILES]
    st.session_state.setdefault("diffusion_from", st.session_state.get("diffusion_from_kept", SHIPPED))
    chosen = st.segmented_control(
        "Runs",
        options,
        required=True,
        key="diffusion_from",
        label_visibility="collapsed",
        help="Runs that come with the program, files of your own, or a small comparison trained now."
        if caps().trains
        else "Runs that come with the program, or files of your own; this server, open to all, trains none.",
    )
    st.session_state["diffusion_from_kept"] = chosen
    return str(chosen)
