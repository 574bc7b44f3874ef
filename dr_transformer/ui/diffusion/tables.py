"""Tables of the page "Graph diffusion": variants, comparisons, runs. Each with how its columns are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from dr_transformer.training.outcome import NAMES
from dr_transformer.training.pairs import Comparison, Group, Metric
from dr_transformer.training.statistics import Interval

Columns = dict[str, Any]


def variant_table(group: Group) -> tuple[pd.DataFrame, Columns]:
    """Return a row a variant: how many runs, mean ± s.d. of each metric, seconds a run."""
    rows = []
    for attention in group.attentions:
        runs = list(group.runs(attention).values())
        row: dict[str, Any] = {"variant": NAMES[attention], "runs": len(runs)}
        for metric in group.metrics:
            values = [value for run in runs if (value := metric.of(run)) is not None]
            row[f"{metric.title}, {metric.unit}"] = mean_and_sd(values, metric)
        row["seconds a run"] = float(np.mean([run.seconds for run in runs]))
        rows.append(row)
    number = st.column_config.NumberColumn
    text = st.column_config.TextColumn
    columns: Columns = {
        f"{metric.title}, {metric.unit}": text(help="Mean ± standard deviation over the runs of this variant.")
        for metric in group.metrics
    }
    columns["seconds a run"] = number(format="%.1f", help="Mean; on the machine named above.")
    return pd.DataFrame(rows), columns


def comparison_table(comparisons: Sequence[Comparison]) -> tuple[pd.DataFrame, Columns]:
    """Return a row a comparison with standard attention: difference, intervals, tests, and the pairs needed."""
    rows = []
    for comparison in comparisons:
        found, metric = comparison.statistics, comparison.metric
        rows.append(
            {
                "variant": NAMES[comparison.attention],
                "by": metric.title.removeprefix("best "),
                "pairs": found.n,
                "mean difference": _signed(found.mean, metric),
                "s.d.": "" if np.isnan(found.sd) else f"{found.sd * metric.scale:.{metric.decimals}f}",
                "95 %, bootstrap": _interval(found.interval, metric),
                "95 %, t": _interval(found.t_interval, metric),
                "p, t": found.t_p,
                "p, Wilcoxon": found.wilcoxon_p,
                "p, Holm": comparison.p,
                "pairs needed": comparison.needed,
            }
        )
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    columns: Columns = {
        "by": text(width=150, help="What is compared, best of all evaluations."),
        "mean difference": text(help="Variant minus A over the pairs: nats, or percentage points."),
        "s.d.": text(help="Standard deviation of the paired differences."),
        "95 %, bootstrap": text(
            width=150, help="BCa bootstrap of the mean, 9 999 resamples; too narrow for few pairs."
        ),
        "95 %, t": text(
            width=150, help="Student's interval of the mean; exact if differences are normally distributed."
        ),
        "p, t": number(format="%.3g", help="Paired t-test, two-sided."),
        "p, Wilcoxon": number(format="%.3g", help="Wilcoxon's signed-rank test, two-sided."),
        "p, Holm": number(format="%.3g", help="The t-test's p, corrected for all tests in this table; it decides."),
        "pairs needed": number(
            format="%d", help="To see an effect of the measured size with 80 % power, 5 % shared by the tests here."
        ),
    }
    frame = pd.DataFrame(rows)
    if rows:
        frame["pairs needed"] = frame["pairs needed"].astype("Int64")
    return frame, columns


def run_table(group: Group) -> tuple[pd.DataFrame, Columns]:
    """Return a row a run."""
    rows = []
    for run in group.rows:
        row: dict[str, Any] = {
            "variant": NAMES[run.attention],
            "seed": run.seed,
            "best validation loss": run.best_val_loss,
        }
        row["at step"] = run.best_step
        row["last validation loss"] = run.final_val_loss
        if run.best_val_accuracy is not None:
            row["best accuracy"] = run.best_val_accuracy
        if run.curve.get("a"):
            row["a at the end"] = run.curve["a"][-1]
        row |= {"seconds": run.seconds, "device": run.device.get("gpu") or "CPU", "finished": run.finished}
        rows.append(row)
    number = st.column_config.NumberColumn
    losses = {name: number(format="%.4f", help="Nats.") for name in ("best validation loss", "last validation loss")}
    columns: Columns = losses | {
        "best accuracy": number(format="percent", help="Largest of all evaluations."),
        "a at the end": number(format="%.3f", help="Mean over the blocks."),
        "seconds": number(format="%.1f", help="Of the whole run, evaluations included."),
    }
    return pd.DataFrame(rows), columns


def mean_and_sd(values: Sequence[float], metric: Metric) -> str:
    """Write such as "2.1234 ± 0.0123", in the metric's unit; no s.d. of one value."""
    if not values:
        return ""
    scaled = np.array(values) * metric.scale
    spread = f" ± {scaled.std(ddof=1):.{metric.decimals}f}" if len(scaled) > 1 else ""
    return f"{scaled.mean():.{metric.decimals}f}{spread}"


def _signed(value: float, metric: Metric) -> str:
    return "" if np.isnan(value) else f"{value * metric.scale:+.{metric.decimals}f}".replace("-", "−")


def _interval(interval: Interval | None, metric: Metric) -> str:
    return "" if interval is None else " … ".join(_signed(end, metric) for end in interval)
