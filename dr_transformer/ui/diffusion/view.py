"""One group of runs on the page "Graph diffusion": the outcome in words, plots, tables, the rows to take away."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dr_transformer.charts.diffusion import difference_chart, runs_chart
from dr_transformer.charts.training import learned_a_chart, loss_difference_chart, validation_chart
from dr_transformer.training.outcome import NAMES, conditions, left_out, sentences
from dr_transformer.training.pairs import Comparison, Group, Metric, curves, loss_difference
from dr_transformer.ui.charts import draw_chart, tables_behind
from dr_transformer.ui.diffusion.tables import Columns, comparison_table, run_table, variant_table
from dr_transformer.ui.text import escaped

_SMOOTHING = (0, 2, 5, 10, 20)  # percent of the points


def group_view(group: Group, comparisons: Sequence[Comparison], key: str) -> None:
    """Draw it; widgets and charts are named by `key`."""
    metric = _metric(group, key)
    shown = [comparison for comparison in comparisons if comparison.metric is metric]
    st.caption(escaped(" ".join(conditions(group))))
    with st.container(key=f"{key}_outcome"):
        for comparison in shown:
            st.markdown(" ".join(sentences(comparison)))
        for sentence in left_out(group):
            st.markdown(sentence)
    _pairs(group, shown, metric, key)
    _curves(group, metric, key)
    _tables(group, comparisons, key)


def _metric(group: Group, key: str) -> Metric:
    """Return what is compared: a choice where there are several."""
    metrics = {metric.title: metric for metric in group.metrics}
    with st.container():
        if len(metrics) == 1:
            return group.metrics[0]
        chosen = st.segmented_control(
            "Compare by",
            list(metrics),
            default=next(iter(metrics)),
            required=True,
            key=f"{key}_metric",
            help="Accuracy is what the paper reports of images; both are tested, and the p-values corrected for both.",
        )
    return metrics[str(chosen)]


def _pairs(group: Group, shown: Sequence[Comparison], metric: Metric, key: str) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        _draw(runs_chart(group, metric), f"{key}_runs")
        st.caption("A point is a run, a line joins the runs of one seed; the shape shows where runs of a variant lie.")
    with right:
        tested = [comparison for comparison in shown if comparison.statistics.n]
        if tested:
            _draw(difference_chart(tested), f"{key}_differences")
            st.caption("A point is a pair; below the points their mean and its 95 % bootstrap interval.")


def _curves(group: Group, metric: Metric, key: str) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        _draw(validation_chart(group, metric), f"{key}_validation")
        st.caption("The mean of each variant's runs; a faint line is a run.")
    with right:
        _loss_differences(group, key)
    steps, layers = curves(list(group.runs("learned").values()), "a_layers")
    if layers.size:
        _draw(learned_a_chart(steps, layers), f"{key}_a")
        last = layers[:, -1].mean(axis=1)
        said = f"at the end a = {last.mean():.3f}"
        if len(last) > 1:
            said += f" on average over {len(last)} runs, from {last.min():.3f} to {last.max():.3f}"
        start = group.rows[0].settings["a_start"]
        st.caption(f"The scalar a of {NAMES['learned']} begins at {start:g}; {said}. At 0 it is A, at 1 it is A − I.")


@st.fragment
def _loss_differences(group: Group, key: str) -> None:
    """Figure 3 of the paper, with its smoothing."""
    percent = st.session_state.get(f"{key}_smoothing", 5)
    others = [name for name in group.attentions if name != "standard"]
    n_points = len(group.rows[0].train["loss"])
    window = 1 + 2 * round(n_points * percent / 200)
    found = [difference for name in others if (difference := loss_difference(group, name, window)) is not None]
    if not found:
        return
    _draw(loss_difference_chart(found), f"{key}_loss_difference")
    st.select_slider(
        "Smoothing, % of the run",
        _SMOOTHING,
        value=5,
        key=f"{key}_smoothing",
        width=260,
        help="Length of the running mean through the training losses before they are averaged over the pairs.",
    )
    n = max(difference.band.n for difference in found)
    width = window * found[0].every
    smoothed = f"running mean of {width} iterations" if width > 1 else "not smoothed"
    band = "The band is the mean's 95 % t interval at each iteration by itself" if n > 1 else "One pair has no band"
    st.caption(
        f"As figure 3 of the paper: below 0 the variant has learned more by then. {band}; mean of {n} "
        f"{'pairs' if n > 1 else 'pair'}, {smoothed}."
    )


def _tables(group: Group, comparisons: Sequence[Comparison], key: str) -> None:
    with st.expander("Numbers", key=f"{key}_numbers", expanded=True):
        _table(*variant_table(group), key=f"{key}_variants")
        _table(*comparison_table(comparisons), key=f"{key}_comparisons")
        st.caption(
            "Differences are variant minus A, pair by pair. Which way the verdict goes is decided by the paired t-test "
            "after Holm's correction, at 5 %. The intervals are not corrected."
        )
    with st.expander(f"All {len(group.rows)} runs", key=f"{key}_all"):
        _table(*run_table(group), key=f"{key}_rows")
    st.download_button(
        "Save these rows",
        functools.partial(_lines, group),
        f"{group.task}-{group.settings_hash}.jsonl",
        "application/jsonl",
        key=f"{key}_save",
        on_click="ignore",
        help="All runs above as JSON lines, curves included: the format that this page and the terminal read.",
    )


def _lines(group: Group) -> str:
    return "".join(row.to_json() + "\n" for row in group.rows)


def _table(frame: pd.DataFrame, columns: Columns, key: str) -> None:
    height = min(35 * (len(frame) + 1) + 3, 400)
    st.dataframe(frame, hide_index=True, column_config=columns, key=key, height=height)


def _draw(figure: go.Figure, key: str) -> None:
    draw_chart(figure, key=key)
    tables_behind({"What is drawn": figure}, key=key)
