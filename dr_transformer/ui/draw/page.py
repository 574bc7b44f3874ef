"""The page on which a digit is drawn and watched on its way through the blocks, among the tokens of the run."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import streamlit as st

from dr_transformer.canvas.drawn import DrawnRun, check_drawable
from dr_transformer.canvas.parts import Attended, CanvasSpec, Colouring, Pin, classes
from dr_transformer.canvas.picture import colourings
from dr_transformer.config import ViewConfig
from dr_transformer.data.drawing import MAX_BYTES, Pixels, token_from_ink, token_from_png
from dr_transformer.engine.run import Run
from dr_transformer.errors import InputError
from dr_transformer.palette import PETROFF10, class_colours
from dr_transformer.quality.words import last_passed
from dr_transformer.ui import session
from dr_transformer.ui.canvas import measured_when_wanted, pinned_token
from dr_transformer.ui.draw.board import drawing_board, drawn_ink
from dr_transformer.ui.draw.table import drawn_table
from dr_transformer.ui.poll import poll
from dr_transformer.ui.sidebar import Settings
from dr_transformer.ui.state import last_good
from dr_transformer.ui.text import escaped, picture_in_words, refusal, status_line

_CANVAS = "draw_canvas"
_COLOUR = "#ff2fb3"  # of the drawing: like no class's, and seen on white and on black
_HEIGHT = 320


def draw(settings: Settings) -> None:
    """Draw the page for these settings; bad ones become one sentence, and the last good picture stays."""
    run = last_good("last_drawn_on", lambda: _run(settings))
    if run is not None:
        _page(run, settings.view())


def _run(settings: Settings) -> Run:
    dataset, config = session.dataset(settings), settings.config()
    check_drawable(dataset)
    return session.begun(session.run(dataset, config))


@st.fragment
def _page(run: Run, view: ViewConfig) -> None:
    board, result = st.columns([0.42, 0.58], gap="large")
    with board:
        place = st.container()
        image, problem, caption = _image()
    with place:
        drawing_board(image, caption, images_key=_tokens_key(run), index=run.dataset.n_samples)
        if problem:
            st.error(refusal(problem))
    done = run.done.is_set()
    job = _job(run, view, image) if done and not run.error else None
    pending = not done or (job is not None and not job.finished)  # once: what is drawn below is all, or is drawn again
    shown = _shown(run, view, job)
    with result:
        _verdict(job, shown, image)
    depth = float(run.config.n_blocks)
    with st.container(gap=None):
        if shown is not None:
            depth = _canvas(run, shown)
        pending |= done and not run.finished  # somebody wants to colour by more
        poll(pending, key="draw_poll")
    st.caption(status_line(run, None))
    picture_in_words(run, depth, "" if shown is None else drawing_in_words(shown, depth))
    if job is not None and job.error:
        st.error(refusal(job.error))


def _image() -> tuple[Pixels | None, str, str]:
    """The token to follow, a sentence if there cannot be one, and where it comes from."""
    file = st.file_uploader(
        "Or a picture of a digit (.png)",
        type=["png"],
        max_upload_size=MAX_BYTES // 2**20,
        key="digit_file",
        help="Dark ink on a light ground or the reverse; scaled and centred as MNIST's. 28 × 28 pixels are used as "
        "they are.",
    )
    try:
        if file is not None:
            name = file.name
            return token_from_png(file.getvalue(), name), "", f"{name}, as a token of 28 × 28. Remove it to draw."
        ink = drawn_ink()
        if ink is None:
            return None, "", "Draw a digit: its token appears here."
        return token_from_ink(ink), "", "Your drawing as a token of 28 × 28, scaled and centred as MNIST's."
    except InputError as error:
        return None, str(error), ""


def _job(run: Run, view: ViewConfig, image: Pixels | None) -> DrawnRun:
    key = ("drawn", id(run), view, None if image is None else image.tobytes())
    make = functools.partial(DrawnRun, run, view, image)
    return session.submit("drawn", key, make)


def _shown(run: Run, view: ViewConfig, job: DrawnRun | None) -> DrawnRun | None:
    """The job if it is complete, else the last one of this run and view, so that nothing goes while it is computed."""
    if job is not None and job.complete:
        last: DrawnRun | None = st.session_state.get("drawn")
        if last is not job:
            st.session_state["drawn"] = job
            st.session_state["drawn_serial"] = st.session_state.get("drawn_serial", 0) + 1
        return job
    kept: DrawnRun | None = st.session_state.get("drawn")
    return kept if kept is not None and kept.run is run and kept.view == view else None


def _tokens_key(run: Run) -> str:
    return f"{run.dataset.key} and a drawing"


def _canvas(run: Run, shown: DrawnRun) -> float:
    n, n_blocks = run.dataset.n_samples, run.config.n_blocks
    labels, names = classes(run.dataset)
    drawn = shown.found is not None
    pin = Pin(n, st.session_state["drawn_serial"]) if drawn else None
    pinned = pinned_token(_tokens_key(run), key=_CANVAS, given=pin)
    visible = np.ones(n + 1, dtype=bool)
    visible[-1] = drawn
    spec = CanvasSpec(
        shown.panels or [],
        labels=np.append(labels, len(names)),
        class_names=[*names, "your drawing"],
        palette=[*class_colours(names, PETROFF10), _COLOUR],
        dataset_key=_tokens_key(run),
        n_blocks=n_blocks,
        images=run.dataset.images,
        height=_HEIGHT,
        colourings=[_with_drawing(colouring) for colouring in colourings(run.analysis)],
        attended=_attended(run, shown, pinned),
        pinned=pin,
        visible=visible,
        shows_way=True,
        content_key=f"{run.dataset.key} {run.config} {st.session_state['drawn_serial']}",
        key=_CANVAS,
    )
    return min(measured_when_wanted(run, spec).depth, float(n_blocks))


def drawing_in_words(shown: DrawnRun, depth: float) -> str:
    """Say where the drawing lies at the last block up to `depth`; empty without a drawing or classes."""
    verdicts = shown.verdicts()
    if not verdicts:
        return ""
    block = last_passed(verdicts, depth)
    label, votes, of = verdicts[block]
    return f"Your drawing, at block {block}, lies nearest to the class {label}: {votes} of its {of} nearest tokens."


def _attended(run: Run, shown: DrawnRun, pinned: int | None) -> Attended | None:
    return shown.attended() if pinned == run.dataset.n_samples else session.attended(run, pinned)


def _with_drawing(colouring: Colouring) -> Colouring:
    """The colouring with a place for the drawing, which was not there when the run was measured."""
    values = np.atleast_2d(np.asarray(colouring.values))
    if colouring.class_names is None:
        return Colouring(colouring.name, _appended(values, np.nan), low=colouring.low, high=colouring.high)
    return Colouring(colouring.name, _appended(values, len(colouring.class_names)), [*colouring.class_names, "none"])


def _appended(values: npt.NDArray[Any], last: float) -> npt.NDArray[Any]:
    return np.concatenate([values, np.full((len(values), 1), last, dtype=values.dtype)], axis=1)


def _verdict(job: DrawnRun | None, shown: DrawnRun | None, image: Pixels | None) -> None:
    """Say to which class the drawing comes, and draw the table of all blocks; empty until something is drawn."""
    if image is None:
        st.markdown(_HOW_TO)
        return
    if job is not None and job.error:
        return
    if shown is None or shown.found is None:
        st.markdown("It follows the tokens of the run …" if job else "The run is not at its last block yet …")
        return
    st.markdown(_sentence(shown))
    drawn_table(shown)


_HOW_TO = (
    "Draw a digit with the mouse, a finger, a pen or the keyboard. It is scaled and centred as MNIST's digits are and "
    "becomes one more token: block by block it attends to the tokens of the run, which stay as they are. Press play to "
    "watch it travel."
)


def _sentence(shown: DrawnRun) -> str:
    assert shown.found is not None
    verdicts = shown.verdicts()
    twin = shown.found.twin
    said = [] if twin is None else [f"This is token {twin} of the run, pixel by pixel."]
    if verdicts:
        (first, votes, of), (last, last_votes, _) = verdicts[0], verdicts[-1]
        said.append(
            f"**After block {len(verdicts) - 1} it lies nearest to the class {escaped(last)}**: {last_votes} of its "
            f"{of} nearest tokens are of it. At block 0 it was {escaped(first)}, with {votes} of {of}."
        )
    return " ".join(said) or "The tokens of this run have no classes."
