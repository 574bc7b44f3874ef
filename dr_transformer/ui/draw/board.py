"""The board on which a digit is drawn, with mouse, touch, pen or keyboard (`assets/draw.js`)."""

from __future__ import annotations

import base64
import functools
import json
from typing import Any

import numpy as np
import numpy.typing as npt
import streamlit as st

from dr_transformer.data.drawing import Pixels, ink_from_strokes
from dr_transformer.errors import InputError
from dr_transformer.paths import asset_text

_MAX_POINTS = 100_000  # a person draws some hundreds


def drawn_ink(key: str = "drawing_board") -> Pixels | None:
    """Return the ink (h, w) on the board in this run, before `drawing_board` is called; None if it is empty."""
    state = st.session_state.get(key)
    text = None if state is None else state.get("strokes")
    return None if not text else _ink(text)


def drawing_board(
    token: Pixels | None, caption: str, *, images_key: str, index: int, key: str = "drawing_board"
) -> None:
    """Show the board and beside it the `token` (28, 28) that the drawing has become, with a caption under it.

    The token's image is also given to the canvas whose tokens are called `images_key`, as that of its token `index`.
    """
    pixels = "" if token is None else base64.b64encode(token.tobytes()).decode()
    data = {"name": key, "pixels": pixels, "caption": caption, "sprites": images_key, "index": index}
    _component()(data=data, key=key, height="content", on_strokes_change=lambda: None)


@functools.lru_cache(maxsize=16)
def _ink(text: str) -> Pixels | None:
    try:
        found = json.loads(text)
        strokes = [_places(stroke) for stroke in found["strokes"]]
        if sum(map(len, strokes)) > _MAX_POINTS:
            raise InputError(f"the drawing has more than {_MAX_POINTS} points; clear the board and draw it again.")
        return ink_from_strokes(strokes, float(found["size"]), float(found["pen"]))
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("the drawing did not arrive whole; clear the board and draw it again.") from error


def _places(stroke: list[float]) -> npt.NDArray[np.float64]:
    return np.array(stroke, dtype=np.float64).reshape(-1, 2)


@functools.cache
def _component() -> Any:
    js = asset_text("canvas/dom.js", "canvas/drawing/sprites.js", "canvas/transport/sending.js", "draw.js")
    return st.components.v2.component("drawing_board", css=asset_text("draw.css"), js=js)
