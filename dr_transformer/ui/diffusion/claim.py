"""What the paper claims of trained networks, what it reports, and what this project has measured itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import streamlit as st

from dr_transformer.training.outcome import changes, signed, verdict
from dr_transformer.training.pairs import Comparison, Group

_CLAIM = (
    "In the paper's reading a block takes a step along the **graph Laplacian** of its attention graph, "
    r"$I - A$; what a transformer computes with its attention weights $A$ alone lacks the $-I$. Hence its second claim "
    "(arXiv 2507.21040, section 4): put the identity back and *trained* networks validate better. One term of the code "
    r"changes, nothing else; or one scalar $a$ is learned."
)
_FORMULA = r"""
\begin{aligned}
y &= A\,V && \texttt{att @ v} \\
y &= (A - I)\,V && \texttt{att @ v - v} \\
y &= (A - a I)\,V && \texttt{att @ v - a v}
\end{aligned}
"""
_PAIRS = (
    "What follows is measured, not promised: all variants start from the same weights and see the same batches, so "
    "runs of one seed are a **pair**; a difference counts only if it holds over many pairs."
)


class Reported(NamedTuple):
    """One experiment of the paper: what it says, under which conditions, and which runs here come near it."""

    name: str
    said: str
    conditions: str
    task: str
    preset: str
    attention: str


REPORTED = (
    Reported(
        "Character model (nanoGPT)",
        "A − I validates better",
        "tiny Shakespeare, 100 runs of each",
        "lm",
        "shakespeare",
        "laplacian",
    ),
    Reported(
        "Small vision transformer",
        "A − I validates better; about 26 % accuracy",
        "ImageNet at 16 × 16, 10 runs of each",
        "vit",
        "imagenet16",
        "laplacian",
    ),
    Reported(
        "GPT-2 (124 million parameters)",
        "A − aI learns faster",
        "pre-training, one learned scalar a",
        "lm",
        "gpt2",
        "learned",
    ),
)


def claim() -> None:
    """Draw the claim in a paragraph and a formula."""
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        with st.container(width="stretch"):
            st.markdown(_CLAIM)
            st.markdown(_PAIRS)
        st.latex(_FORMULA, width=310)


def reported_and_own(shipped: Sequence[tuple[Group, list[Comparison]]]) -> None:
    """Draw the paper's experiments as reported, each above this project's own runs and their scale."""
    with st.container(key="diffusion_reported"):
        for column, row in zip(st.columns(len(REPORTED), gap="medium"), REPORTED, strict=True):
            own = list(_own(row, shipped)) or ["not run."]
            with column:
                st.markdown(f"**{row.name}**")
                st.markdown(f"*Reported by the paper:* {row.said} ({row.conditions}).")
                st.markdown(f"*Measured by this project:* {' '.join(own)}")


def _own(reported: Reported, shipped: Sequence[tuple[Group, list[Comparison]]]) -> Iterator[str]:
    """Each own comparison of the experiment's task, and whether it is at its scale. Only gpt2 answers for GPT-2."""
    for group, comparisons in shipped:
        if group.task != reported.task or (
            "gpt2" in (group.preset, reported.preset) and group.preset != reported.preset
        ):
            continue
        same_scale = group.preset == reported.preset and not changes(group)
        scale = "the paper's settings" if same_scale else f"preset {group.preset}, not the paper's"
        metric = group.metrics[0]
        for comparison in comparisons:
            if comparison.metric is metric and comparison.attention == reported.attention:
                size = f", {signed(comparison.statistics.mean, metric)}" if comparison.statistics.n > 1 else ""
                yield f"{verdict(comparison)}{size} ({scale}, on {group.rows[0].data['name']})."
