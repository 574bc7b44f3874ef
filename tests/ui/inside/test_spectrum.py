"""The section "Spectrum and convergence" by AppTest: what it draws and says follows from the figures."""

import time

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dr_transformer import Config, load, unroll
from dr_transformer.engine.spectrum import SpectrumRun, verdict
from dr_transformer.methods.graph import knn_graph
from dr_transformer.methods.spectrum import laplacian_eigenmaps
from dr_transformer.theory.convergence import subspace_overlap
from dr_transformer.ui.inside.spectrum import colourings, panels
from tests.helpers.plain_theory import convergence
from tests.ui.inside.test_adjacency import PAGE, charts, numbers

SMALL = {"n_samples": "300", "n_components": "16", "n_blocks": "2"}
BLOCKS, K = 5, 6


def open_page(wait: bool = True, **query: str) -> AppTest:
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    app.query_params.update(SMALL | query)
    app.session_state["inside_section"] = "Spectrum and convergence"
    app.session_state["spectrum_kept"] = {"spectrum_blocks": BLOCKS, "spectrum_k": K}
    app.run()
    return settled(app) if wait else app


def spectrum(app: AppTest) -> SpectrumRun:
    return app.session_state["spectrum_job"][1]


def settled(app: AppTest) -> AppTest:
    """Wait until the run is finished, and rerun as the page does by itself."""
    end = time.monotonic() + 60
    while not spectrum(app).finished:
        assert time.monotonic() < end
        time.sleep(0.05)
    app.run()
    assert not app.exception
    return app


def expected() -> list:
    Y = load("mnist", 300).Y
    latents = [s.X for s in unroll(Y, Config(n_components=16, n_blocks=BLOCKS)) if s.ends_block]
    return list(convergence(latents, laplacian_eigenmaps(knn_graph(Y, 15), K), K, alpha=30))


def test_curves_and_the_sentence_are_those_of_convergence() -> None:
    app = open_page()
    blocks = expected()
    drawn = {chart.layout.annotations[0].text: chart for chart in charts(app)}
    overlap = [subspace_overlap(block.latents) for block in blocks]
    np.testing.assert_allclose(numbers(drawn["latents with Eigenmaps"].data[0].y), overlap, atol=1e-6)
    maps = [subspace_overlap(block.attention) for block in blocks]
    np.testing.assert_allclose(numbers(drawn["A with Eigenmaps"].data[0].y), maps, atol=1e-4)
    own = [subspace_overlap(block.own) for block in blocks]
    np.testing.assert_allclose(numbers(drawn["latents with A, λ < ½"].data[0].y), own, atol=1e-4)
    lines = drawn["eigenvalues λ of I − A"].data
    found = np.array([numbers(line.y) for line in lines]).T
    np.testing.assert_allclose(found, [block.eigenvalues for block in blocks], atol=1e-5)
    angles = np.array([numbers(line.y) for line in drawn["principal angles to Laplacian Eigenmaps"].data]).T
    np.testing.assert_allclose(angles, np.degrees([block.latents for block in blocks]), atol=1e-4)
    said = verdict(overlap, own[-1], len(blocks[-1].own), K / 300)
    assert any(m.value == f"**{said[0]}** {said[1]} {said[2]}" for m in app.markdown)


def test_the_canvas_is_given_latents_eigenvectors_and_eigenmaps() -> None:
    app = open_page()
    run = spectrum(app)
    latents, maps, reference = panels(run, 6, first=1)
    assert latents.depths == maps.depths == (0, 1, 2, 3, 4, 5)
    np.testing.assert_array_equal(maps.frames, [each[:, 1:3] for each in run.maps])
    eigenmaps = laplacian_eigenmaps(knn_graph(load("mnist", 300).Y, 15), K)
    np.testing.assert_allclose(reference.frames[0], eigenmaps.embedding[:, 1:3], atol=1e-8)
    assert (maps.x_label, maps.y_label) == ("eigenvector 3", "eigenvector 4")
    X = [
        s.X.double().numpy() for s in unroll(load("mnist", 300).Y, Config(n_components=16, n_blocks=2)) if s.ends_block
    ]
    sizes = np.linalg.svd(X[1] - X[1].mean(axis=0), compute_uv=False)[:2]
    np.testing.assert_allclose(np.linalg.svd(latents.frames[1], compute_uv=False), sizes, rtol=1e-4)
    named = {colouring.name: colouring for colouring in colourings(run, 6)}
    np.testing.assert_array_equal(named["eigenvector 3 of I − A"].values, [each[:, 1] for each in run.maps])


def test_it_can_be_stopped_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    measure = SpectrumRun._measure

    def slow(self: SpectrumRun, X: object) -> None:
        measure(self, X)  # type: ignore[arg-type]
        time.sleep(0.3)

    monkeypatch.setattr(SpectrumRun, "_measure", slow)
    app = open_page(wait=False, alpha="21")
    assert not app.button(key="spectrum_stop").disabled
    app.button(key="spectrum_stop").click().run()
    run = spectrum(app)
    end = time.monotonic() + 30
    while run.working:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert not run.finished
    app.run()
    assert any(f"Stopped after {len(run.blocks)} of 6 blocks." in c.value for c in app.caption)
    monkeypatch.undo()
    app.button(key="spectrum_stop").click().run()
    settled(app)
    assert spectrum(app) is run
    assert app.button(key="spectrum_stop").disabled


def test_a_subset_of_many_tokens_is_said() -> None:
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    app.query_params.update(SMALL | {"n_samples": "700"})
    app.session_state["inside_section"] = "Spectrum and convergence"
    app.session_state["spectrum_kept"] = {"spectrum_n": 500, "spectrum_blocks": 1}
    settled(app.run())
    assert spectrum(app).dataset.n_samples == 500
    assert any("500 of 700 tokens, class-balanced, drawn with seed 42" in c.value for c in app.caption)


def test_several_heads_are_a_sentence() -> None:
    app = open_page(n_heads="2")
    assert "set Heads to 1" in app.error[0].value.replace("n_heads", "Heads")


@pytest.mark.parametrize("n", ["2", "3"])
def test_a_few_tokens_are_no_traceback(n: str) -> None:
    assert not open_page(n_samples=n).exception


def test_two_latent_dimensions_have_one_direction() -> None:
    app = open_page(n_components="2")
    assert not app.exception
    assert spectrum(app).n_components == 1
