"""Every page by AppTest: what the sidebar says reaches the model, and bad settings become sentences."""

import time
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dr_transformer import Config, DataConfig
from dr_transformer.config import PARAMETERS, BaselineConfig, ViewConfig
from dr_transformer.ui.link import DEFAULTS
from dr_transformer.ui.live import ON_CANVAS
from dr_transformer.ui.sidebar import PRESETS
from tests.helpers.live_sliders import set_on_canvas
from tests.helpers.machine import has_bfloat16, pretend

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py"))]
SMALL = {"n_samples": "300", "n_components": "16", "n_blocks": "2"}


def run(page: Path, **query: str) -> AppTest:
    app = AppTest.from_file(str(page), default_timeout=60)
    app.query_params.update(SMALL | query)
    return app.run()


def finished(app: AppTest) -> AppTest:
    """Rerun until the background run is done, as the page does by itself."""
    for _ in range(50):
        run = app.session_state["last_run"]
        if run.done.wait(1) and run.finished:
            return app.run()
        time.sleep(0.1)
    raise AssertionError("the run did not end")


WITHOUT_CONTROLS = {"1_The_model", "3_Performance", "5_Log_normaliser", "6_Graph_diffusion"}


@pytest.mark.parametrize("page", [p for p in PAGES if p.stem != "8_Lessons"], ids=lambda p: p.stem)
def test_page_runs_twice_and_shows_every_parameter(page: Path) -> None:
    app = run(page).run()
    assert not app.exception
    assert not app.error
    assert app.title or "# " in app.markdown[0].value or any("# " in m.value for m in app.markdown)
    kinds = ("slider", "toggle", "selectbox", "number_input", "segmented_control", "button_group")
    beside, on_page = ({w.key: w for kind in kinds for w in part.get(kind)} for part in (app.sidebar, app.main))
    if page.stem in WITHOUT_CONTROLS:
        assert not beside
        assert not on_page.keys() & PARAMETERS.keys() - {"n_neighbors", "random_state"}
        return
    for name, parameter in ViewConfig.parameters().items():
        assert name not in beside
        if name != "three_d" or page.stem == "app":
            assert on_page[name].label == parameter.label
            assert on_page[name].proto.help
    widgets = beside
    shown = Config.parameters() | DataConfig.parameters()
    shown |= BaselineConfig.parameters() if page.stem.endswith("Compare") else {}
    for name in ("label", "drop"):  # a file's alone
        assert name not in widgets
        shown.pop(name)
    for name, parameter in shown.items():
        if page.stem == "app" and name in ON_CANVAS:  # beside the picture
            assert name not in widgets
            continue
        assert widgets[name].label == parameter.label
        assert widgets[name].proto.help


def test_the_page_shows_what_the_widgets_say() -> None:
    app = run(ROOT / "app.py")
    set_on_canvas(app, alpha=12.0)
    app.toggle(key="graph_diffusion").set_value(True)
    app.run()
    assert app.session_state["last_run"].config == Config(n_components=16, n_blocks=2, alpha=12.0, graph_diffusion=True)
    line = next(c.value for c in finished(app).caption if " tokens · " in c.value)
    assert "300 tokens" in line
    assert "2 blocks in" in line
    assert "float32 on" in line
    assert "from float64" in line
    assert "MNIST" in line


def test_the_curves_of_the_run_before_stay_until_the_new_ones_are_there() -> None:
    def script() -> None:
        from types import SimpleNamespace

        import streamlit as st

        from dr_transformer.ui.explorer.page import _curves_before

        state = st.session_state
        state["before"] = _curves_before(
            SimpleNamespace(config=SimpleNamespace(n_blocks=2), error=state["error"]), state["curves"]
        )

    app = AppTest.from_function(script)

    def before(*values: float | None, error: str | None = None) -> Any:
        app.session_state["curves"], app.session_state["error"] = {"rank": list(values)}, error
        assert not app.run().exception
        return app.session_state["before"]

    assert before(1.0) is None
    assert before(1.0, None, 3.0) is None
    assert before(4.0, 5.0) == {"rank": (1.0, None, 3.0)}
    assert before(4.0, error="too large") is None  # its own will not come
    assert before(4.0, 5.0, 6.0) is None
    assert before() == {"rank": (4.0, 5.0, 6.0)}


def test_a_link_sets_every_widget() -> None:
    link = {"alpha": "17", "eta": "0.3", "mask_self": "false", "random_state": "7", "projection": "pca", "n_heads": "2"}
    app = run(ROOT / "app.py", **link)
    expected = Config(2, 17.0, 0.3, 16, 7, mask_self=False, projection="pca", n_heads=2)
    assert app.session_state["last_run"].config == expected


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_the_papers_setting_but_for_what_it_shows(name: str) -> None:
    app = run(ROOT / "app.py", alpha="17", eta="0.3", dataset="digits", view="pca")
    app.button(key=f"preset {name}").click().run(timeout=120)
    shown = app.session_state["last_run"]
    assert shown.config == Config(**PRESETS[name].values)
    everything = PRESETS[name].everything  # otherwise data and view stay the user's
    assert shown.dataset.n_samples == (10_000 if everything else 300)
    assert shown.dataset.name == ("mnist" if everything else "digits")
    assert app.segmented_control(key="view").value == ("axes" if everything else "pca")
    shown.owners.clear()  # nobody waits for it: it stops


def test_eta_one_half_is_a_sentence_and_the_picture_stays() -> None:
    app = run(ROOT / "app.py")
    before = app.session_state["last_run"]
    set_on_canvas(app, eta=0.5).run()
    assert "Learning rate η must not be exactly 0.5" in app.error[0].value
    assert "last that could be computed" in app.error[0].value
    assert app.session_state["last_run"] is before
    assert not app.exception


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"alpha": "lots"}, "alpha must be a number"),
        ({"eta": "2"}, "eta must be at most 1"),
        ({"alpha": "1000"}, "outside the app's range, 1 to 300"),
        ({"dataset": "cifar"}, "there is no data set 'cifar'"),
        ({"n_heads": "0"}, "n_heads must be at least 1"),
        ({"device": "mps"}, "no Apple GPU on this machine, so device = mps cannot be used. The default (auto) is"),
        ({"device": "cuda"}, "no CUDA GPU on this machine, so device = cuda cannot be used. The default (auto) is"),
    ],
)
def test_a_bad_link_is_said(query: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, None)
    app = run(ROOT / "app.py", **query)
    assert sentence in app.warning[0].value
    assert not app.exception
    assert not app.error
    (name,) = query
    assert app.session_state["settings"][name] == DEFAULTS[name]


@pytest.mark.parametrize(
    ("there", "offered"),
    [("mps", ["auto", "cpu", "mps"]), ("cuda", ["auto", "cpu", "cuda"]), (None, ["auto", "cpu", "cuda", "mps"])],
)
def test_devices_that_this_machine_has_are_offered(
    there: str | None, offered: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it has none, there is nothing to choose."""
    pretend(monkeypatch, there)
    app = run(ROOT / "app.py", device="cpu")
    (widget,) = (each for each in app.sidebar.selectbox if each.key == "device")
    assert widget.options == offered
    assert widget.disabled == (there is None)
    assert not app.exception


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"eta": "0.7"}, "above ½"),
        ({"alpha": "300", "n_samples": "50", "n_blocks": "1"}, "one-hot"),
    ],
)
def test_what_is_not_as_in_the_paper_is_said(query: dict[str, str], sentence: str) -> None:
    app = finished(run(ROOT / "app.py", **query))
    assert any(sentence in info.value for info in app.info)


def test_heads_that_do_not_divide_are_a_sentence() -> None:
    app = run(ROOT / "app.py", n_heads="3")
    assert "must divide" in app.error[0].value
    assert not app.exception


def test_a_missing_data_folder_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DR_TRANSFORMER_DATA", "nowhere")
    app = run(ROOT / "app.py")
    assert "nowhere" in app.error[0].value
    assert not app.exception


def test_your_own_file_is_asked_for() -> None:
    app = run(ROOT / "app.py", dataset="your own file")
    assert "Choose a file in the sidebar" in app.error[0].value
    assert not app.exception


def test_three_dimensions_are_one_switch() -> None:
    app = finished(run(ROOT / "app.py", three_d="true"))
    assert any("Block 2 in three dimensions" in heading.value for heading in app.subheader)
    assert not app.exception


@pytest.mark.parametrize(("precision", "said"), [("bfloat16", "bfloat16 products on"), ("float64", "float64 on")])
def test_the_line_under_the_picture_names_the_precision(precision: str, said: str) -> None:
    app = run(ROOT / "app.py", precision=precision)
    notes = [note.value for note in (*app.warning, *app.info)]
    line = next(c.value for c in finished(app).caption if " tokens · " in c.value)
    if precision == "bfloat16" and not has_bfloat16():  # it is not offered there, and a link that asks for it is mended
        said, (box,) = "float32 on", [box for box in app.selectbox if box.key == "precision"]
        assert "bfloat16" not in box.options
        assert any("bfloat16" in note for note in notes), notes
    assert said in line
    assert ("from float64" in line) == (precision == "bfloat16")
