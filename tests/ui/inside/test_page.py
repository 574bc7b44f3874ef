"""The page "Inside a block" by AppTest: what its first section draws and says is what the numerics give."""

import base64
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import plotly.io
import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest

from dr_transformer import Config, load, unroll
from dr_transformer.engine import run_cost
from dr_transformer.engine.inside import Place, depth_of
from dr_transformer.theory.objective import data_gradients
from dr_transformer.theory.variants import Variant, unroll_variant
from dr_transformer.ui.inside import jobs
from dr_transformer.ui.inside.page import SECTIONS
from dr_transformer.ui.inside.reparametrisation import WITHOUT_EPSILON
from tests.helpers.plain_theory import objective

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "pages" / "4_Inside_a_block.py"
SMALL = {"n_samples": "300", "n_components": "16", "n_blocks": "2"}
CONFIG = Config(n_components=16, n_blocks=2)


def opened(**query: str) -> AppTest:
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    app.query_params.update(SMALL | query)
    app.run()
    assert not app.exception
    return app


def finished(app: AppTest) -> AppTest:
    """Rerun until all jobs of the section are done, as the page does by itself."""
    for _ in range(300):
        words = [m.value for m in app.markdown]
        done = ("Largest difference", "change over all blocks", "KL rises under")
        if all(any(text in word for word in words) for text in done) or app.error:
            return app.run()
        time.sleep(0.1)
        app.run()
    raise AssertionError("the section was not finished")


@pytest.fixture(scope="module")
def app() -> AppTest:
    return finished(opened())


def charts(app: AppTest) -> dict[str, go.Figure]:
    """By the name that stands above each, the first of that name."""
    found: dict[str, go.Figure] = {}
    for element in app.get("plotly_chart"):
        figure = plotly.io.from_json(element.proto.spec)  # type: ignore[attr-defined]
        name = figure.layout.annotations[0].text if figure.layout.annotations else "overlaid"
        found.setdefault(name, figure)
    return found


@cache
def steps() -> dict[Place, torch.Tensor]:
    return {(s.block, s.name): s.X for s in unroll(load("mnist", 300).Y, CONFIG) if s.name != "projection"}


def points(trace: Any) -> np.ndarray:
    """The (n, 2) points of a trace, whose coordinates are sent as bytes."""
    xy = [np.frombuffer(base64.b64decode(c["bdata"]), c["dtype"]) for c in (trace.x, trace.y)]
    return np.stack(xy, axis=1)


def words(app: AppTest) -> str:
    return "\n".join(m.value for m in app.markdown)


def test_the_curves_are_the_objective_after_every_sub_step_at_the_beta_that_is_set(app: AppTest) -> None:
    drawn = {}
    for beta in (1.0, 0.01):
        app.select_slider(key="inside_beta").set_value(beta).run()
        drawn = charts(app)
        expected = [objective(X, alpha=30, beta=beta) for X in steps().values()]
        names = {"data": "L_data − βn", "regulariser": "log det(XᵀX + βI)", "kl": "KL = L_data − L_reg"}
        for term, name in names.items():
            thin, thick = drawn[name].data
            values = [getattr(o, term) for o in expected]
            np.testing.assert_allclose(thin.y, values, rtol=1e-6)
            assert list(thin.x) == [depth_of(*place) for place in steps()]
            np.testing.assert_allclose(thick.y, values[::4], rtol=1e-6)
            assert list(thick.x) == [0, 1, 2]
    assert "So the blocks do not descend the KL" in words(app)


def test_the_gradient_s_curves_are_its_angles(app: AppTest) -> None:
    ends = [X for (_, name), X in steps().items() if name in ("layer_norm_0", "layer_norm_2")]
    expected = [data_gradients(X, alpha=30) for X in ends]
    drawn = charts(app)
    np.testing.assert_allclose(drawn["cosine of the two"].data[0].y, [g.cosine for g in expected], rtol=1e-6)
    leaves = drawn["cosine of what LayerNorm leaves"].data[0].y
    np.testing.assert_allclose(leaves, [g.tangent_cosine for g in expected], rtol=1e-6)
    assert f"{expected[0].cosine:.2f} at block 0 and {expected[2].cosine:.2f} at block 2" in words(app)


@pytest.mark.parametrize(
    ("name", "before"), [("attention", (1, "layer_norm_2")), ("feed_forward", (2, "layer_norm_1"))]
)
def test_the_table_has_the_figures_before_and_after_the_chosen_sub_step(app: AppTest, name: str, before: Place) -> None:
    app.session_state["sub_step"] = name
    app.run()
    rows = [line for m in app.markdown for line in m.value.split("\n") if line.startswith("| row norm")]
    for row, read in zip(rows, (torch.min, torch.mean, torch.max), strict=True):
        figures = [float(read(steps()[place].double().norm(dim=1))) for place in (before, (2, name))]
        assert row.endswith(f"| {figures[0]:.4f} | {figures[1]:.4f} |")
    cosine = data_gradients(steps()[1, "layer_norm_2"], alpha=30).cosine
    assert (f"| {cosine:.3f} | – |" in words(app)) == (name == "attention")
    assert f"**Block 2, {name.replace('_f', '-f')}**" in words(app)


def test_variants_are_run_and_their_figures_drawn(app: AppTest) -> None:
    chosen = [("gradient", "exact"), ("standard", "none")]
    app.select_slider(key="variants_beta").set_value(0.1)
    app.multiselect(key="variants").set_value(chosen).run()
    for _ in range(100):
        if "KL rises under" in words(app) or "KL falls under" in words(app):
            break
        time.sleep(0.1)
        app.run()
    table: Any = next(d.value for d in app.dataframe if "variant" in d.value.columns)
    assert list(table["variant"]) == ["exact gradient + exact regulariser", "standard A + no regulariser"]
    for (attention, regulariser), kl in zip(chosen, table["KL = L_data − L_reg"], strict=True):
        variant = Variant(attention, regulariser, beta=0.1)
        *_, last = unroll_variant(load("mnist", 300).Y, CONFIG, variant)
        assert kl == pytest.approx(objective(last.X, alpha=30, beta=0.1).kl, abs=0.006)
    assert "On all 300 tokens; α = 30" in "\n".join(c.value for c in app.caption)
    app.multiselect(key="variants").set_value([]).run()
    assert "Choose at least one variant." in [i.value for i in app.info]
    assert not app.exception


def test_the_two_parametrisations_are_laid_on_each_other(app: AppTest) -> None:
    first, second = charts(app)["overlaid"].data
    expected = steps()[2, "layer_norm_2"].numpy()
    np.testing.assert_allclose(points(first), expected[:, :2], atol=1e-5)
    assert np.abs(points(first) - points(second)).max() < 1e-5
    assert WITHOUT_EPSILON in words(app)
    app.segmented_control(key="diffusion_rate").set_value("η itself").run()
    for _ in range(100):
        if "They are two models" in words(app):
            break
        time.sleep(0.1)
        app.run()
    first, second = charts(app)["overlaid"].data
    assert second.name == "diffusion, η' = 0.4"
    assert np.abs(points(first) - points(second)).max() > 1e-3
    app.session_state["reparametrisation_table"] = True
    (table,) = [d.value for d in app.run().dataframe if "latent axis 0" in d.value.columns]
    assert list(table["series"].unique()) == [first.name, second.name]
    both = np.concatenate([points(first), points(second)])
    np.testing.assert_array_equal(table[["latent axis 0", "latent axis 1"]].to_numpy(float), both)


def test_bad_settings_are_one_sentence_and_what_there_was_stays() -> None:
    app = opened()
    before = app.session_state["last_inside"]
    app.slider(key="eta").set_value(0.5).run()
    assert len(app.error) == 1
    assert "must not be exactly 0.5" in app.error[0].value
    assert "last that could be computed" in app.error[0].value
    assert app.session_state["last_inside"] is before
    assert app.get("plotly_chart")
    assert not app.exception


def test_a_run_that_cannot_be_is_one_sentence() -> None:
    app = opened(n_samples="20", n_components="128", projection="pca")
    assert len(app.error) == 1
    assert "PCA" in app.error[0].value
    assert not app.exception


def test_many_tokens_run_as_a_subset_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MAX_SAMPLES", 200)
    app = opened()
    said = "This section runs on 200 of 300 tokens, class-balanced, drawn with seed 42, as if they were all."
    assert said in [i.value for i in app.info]
    assert any(c.value.startswith("200 tokens") for c in app.caption)


def test_section_and_controls_stay_while_another_page_is_visited() -> None:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params.update(SMALL)
    app.run()
    app.switch_page(str(PAGE)).run()
    app.select_slider(key="inside_beta").set_value(1.0).run()
    app.segmented_control(key="inside_section").set_value("Phase diagram").run()
    app.switch_page(str(ROOT / "pages" / "1_The_model.py")).run()
    app.switch_page(str(PAGE)).run()
    assert app.segmented_control(key="inside_section").value == "Phase diagram"
    app.segmented_control(key="inside_section").set_value("Sub-steps and objective").run()
    assert app.select_slider(key="inside_beta").value == 1.0
    assert not app.exception


@pytest.mark.parametrize("link", ["adjacency", "spectrum", "phase"])
def test_a_section_is_in_the_link_and_a_link_opens_it(link: str) -> None:
    app = opened(section=link)
    chosen = app.segmented_control(key="inside_section").value
    assert SECTIONS[chosen].__name__.endswith(f".{link}")
    app.segmented_control(key="inside_section").set_value("Sub-steps and objective").run()
    assert "section" not in app.query_params
    app.segmented_control(key="inside_section").set_value(chosen).run()
    assert app.query_params["section"] == link
    assert not app.exception


def test_a_link_to_no_section_says_so() -> None:
    app = opened(section="<b>x</b>")
    assert app.segmented_control(key="inside_section").value == next(iter(SECTIONS))
    assert any("there is no section" in warning.value for warning in app.warning)


def test_the_figures_can_be_stopped_and_go_on() -> None:
    app = opened(n_samples="4000", n_components="64", n_blocks="12")
    app.button(key="inside_stop").click().run()
    (said,) = [c.value for c in app.caption if c.value.startswith("Stopped at")]
    job = app.session_state["inside_job"][1]
    for _ in range(100):
        if not job.working:
            break
        time.sleep(0.1)
    assert not job.working
    assert not job.complete
    done = len(job.terms)
    app.run()
    assert len(job.terms) == done
    assert said.endswith("of the objective and its gradients.")
    app.button(key="inside_stop").click().run()
    assert not [c.value for c in app.caption if c.value.startswith("Stopped at")]
    assert job.working or job.complete  # the same one, which goes on where it was
    job.run.owners.clear()  # nobody waits for them: they stop
    job.owners.clear()


def test_a_run_too_large_to_keep_its_sub_steps_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_cost, "_MAX_BYTES", 300 * 16 * 2 * 4 - 1)
    st.cache_resource.clear()  # another test's run of these settings has kept them
    app = opened()
    assert [error.value for error in app.error] == [
        "300 tokens, 16 dimensions and 2 blocks are too much to keep every sub-step in memory; take fewer of one of "
        "them."
    ]
