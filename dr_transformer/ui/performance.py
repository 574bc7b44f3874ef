"""The performance page: this machine's own table of ratios against the plain references, on demand."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dr_transformer.bench.bench import REPEATS, Result, as_json
from dr_transformer.bench.cases import BenchJob, left_out
from dr_transformer.hardware.devices import machine
from dr_transformer.ui import session
from dr_transformer.ui.caps import caps
from dr_transformer.ui.job_panel import followed, started
from dr_transformer.ui.text import grouped

_EXPLAINED = (
    "What this computer does, measured now: each method of this app and the plain implementation that it replaces, in "
    f"turn, {REPEATS} times each; medians. A ratio of 2 means twice as fast. The numbers of a machine that is busy "
    "with other things are worth little."
)


@st.fragment
def performance() -> None:
    """Draw controls, progress and table; nothing runs before the button is pressed."""
    if not caps().measures:
        st.info("This server is open to all and is not measured from here; run dr-transformer bench on your own.")
        return
    st.markdown(_EXPLAINED)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        n_samples = st.select_slider(
            "Tokens n",
            [1000, 2000, 5000, 10_000],
            value=2000,
            format_func=grouped,
            key="bench_n",
            width=280,
            help="More tokens take longer: about five minutes in all for 10 000 on two AVX-512 cores.",
        )
        wanted = started(
            "bench",
            n_samples,
            keeps=True,
            label="Measure",
            help="Measures everything; other pages go on meanwhile.",
            stop_help="Stops after the call that is being timed.",
        )
    job = followed(
        "bench",
        None,
        lambda: session.bench(st.session_state["bench_asked"]),
        lambda job: job.current,
        wanted=wanted,
        seconds=1.0,
    )
    if job is not None and job.results:
        _results(job)


def _results(job: BenchJob) -> None:
    number = st.column_config.NumberColumn
    columns = {
        "seconds": number(format="%.3f", help="Median time of one call."),
        "its seconds": number(format="%.3f", help="Median time of the reference."),
        "ratio": number(format="%.2f", help="How many times as fast as the reference."),
        "peak MB": number(
            format="%.0f", help="Most memory beyond the data, in a process of its own; a GPU's own memory for a GPU."
        ),
        "its peak MB": number(format="%.0f", help="The reference's, in a process of its own."),
    }
    st.dataframe(pd.DataFrame([_row(result) for result in job.results]), hide_index=True, column_config=columns)
    about = session.ask(machine)
    gpu = f", {about['gpu']}" if about["gpu"] else ", no GPU"
    st.caption(
        f"{about['processor']}, {about['cores']} cores, {about['threads']} threads, {about['capability']}{gpu}; "
        f"PyTorch {about['torch']}. {session.ask(left_out) or ''}".rstrip()
    )
    st.download_button(
        "Save as JSON",
        session.ask(as_json, job.results),
        "bench.json",
        "application/json",
        help="Machine and all results.",
    )


def _row(result: Result) -> dict[str, object]:
    def megabytes(n_bytes: int | None) -> float | None:
        return None if n_bytes is None else n_bytes / 1e6

    return {
        "case": result.name,
        "seconds": result.seconds,
        "reference": result.reference_name,
        "its seconds": result.reference_seconds,
        "ratio": result.ratio,
        "errors": ", ".join(f"{name} {value:.2g}" for name, value in result.errors.items()),
        "peak MB": megabytes(result.peak_bytes),
        "its peak MB": megabytes(result.reference_peak_bytes),
    }
