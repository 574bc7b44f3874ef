"""The panel that saves and restores, by AppTest: files are made, handed over, and give settings back."""

import io
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from dr_transformer import Config, load
from dr_transformer.config import BaselineConfig, ViewConfig
from dr_transformer.data.dataset import load_bytes
from dr_transformer.export.figure_config import AnimationConfig, FigureConfig
from dr_transformer.export.files import settings
from dr_transformer.export.metadata import read_settings
from dr_transformer.export.session_file import dump
from dr_transformer.export.session_file import load as load_session
from dr_transformer.export.settings import SavedSettings
from dr_transformer.methods.pca import pca
from dr_transformer.ui.canvas import GIVEN_SELECTION
from dr_transformer.ui.exports import widgets as export_widgets
from dr_transformer.ui.exports.panel import METHODS
from dr_transformer.ui.exports.restore import app_values
from dr_transformer.ui.live import ON_CANVAS
from tests.export.drawings import data
from tests.helpers.live_sliders import set_on_canvas

ROOT = Path(__file__).parents[3]
SMALL = {"n_samples": "150", "n_components": "16", "n_blocks": "2"}
CONFIG = Config(n_components=16, n_blocks=2)


@pytest.fixture(autouse=True)
def downloads(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What each download button would save, by its key: (file name, bytes or text)."""
    found: dict[str, Any] = {}
    button = st.download_button

    def record(label: str, content: Any, name: str, *others: Any, key: str, **options: Any) -> bool:
        found[key] = (name, content)
        return button(label, content, name, *others, key=key, **options)

    monkeypatch.setattr(st, "download_button", record)
    return found


def opened(page: str = "app.py", **query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / page), default_timeout=60)
    app.query_params.update(SMALL | query)
    app.run()
    assert not app.exception
    return app


def made(app: AppTest, kind: str, downloads: dict[str, Any]) -> tuple[str, bytes]:
    """Press the button, wait, and return the name and the bytes of what would be saved."""
    downloads.clear()
    app.button(key=f"{kind}_run").click().run()
    for _ in range(300):
        assert not app.exception
        assert not app.error
        if f"{kind}_save" in downloads:
            return downloads[f"{kind}_save"]  # type: ignore[no-any-return]
        time.sleep(0.1)
        app.run()
    raise AssertionError(f"no {kind} was made")


def value(app: AppTest, key: str) -> Any:
    if key in ON_CANVAS:
        return app.session_state["settings"][key]
    kinds = ("slider", "toggle", "selectbox", "number_input", "button_group")
    return next(widget.value for kind in kinds for widget in app.get(kind) if widget.key == key)


def test_every_option_is_there_with_its_help() -> None:
    app = opened()
    kinds = ("selectbox", "toggle", "number_input", "text_area", "button", "file_uploader", "download_button")
    widgets = {widget.key: widget for kind in kinds for widget in app.main.get(kind)}
    for prefix, declared in (("figure", FigureConfig), ("film", AnimationConfig)):
        for name, parameter in declared.parameters().items():
            widget = widgets[f"{prefix}_{name}_0"]
            assert widget.label == parameter.label
            assert widget.proto.help == parameter.help
            assert widget.value == (
                "automatic" if parameter.name in ("titles", "class_names") and prefix == "figure" else parameter.default
            )
    assert len(widgets) > 30
    assert all(widget.proto.help for widget in widgets.values())


def test_a_figure_is_made_as_set_and_brings_its_settings_back(downloads: dict[str, Any]) -> None:
    app = opened(alpha="17", view="pca")
    app.selectbox(key="figure_format").set_value(".pdf")
    app.selectbox(key="figure_template_0").set_value("strip")
    app.selectbox(key="figure_titles_0").set_value("no")
    app.number_input(key="figure_dpi_0").set_value(60)
    app.number_input(key="figure_width_0").set_value(4.5)
    name, content = made(app, "figure", downloads)
    assert name == "mnist-strip.pdf"
    found = read_settings(content)
    assert found.config == Config(n_components=16, n_blocks=2, alpha=17.0)
    assert found.view == ViewConfig(view="pca")
    assert found.figure == FigureConfig("strip", width=4.5, dpi=60, titles=False)
    assert any("All 450 points are vectors" in caption.value for caption in app.caption)
    set_on_canvas(app, alpha=30.0)
    app.segmented_control(key="view").set_value("axes").run()
    app.selectbox(key="figure_template_0").set_value("metrics").run()
    assert "figure_save" not in {button.key for button in app.get("download_button")}  # it would be of other settings
    app.file_uploader(key="restore_file").upload("mine.pdf", content).run()
    assert app.success[0].value == "The settings of mine.pdf are back."
    assert not app.warning
    assert (value(app, "alpha"), value(app, "view")) == (17.0, "pca")
    assert app.session_state["last_run"].config == found.config
    assert app.selectbox(key="figure_template_1").value == "strip"
    assert app.selectbox(key="figure_titles_1").value == "no"
    assert made(app, "figure", downloads)[1] == content


def test_a_film(downloads: dict[str, Any]) -> None:
    app = opened()
    for name, number in (("fps", 2), ("hold", 0.0), ("frame_width", 200), ("frame_height", 160)):
        app.number_input(key=f"film_{name}_0").set_value(number)
    name, content = made(app, "film", downloads)
    assert name == "mnist-collapse.gif"
    with Image.open(io.BytesIO(content)) as image:
        assert (image.size, image.n_frames) == ((200, 160), 5)
    app.number_input(key="film_frame_width_0").set_value(201).run()
    assert "Frame_width must be even" in app.error[0].value


@pytest.mark.parametrize(("suffix", "which", "k"), [(".csv", "view", 2), (".parquet", "all", 16)])
def test_a_table_and_its_script(suffix: str, which: str, k: int, downloads: dict[str, Any], tmp_path: Path) -> None:
    app = opened()
    app.selectbox(key="table_format").set_value(suffix)
    app.selectbox(key="table_coordinates").set_value(which)
    app.number_input(key="table_block_2").set_value(1)
    name, content = made(app, "table", downloads)
    assert name == f"mnist-block1{suffix}"
    again = load_bytes(name, content)
    expected = app.session_state["last_run"].full.latents[1][:, :k]
    np.testing.assert_array_equal(again.Y.astype(np.float32), expected)
    script, source = downloads["table_script"]
    assert script == "script.py"
    assert "latents[1]" in source or "[1]" in source
    assert ("blocks_in_view" in source) == (which == "view")
    if suffix == ".csv":
        beside, settings_file = downloads["table_settings"]
        assert beside == "mnist-block1.session.json"
        assert load_session(settings_file).settings.config == CONFIG
    else:
        assert "table_settings" not in downloads


class Finishing:
    """A file that is finished when it has been looked at `after` times."""

    content, error, note, current, progress = b"GIF89a", None, "", "drawing", 0.5

    def __init__(self, after: int) -> None:
        self.after = after

    @property
    def finished(self) -> bool:
        self.after -= 1
        return self.after < 0

    complete = finished


@pytest.mark.parametrize("after", range(5))
def test_a_file_that_is_finished_at_any_moment_is_handed_over(
    after: int, downloads: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawn now, or drawn again: never finished between the two looks and forgotten."""
    waiting: list[bool] = []
    monkeypatch.setattr(export_widgets, "poll", lambda pending, **_: waiting.append(pending))

    def script() -> None:
        import streamlit as st

        from dr_transformer.ui.exports.widgets import file_row

        file_row("film", "asked", lambda: st.session_state["job"], "a.gif", "image/gif")

    app = AppTest.from_function(script)
    app.session_state["film_asked"] = "asked"
    app.session_state["job"] = Finishing(after)
    app.run()
    assert not app.exception
    assert ("film_save" in downloads) or waiting == [True]


def test_a_web_page(downloads: dict[str, Any]) -> None:
    app = opened()
    while not app.session_state["last_run"].finished:
        time.sleep(0.1)
    app.run()
    name, content = made(app, "web page", downloads)
    assert name == "mnist.html"
    assert content[:15].lower() == b"<!doctype html>"
    app.selectbox(key="web_page_kind").set_value("live").run()
    name, live = made(app, "web page", downloads)
    assert name == "mnist-live.html"
    assert b"worker-src blob:" in live
    assert b"worker-src blob:" not in content
    app.segmented_control(key="view").set_value("pca").run()
    assert any("two latent axes" in each.value for each in app.info)


def test_cancel_stops_and_keeps_nothing(downloads: dict[str, Any]) -> None:
    app = opened()
    app.number_input(key="film_fps_0").set_value(60)
    app.number_input(key="film_seconds_per_block_0").set_value(30.0)
    app.button(key="film_run").click().run()
    app.button(key="film_stop").click().run()
    assert "film_asked" not in app.session_state
    app.run()
    assert "film_save" not in downloads
    assert not app.error
    assert made(app, "figure", downloads)[0] == "mnist-figure1.png"


def test_a_session_comes_back_whole(downloads: dict[str, Any]) -> None:
    app = opened(alpha="12", dataset="digits")
    app.text_area(key="notes_0").set_value("Look at the sevens.").run()
    key = app.session_state["last_run"].dataset.key
    app.session_state["last_selection"] = (key, np.array([3, 5, 8]))
    app.session_state["last_depth"] = 1.25
    name, content = downloads["session_save"] if app.button(key="session_make").click().run() else ("", b"")
    assert name == "digits.session.json"
    found = load_session(content)
    assert (found.notes, found.settings.data_key) == ("Look at the sevens.", key)
    assert found.settings.config == Config(n_components=16, n_blocks=2, alpha=12.0)
    content = dump(json.loads(content), [3, 5, 8], found.notes, 1.25)
    again = opened()
    again.file_uploader(key="restore_file").upload("class.session.json", content).run()
    assert again.success[0].value == "The settings, selection and notes of class.session.json are back."
    assert not again.warning
    assert again.session_state["last_run"].dataset.key == key
    assert again.text_area(key="notes_1").value == "Look at the sevens."
    assert again.session_state["start_depth"] == 1.25
    given, selection, _ = again.session_state[GIVEN_SELECTION]
    assert (given, selection.tolist()) == (key, [3, 5, 8])


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("broken.png", b"\x89PNG\r\n\x1a\n....", "broken.png cannot be read"),
        ("other.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "holds no settings of this app"),
        ("mine.json", b"{", "holds settings that cannot be read"),
        ("mine.json", b'{"format": "dr-transformer", "schema": 99}', "was saved by another version"),
        ("mine.json", dump(settings(Config(alpha=1000), data())), "outside the app's range, 1 to 300; use"),
        ("mine.json", dump(settings(CONFIG, data()) | {"config": {"eta": 0.5}}), "must not be exactly 0.5"),
        ("mine.json", dump(settings(CONFIG, data()), [150]), "tokens do not have"),
    ],
)  # fmt: skip
def test_what_is_refused_changes_nothing(name: str, content: bytes, sentence: str) -> None:
    app = opened(alpha="17")
    app.text_area(key="notes_0").set_value("mine").run()
    app.file_uploader(key="restore_file").upload(name, content).run()
    assert sentence in app.error[0].value
    assert not app.exception
    assert value(app, "alpha") == 17.0
    assert app.session_state["last_run"].config == Config(n_components=16, n_blocks=2, alpha=17.0)
    assert app.text_area(key="notes_0").value == "mine"
    assert GIVEN_SELECTION not in app.session_state


def test_other_tokens_are_said_and_not_selected() -> None:
    told = settings(CONFIG, data()) | {"data": {"name": "mnist", "n_samples": 150, "key": "of other tokens"}}
    app = opened()
    app.file_uploader(key="restore_file").upload("a.session.json", dump(told, [1, 2])).run()
    assert "The tokens are not those of the file" in app.warning[0].value
    assert not app.exception


def test_a_users_file_is_asked_for_by_name() -> None:
    app = opened()
    saved = settings(Config(n_components=3, n_blocks=1), load_bytes("mine.csv", b"a,b,c\n1,2,3\n3,4,0\n5,1,1\n"))
    app.file_uploader(key="restore_file").upload("a.session.json", dump(saved)).run()
    assert value(app, "dataset") == "your own file"
    assert any("mine.csv" in found.value for found in (*app.warning, *app.info, *app.error))
    assert not app.exception


def test_the_link_holds_the_settings_alone() -> None:
    app = opened(alpha="17", depth="1")
    (code,) = [block.value for block in app.code if "n_samples" in block.value]
    assert code.endswith("/?n_samples=150&n_components=16&n_blocks=2&alpha=17")


def test_what_the_widgets_cannot_show_is_mapped_or_refused() -> None:
    values = app_values(SavedSettings(Config(device="cuda"), baselines=BaselineConfig(n_neighbors=7)), "it")
    assert (values["n_samples"], values["n_neighbors"]) == (10_000, 7)
    assert values["device"] in ("auto", "cuda")


def test_the_compare_page_has_it_too(downloads: dict[str, Any]) -> None:
    app = opened("pages/2_Compare.py")
    app.selectbox(key="table_method").set_value("pca")
    name, content = made(app, "table", downloads)
    assert name == "mnist-pca.npz"
    np.testing.assert_allclose(load_bytes(name, content).Y, pca(load("mnist", 150).Y, 2).scores, atol=1e-11)
    assert list(METHODS) == ["transformer", "laplacian", "umap", "pca"]
