"""Is it real? The section that reruns everything with other seeds, and on data without structure."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dr_transformer.config import BaselineConfig, Config
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.reality import RealityCheck
from dr_transformer.quality.metrics import METRICS
from dr_transformer.quality.replicates import DATA, Row, what_varies
from dr_transformer.quality.scores import SUBSAMPLE
from dr_transformer.ui import session
from dr_transformer.ui.caps import caps
from dr_transformer.ui.compare.comparison import figure_columns
from dr_transformer.ui.job_panel import followed, started
from dr_transformer.ui.text import capitalised, fitting, grouped

_EXPLAINED = (
    "Every method again with other seeds, and on two data sets without structure: the same rows with their **values "
    "shuffled**{of_images}, and **Gaussian noise** with the covariance of the data. What noise reaches "
    "too is no evidence: a method may well keep the neighbourhoods of Gaussian noise (trustworthiness), but the "
    "classes, which the noise does not know, should come out at chance."
)


@st.fragment
def reality_section(dataset: Dataset, config: Config, baselines: BaselineConfig) -> None:
    """Draw controls, progress and table; nothing runs before the button is pressed."""
    st.subheader("Is it real?", anchor=False)
    images = dataset.image_shape is not None
    st.markdown(_EXPLAINED.format(of_images=" (of an image, its pixels)" if images else ""))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        n_seeds = st.number_input(
            "Seeds k",
            1,
            caps().seeds,
            3,
            key="reality_seeds",
            width=140,
            help="How many seeds: the more, the surer the s.d.",
        )
        with_umap = st.toggle("UMAP too", key="reality_umap", help="Slower: a layout for every seed and data set.")
        asked = (dataset.key, config, baselines, n_seeds, with_umap)
        wanted = started(
            "reality check",
            asked,
            key="reality",
            label="Run",
            help=f"On {grouped(min(SUBSAMPLE, dataset.n_samples))} tokens each.",
            stop_help="Stops within a second or two; what there is stays.",
        )
    check = followed(
        "reality",
        asked[:3],
        lambda: session.reality_check(dataset, config, baselines, n_seeds, with_umap),
        lambda job: f"seed {_seed(job)} of {job.n_seeds}",
        wanted=wanted,
        seconds=1.0,
        stale="These figures are of other settings than the page has now; press Run for the new ones.",
    )
    if check is not None and check.replicates:
        _results(check)


def _results(check: RealityCheck) -> None:
    images = check.dataset.image_shape is not None
    frame = pd.DataFrame(
        _rows(check.rows, images=images), columns=["method", "data", *(m.title for m in METRICS.values())]
    )
    columns = figure_columns(images=images, as_text=True)
    height = 35 * (len(frame) + 1) + 3
    st.dataframe(frame, hide_index=True, column_config=columns, key="reality_table", height=height)
    c, q = check.config, check.baselines.baseline_components
    st.caption(
        f"{grouped(check.dataset.n_samples)} tokens, α = {c.alpha:g}, η = {c.eta:g}, L = {c.n_blocks}, q = "
        f"{c.n_components}; baselines: {q} dimensions, k = {check.baselines.n_neighbors}. "
        + capitalised(what_varies(check.dataset.n_samples, list(check.seeds)))
    )


def _seed(check: RealityCheck) -> int:
    return min(check.n_seeds, int(check.progress * check.n_seeds) + 1)


def _rows(rows: list[Row], *, images: bool) -> list[dict[str, str]]:
    """Rows of the table: one a method and kind of data, the methods together, real data first."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        name = ", ".join(filter(None, (row.method, row.part)))
        line = found.setdefault((name, row.data), {"method": name, "data": fitting(row.data, images=images)})
        line[METRICS[row.metric].title] = str(row)
    order = list(dict.fromkeys(name for name, _ in found))
    return [found[name, data] for name in order for data in DATA if (name, data) in found]
