"""The shipped picture is the run's, to what it says; and it is shown for no other settings."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dr_transformer import Config, load, unroll
from dr_transformer.canvas.parts import PackedFrame
from dr_transformer.canvas.picture import Drawing, Picture, picture
from dr_transformer.canvas.shipped import shipped
from dr_transformer.config import ViewConfig
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine import run as run_module
from dr_transformer.engine.run import Run
from dr_transformer.ui import canvas


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("mnist")


def coordinates(frame: PackedFrame) -> np.ndarray:
    return np.array(frame.step) * frame.stored + np.array(frame.offset)


@pytest.mark.slow
def test_it_is_the_papers_run(digits: Dataset) -> None:
    """To two steps of int16 in each frame's extent: one of rounding, and what another processor rounds otherwise."""
    run = Run(digits, Config())
    run.owners.add("test")
    run.work()
    drawing = Drawing(run, ViewConfig())
    drawing.grow()
    here, there = picture(drawing, 8.0), shipped(digits, Config(), ViewConfig())
    assert isinstance(here, Picture)
    assert isinstance(there, Picture)
    assert not there.is_preview
    for mine, theirs in zip(here.panels, there.panels, strict=True):
        assert replace(mine, frames=theirs.frames, packed=theirs.packed) == theirs
        for own, packed, drawn in zip(mine.packed, theirs.packed, theirs.frames, strict=True):
            off = np.abs(coordinates(own) - coordinates(packed)).max(axis=0) / own.step
            assert off.max() < 2, off
            np.testing.assert_allclose(drawn, coordinates(packed), rtol=0, atol=max(packed.step) / 10)


def test_it_is_for_the_papers_settings_alone(digits: Dataset) -> None:
    assert shipped(digits, Config(), ViewConfig(scale="final", three_d=True)) is not None
    for config in (Config(alpha=31), Config(random_state=1), Config(precision="float64")):
        assert shipped(digits, config, ViewConfig()) is None
    assert shipped(digits, Config(), ViewConfig(view="pca")) is None
    assert shipped(digits, Config(), ViewConfig(first_axis=1, second_axis=0)) is None
    assert shipped(load("mnist", 9_999), Config(), ViewConfig()) is None


def test_it_stands_there_until_the_run_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page shows all tokens at all depths of a run that computes nothing yet, and says whose they are."""
    drawn, go_on = [], threading.Event()

    def waiting(Y, config, *rest, **options):
        while not go_on.wait(0.01):
            options["check"]()
        yield from unroll(Y, config, *rest, **options)

    def recording(shown):
        drawn.append(shown)
        return draw(shown)

    draw = canvas.latent_canvas
    monkeypatch.setattr(canvas, "latent_canvas", recording)
    monkeypatch.setattr(run_module, "unroll", waiting)
    st.cache_resource.clear()  # another test's run of these settings is computed already
    app = AppTest.from_file(str(Path(__file__).parents[2] / "app.py"), default_timeout=60).run()
    assert not app.exception
    assert drawn[-1].visible is None
    assert [len(panel.frames) for panel in drawn[-1].panels] == [1, 33]
    assert any("as shipped · computing block 1 of 8" in line.value for line in app.caption)
    go_on.set()
    assert app.session_state["last_run"].done.wait(120)
    for _ in range(100):
        app.run()
        if drawn[-1].panels[1].packed[0].stored is not drawn[0].panels[1].packed[0].stored:
            break
    assert [len(panel.frames) for panel in drawn[-1].panels] == [1, 33]
    assert not any("as shipped" in line.value for line in app.caption)
    app.session_state["last_run"].owners.clear()
