"""What is dropped on the app, by AppTest: a picture brings its own options back and leaves the user's work alone."""

import io
import json
from typing import Any

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from dr_transformer import Config
from dr_transformer.config import ViewConfig
from dr_transformer.export.figure_config import AnimationConfig, FigureConfig
from dr_transformer.export.files import settings
from dr_transformer.export.metadata import read_settings
from dr_transformer.export.session_file import dump
from dr_transformer.ui.canvas import GIVEN_SELECTION
from tests.export.drawings import data
from tests.helpers.machine import pretend
from tests.ui.exports.test_panel import CONFIG, opened, value

FILM = AnimationConfig(frame_width=200, fps=2, seconds_per_block=0.5, palette="tab10", titles=False, point_pixels=0.003)


def gif(config: Config = CONFIG, **parts: Any) -> bytes:
    """A GIF with these settings."""
    target = io.BytesIO()
    comment = json.dumps(settings(config, data(), **parts)).encode()
    Image.new("P", (4, 4)).save(target, "GIF", comment=comment)
    return target.getvalue()


def dropped(app: AppTest, name: str, content: bytes) -> AppTest:
    app.file_uploader(key="restore_file").upload(name, content).run()
    assert not app.exception
    assert not app.error
    return app


def test_a_films_options_come_back_and_notes_and_selection_stay() -> None:
    session = dump(settings(CONFIG, data()), [3, 5, 8], "Look at the sevens.")
    app = dropped(opened(), "a.session.json", session)
    app.text_area(key="notes_1").set_value("Look at the eights.").run()
    selected = app.session_state[GIVEN_SELECTION]
    assert selected[1].tolist() == [3, 5, 8]
    content = gif(Config(n_components=16, n_blocks=2, alpha=17), view=ViewConfig(view="pca"), animation=FILM)
    assert read_settings(content).animation == FILM
    dropped(app, "collapse.gif", content)
    assert app.success[0].value == "The settings of collapse.gif are back."
    assert (value(app, "alpha"), value(app, "view")) == (17.0, "pca")
    assert app.text_area(key="notes_1").value == app.session_state["notes"] == "Look at the eights."
    assert app.session_state[GIVEN_SELECTION] is selected
    for name, expected in FILM.to_dict().items():
        assert value(app, f"film_{name}_1") == expected, name
    assert app.session_state["film_kept"] == FILM.to_dict()
    assert value(app, "figure_dpi_0") == 300


def test_a_session_without_notes_clears_them() -> None:
    app = opened()
    app.text_area(key="notes_0").set_value("mine").run()
    dropped(app, "a.session.json", dump(settings(CONFIG, data()), [1]))
    assert app.success[0].value == "The settings, selection and notes of a.session.json are back."
    assert app.text_area(key="notes_1").value == ""


@pytest.mark.parametrize(("size", "shown"), [(0.05, "%0.2f"), (0.003, "%.6g"), (1.0, "%0.2f")])
def test_points_smaller_than_the_app_offers_can_be_restored(size: float, shown: str) -> None:
    look = {"figure": FigureConfig(point_size=size), "animation": AnimationConfig(seconds_per_block=size, hold=0.0)}
    app = dropped(opened(), "small.gif", gif(**look)).run()
    assert not app.exception
    for key in ("figure_point_size_1", "film_seconds_per_block_1"):
        widget = app.number_input(key=key)
        assert (widget.value, widget.min, widget.proto.format) == (size, min(size, 0.1), shown)
    for other in (0.3, size):  # there and back
        app.number_input(key="figure_point_size_1").set_value(other).run()
        assert not app.exception
        assert app.session_state["figure_kept"]["point_size"] == other


def test_a_device_that_this_machine_has_not_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, None)
    app = dropped(opened(), "gpu.gif", gif(Config(n_components=16, n_blocks=2, device="cuda"), animation=FILM))
    assert app.success[0].value == (
        "The settings of gpu.gif are back. PyTorch finds no CUDA GPU on this machine, so device = cuda cannot be used. "
        "The default (auto) is set instead."
    )
    assert app.session_state["last_run"].config == CONFIG
