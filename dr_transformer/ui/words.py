"""The picture in words: which classes stand apart, which have merged, for those who cannot see it, or see it wrong."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import streamlit as st

from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.run import Run
from dr_transformer.quality.words import NO_CLASSES, has_classes, last_passed, meaning, overlaps, sentences, told
from dr_transformer.types import Floats

_LABEL = "The picture in words"
_AT_ONCE = 50  # blocks measured in one script run: of 2 000 tokens in 128 dimensions each takes 5 ms


def picture_in_words(run: Run, depth: float, also: str = "") -> None:
    """A closed section with the description at `depth`; empty until the run is done. Measured once for each run.

    `also`: what else is to be said of the picture.
    """
    with st.expander(_LABEL, key="picture_in_words"):
        st.markdown(_words(run, depth))
        if also:
            st.markdown(also)


def panels_in_words(
    panels: Mapping[str, tuple[Hashable, Sequence[Floats]]],
    dataset: Dataset,
    depth: float,
    *,
    key: str,
    dimensions: str = "in all latent dimensions",
    random_state: int = 42,
) -> bool:
    """A closed section with what each of a canvas's `panels` shows at `depth`. Measured only while it is open, once.

    By title, in which {frame} is the block: what the panel follows from, and the latents (n, q) at each block; of a
    panel that does not move, one. More of these may come, of the same. `dimensions` says in words which q there are.
    Returns whether there is more to measure: the fragment is then to `poll`.
    """
    section = st.expander(_LABEL, key=f"{key}_in_words", on_change="rerun")
    if not section.open:
        return False
    labels, names = dataset.labels, dataset.class_names
    with section:
        if labels is None or not has_classes(labels):
            st.markdown(NO_CLASSES)
            return False
        kept = st.session_state.get(f"{key}_overlaps", {})
        found, left = {}, _AT_ONCE
        for title, (source, latents) in panels.items():
            before = kept.get(title, (None, []))
            known = before[1] if before[0] == source else []
            new = overlaps(latents[len(known) :][:left], labels, len(names), random_state)
            left -= len(new)
            by_block = (known + new)[: len(latents)]
            found[title] = (source, known + new)
            if by_block:
                block = last_passed(by_block, depth)
                said = told(by_block, names, block, moves="{frame}" in title)
                st.markdown(f"**{title.replace('{frame}', f'block {block}')}**: {said}")
        st.session_state[f"{key}_overlaps"] = found
        st.caption(meaning(dimensions))
    return any(len(found[title][1]) < len(latents) for title, (_, latents) in panels.items())


def _words(run: Run, depth: float) -> str:
    dataset = run.dataset
    if not run.done.is_set() or run.error:
        return "It is described once the last block is computed."
    if dataset.labels is None or not has_classes(dataset.labels):
        return NO_CLASSES
    return sentences(_overlaps(run), dataset.class_names, depth)


def _overlaps(run: Run) -> list[Floats]:
    dataset = run.dataset
    assert dataset.labels is not None
    kept: tuple[Run, list[Floats]] | None = st.session_state.get("overlaps")
    if kept is None or kept[0] is not run:
        found = overlaps(run.full.latents, dataset.labels, len(dataset.class_names), run.config.random_state)
        kept = st.session_state["overlaps"] = (run, found)
    return kept[1]
