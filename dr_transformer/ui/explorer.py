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
from dr_transformer.ui.link import read_depth, write_depth
from dr_transformer.ui.poll import poll
from dr_transformer.ui.sidebar import Settings
from dr_transformer.ui.summary import capitalised, notes, status_line

_FIRST_PICTURE_SECONDS = 5.0


def explorer(settings: Settings) -> None:
    """Draw the page for these settings; bad ones become one sentence, and the last good picture stays."""
    # Sentences come and go in a container of their own: what stands below must keep its place among the page's
    # elements, or the browser would build the canvas anew.
    with st.container():
        run = _run(settings)
    if run is not None:
        st.session_state["last_run"] = run
        _picture(run)


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


@st.fragment
def _picture(run: Run) -> None:
    computing = not run.done.is_set()  # asked first: what is drawn below is then all there is, or is drawn again
    latents = list(run.latents)
    with st.container(gap=None):
        if latents:
            _canvas(run, latents)
        poll(computing)
    st.caption(status_line(run))
    if run.error:
        st.error(capitalised(run.error))
    for note in notes(run):
        st.info(note)


def _canvas(run: Run, latents: list[npt.NDArray[np.floating]]) -> None:
    dataset, n_blocks = run.dataset, run.config.n_blocks
    assert run.start is not None
    # The browser owns the depth. It is told one only at first (the link's) and on a reset, which `revision` marks.
    start = st.session_state.setdefault("start_depth", read_depth(st.query_params.to_dict()))
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
    st.session_state["last_depth"] = state.depth
    write_depth(state.depth, n_blocks)


def _projection_title(config: Config) -> str:
    return "Random projection of the pixels, Y W" if config.projection == "gaussian" else "PCA of the pixels"
