"""The section "Phase diagram" by AppTest: nothing runs unasked, the map holds what is computed, a cell is loaded."""

import io
import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dr_transformer import Config, load
from dr_transformer.engine import sweep as sweep_module
from dr_transformer.model.unroll import unroll
from dr_transformer.quality.metrics import METRICS
from dr_transformer.quality.scores import Reference, quality
from dr_transformer.quality.sweep_cache import CACHE_VARIABLE
from dr_transformer.quality.sweep_grid import Grid
from dr_transformer.ui.session import runner

PAGE = Path(__file__).parents[3] / "pages" / "4_Inside_a_block.py"
N = 80
BASE = {"dataset": "digits", "n_samples": str(N), "n_components": "8", "n_blocks": "2", "device": "cpu"}
GRID = Grid.of("eta", 7)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    st.cache_resource.clear()  # each test has a server of its own
    return tmp_path / "sweep.sqlite"


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """The settings of all transformers that cells run."""
    seen: list[Config] = []

    def counting(Y, config, projection, check):
        seen.append(config)
        return unroll(Y, config, projection, check)

    monkeypatch.setattr(sweep_module, "unroll", counting)
    return seen


def opened(**query: str) -> AppTest:
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    app.query_params.update(BASE | query)
    app.session_state["inside_kept"] = "Phase diagram"
    app.session_state["phase_kept"] = {"phase_resolution": 7}
    return settled(app.run())


def settled(app: AppTest) -> AppTest:
    """Rerun until nothing is under way, as the page does by itself."""
    end = time.monotonic() + 100
    while time.monotonic() < end:
        assert not app.exception
        if not app.session_state["phase_job"].working:
            return app.run()
        time.sleep(0.05)
        app.run()
    raise AssertionError("the sweep did not end")


def computed(app: AppTest) -> AppTest:
    return settled(app.button(key="phase_run").click().run())


def heat(app: AppTest) -> np.ndarray:
    (chart,) = app.get("plotly_chart")
    return np.array(json.loads(chart.proto.spec)["data"][0]["z"], float)


def state(app: AppTest) -> str:
    return next(c.value for c in app.caption if "from the cache" in c.value)


def test_it_computes_when_asked_and_shows_what_runs_of_their_own_give(runs: list[Config]) -> None:
    app = opened()
    assert runs == []
    assert state(app).startswith(f"Nothing is computed yet; 0 of 49 from the cache. All {N} tokens; L = 2, q = 8.")
    assert np.isnan(heat(app)).all()
    computed(app)
    assert not app.error
    assert len(runs) == 49
    assert state(app).startswith("All 49 cells; 0 of 49 from the cache.")
    assert app.button(key="phase_run").disabled
    data = load("digits", N)
    reference = Reference.of(data.Y, data.labels)
    base = Config(n_components=8, n_blocks=2, device="cpu")
    cells = [(0, 0), (3, 3), (6, 6), (2, 5)]
    for metric in METRICS:  # all of them are there: nothing is computed for another one
        app.selectbox(key="phase_metric").set_value(metric).run()
        drawn = heat(app)
        for cell in cells:
            *_, last = unroll(data.Y, GRID.config(base, cell))
            expected = quality(last.X.numpy(), reference).figures[metric]
            assert drawn[cell] == expected
    assert len(runs) == 49
    assert METRICS["mean_cosine"].help in " ".join(m.value for m in app.markdown)
    rows = app.dataframe[0].value
    np.testing.assert_array_equal(rows.to_numpy(), drawn)


def test_the_next_visit_finds_everything_in_the_cache(runs: list[Config], cache: Path) -> None:
    first = computed(opened())
    runs.clear()
    st.cache_resource.clear()  # as after a new start of the server
    again = opened()
    assert runs == []
    assert state(again).startswith("All 49 cells; 49 of 49 from the cache.")
    np.testing.assert_array_equal(heat(again), heat(first))
    with closing(sqlite3.connect(cache)) as cells, cells:
        assert cells.execute("DELETE FROM cells WHERE rowid = 6").rowcount == 1
    st.cache_resource.clear()
    third = opened()
    assert state(third).startswith("48 of 49 cells; 48 of 49 from the cache.")
    computed(third)
    assert len(runs) == 1
    np.testing.assert_array_equal(heat(third), heat(first))


def test_changed_settings_have_a_map_of_their_own_and_the_swept_ones_do_not(runs: list[Config]) -> None:
    app = computed(opened())
    whole = heat(app)
    app.slider(key="alpha").set_value(77.0).run()
    app.slider(key="eta").set_value(0.11).run()
    np.testing.assert_array_equal(heat(app), whole)
    app.slider(key="n_components").set_value(9).run()
    settled(app)
    assert np.isnan(heat(app)).all()
    assert len(runs) == 49
    app.slider(key="n_components").set_value(8).run()
    np.testing.assert_array_equal(heat(settled(app)), whole)
    assert len(runs) == 49
    app.segmented_control(key="phase_column").set_value("n_blocks").run()
    assert state(settled(app)).startswith("Nothing is computed yet")
    assert "η = 0.11" in state(app)


def test_cancel_keeps_what_there_is_and_compute_goes_on(runs: list[Config], monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened()
    stops: list[Callable[[], Any]] = []

    def stopping(Y, config, projection, check):
        runs.append(config)
        if len(runs) == 6:
            stops.pop()()
        return unroll(Y, config, projection, check)

    monkeypatch.setattr(sweep_module, "unroll", stopping)
    owner = (app.session_state["session_name"], "sweep")
    stops.append(lambda: runner().release(owner))
    app.button(key="phase_run").click().run()
    end = time.monotonic() + 60
    while len(runs) < 6 or app.session_state["phase_job"].working:
        assert time.monotonic() < end
        time.sleep(0.02)
    app.button(key="phase_stop").click().run()
    assert state(app).startswith("5 of 49 cells; 0 of 49 from the cache.")
    assert (~np.isnan(heat(app))).sum() == 5
    computed(app)
    assert state(app).startswith("All 49 cells; 0 of 49 from the cache.")
    assert len(runs) == 1 + 49


@pytest.mark.parametrize(("column", "name"), [("eta", "eta"), ("n_blocks", "n_blocks")])
def test_a_cell_is_loaded_without_a_mouse(column: str, name: str) -> None:
    app = opened(depth="1")
    app.segmented_control(key="phase_column").set_value(column).run()
    app.selectbox(key="phase_row_7").set_value(1)
    app.selectbox(key=f"phase_{column}_7").set_value(2)
    app.button(key="phase_load").click().run()
    grid = Grid.of(column, 7)
    assert app.slider(key="alpha").value == grid.alphas[1] == 7
    assert app.slider(key=name).value == grid.values[2]
    assert app.query_params["alpha"] == "7"
    assert app.query_params[name] == f"{grid.values[2]:g}"
    assert "depth" not in app.query_params
    symbol = {"eta": "η", "n_blocks": "L"}[column]
    said = [s.value for s in app.success]
    assert said == [f"Loaded α = 7, {symbol} = {grid.values[2]:g}; sidebar, link and pictures follow."]
    app.slider(key="alpha").set_value(8.0).run()
    assert not app.success
    assert not app.exception


def test_the_sample_is_chosen_and_said() -> None:
    app = opened(n_samples="700")
    assert app.selectbox(key="phase_tokens").options == ["500", "700"]
    assert app.selectbox(key="phase_tokens").value == 700
    app.selectbox(key="phase_tokens").set_value(500).run()
    assert "500 of 700 tokens, a class-balanced subset drawn with seed 42" in state(settled(app))


def test_what_cannot_be_computed_is_a_sentence() -> None:
    app = computed(opened(projection="pca", n_components="128"))
    (error,) = app.error
    assert "use at most" in error.value
    assert np.isnan(heat(app)).all()


def test_data_without_classes_have_the_figures_that_need_none() -> None:
    table = io.BytesIO()
    np.save(table, np.random.default_rng(0).normal(size=(60, 5)))
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    app.query_params.update(BASE | {"dataset": "your own file", "n_components": "4"})
    app.session_state["inside_kept"] = "Phase diagram"
    app.session_state["phase_kept"] = {"phase_resolution": 7, "phase_metric": "nmi"}
    app.session_state["upload"] = ("table.npy", table.getvalue())
    computed(app.run())
    assert app.selectbox(key="phase_metric").value == "recall"
    assert len(app.selectbox(key="phase_metric").options) == sum(not m.needs_labels for m in METRICS.values())
    assert not np.isnan(heat(app)).any()
    assert any(m.value.startswith("**Best kNN recall**") for m in app.markdown)
