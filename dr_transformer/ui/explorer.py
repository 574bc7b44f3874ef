"""The home page's picture: projection and latents side by side, drawn while they are computed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import streamlit as st

from dr_transformer.config import Config
from dr_transformer.errors import InputError
from dr_transformer.jobs import Run
from dr_transformer.ui import session
from dr_transformer.ui.canvas import Panel, latent_canvas
from dr_transformer.ui.link import depth_of
from dr_transformer.ui.sidebar import Settings
from dr_transformer.ui.summary import capitalised, notes, status_line

_POLL_SECONDS = 0.3
_FIRST_PICTURE_SECONDS = 5.0


def explorer(settings: Settings) -> None:
    """Draw the page for these settings; bad ones become one sentence, and the last good picture stays."""
    run = _run(settings)
    if run is not None:
        st.session_state["last_run"] = run
        computing = not run.done.is_set()
        st.fragment(_picture, run_every=_POLL_SECONDS if computing else None)(run, computing)


def _run(settings: Settings) -> Run | None:
    try:
        config = settings.config()
        run = session.runner().submit(session.dataset(settings), config, session.session_name())
        run.begun.wait(_FIRST_PICTURE_SECONDS)
        if run.error:
            raise InputError(run.error)
        return run
    except InputError as error:
        last: Run | None = st.session_state.get("last_run")
        st.error(capitalised(str(error)) + (" The picture below is the last that could be computed." if last else ""))
        return last


def _picture(run: Run, computing: bool) -> None:
    if computing and run.done.is_set():
        st.rerun()  # once more the whole page, after which this fragment no longer polls
    latents = list(run.latents)
    if latents:
        _canvas(run, latents)
    st.caption(status_line(run))
    if run.error:
        st.error(capitalised(run.error))
    for note in notes(run):
        st.info(note)


def _canvas(run: Run, latents: list[npt.NDArray[np.floating]]) -> None:
    dataset, n_blocks = run.dataset, run.config.n_blocks
    assert run.start is not None
    # The browser owns the depth. It is told one only at first (the link's) and on a reset, which `revision` marks.
    start = st.session_state.setdefault("start_depth", depth_of(st.query_params.to_dict()))
    state = latent_canvas(
        [
            Panel(_projection_title(run.config), run.start[None, :, :2], (0.0,), "column 0", "column 1"),
            Panel(
                "Latents after block {depth}",
                np.stack([X[:, :2] for X in latents]),
                tuple(float(block) for block in range(len(latents))),
                "latent axis 0",
                "latent axis 1",
            ),
        ],
        labels=np.zeros(dataset.n_samples, dtype=np.intp) if dataset.labels is None else dataset.labels,
        class_names=dataset.class_names or ("token",),
        dataset_key=dataset.key,
        n_blocks=n_blocks,
        depth=start,
        images=dataset.images,
        revision=st.session_state.get("resets", 0),
    )
    if state.depth < n_blocks:
        st.query_params["depth"] = f"{state.depth:g}"
    elif "depth" in st.query_params:
        del st.query_params["depth"]


def _projection_title(config: Config) -> str:
    return "Random projection of the pixels, Y W" if config.projection == "gaussian" else "PCA of the pixels"
