"""Where a user's table has no images, no page speaks of pixels, images or digits."""

import io
import re
import time
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dr_transformer.quality.metrics import METRICS
from dr_transformer.ui import canvas
from dr_transformer.ui.text import fitting

ROOT = Path(__file__).parents[2]
BASE = {"dataset": "your own file", "n_samples": "60", "n_components": "4", "n_blocks": "2"}
WRONG = re.compile(r"\b(pixel|image|digit)s?\b", re.IGNORECASE)
# Of all data sets there are to choose, and of the files of an export, which may well be images.
ALLOWED = ("Whose images, or a table's rows, become tokens", "One HTML file")


def test_words_are_replaced_where_there_are_no_images() -> None:
    said = "Images: an image and its pixels; the digits. A pixel's digitised imagery."
    assert fitting(said, images=True) == said
    assert fitting(said, images=False) == "Tokens: a token and its features; the tokens. A feature's digitised imagery."
    for metric in METRICS.values():
        assert not WRONG.search(fitting(metric.help, images=False))


def upload(Y: np.ndarray) -> tuple[str, bytes]:
    stream = io.BytesIO()
    labels = np.arange(len(Y)) % 3
    np.savez(stream, X=Y, y=labels)
    return "mine.npz", stream.getvalue()


def opened(page: str, Y: np.ndarray) -> AppTest:
    app = AppTest.from_file(str(ROOT / page), default_timeout=120)
    app.query_params.update(BASE)
    app.session_state["upload"] = upload(Y)
    app.run()
    assert not app.exception
    assert not app.error
    return app


def texts(app: AppTest) -> list[str]:
    """All that is said: titles, paragraphs, captions, and the help of widgets."""
    kinds = ("title", "subheader", "markdown", "caption", "info")
    found = [element.value for kind in kinds for element in app.get(kind)]
    widgets = ("slider", "selectbox", "number_input", "toggle", "button")
    shown = [widget for kind in widgets for widget in app.get(kind) if not (widget.key or "").startswith("figure_")]
    return [*found, *(widget.proto.help for widget in shown)]


@pytest.mark.parametrize("page", ["app.py", "pages/2_Compare.py"])
def test_a_table_is_not_spoken_of_as_images(page: str) -> None:
    table = np.random.default_rng(0).normal(size=(60, 5))
    said = [text for text in texts(opened(page, table)) if not text.startswith(ALLOWED)]
    assert len(said) > 30
    assert [text for text in said if WRONG.search(text)] == []


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("app.py", "A transformer that was never trained, sorting {}"),
        ("pages/2_Compare.py", "The same {}, four ways"),
    ],
)
def test_images_of_a_file_are_images(page: str, title: str) -> None:
    images = np.random.default_rng(0).integers(0, 255, size=(60, 6, 6)).astype(np.uint8)
    assert opened(page, images).title[0].value == title.format("digits")
    table = np.random.default_rng(0).normal(size=(60, 5))
    assert opened(page, table).title[0].value == title.format("tokens")


def test_the_canvas_is_drawn_in_these_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Panels and colourings, which AppTest does not see."""
    drawing = canvas.latent_canvas
    drawn: list[tuple[list[str], list[str]]] = []

    def recording(shown):
        drawn.append(([panel.title for panel in shown.panels], shown.offered))
        return drawing(shown)

    monkeypatch.setattr(canvas, "latent_canvas", recording)
    app = opened("app.py", np.random.default_rng(0).normal(size=(60, 5)))
    for _ in range(200):
        if app.session_state["last_run"].finished:
            break
        time.sleep(0.05)
    app.run()
    titles, colourings = drawn[-1]
    assert titles[0].startswith("Random projection of the features")
    assert "share of 10 feature neighbours kept" in colourings
    assert not WRONG.search(" ".join([*titles, *colourings]))
