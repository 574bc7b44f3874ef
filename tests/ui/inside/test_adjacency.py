"""The section "Attention is a graph" by AppTest: what it says and draws is what the model computes."""

import base64
import time
from pathlib import Path
from typing import Any

import numpy as np
import plotly.io
import pytest
import torch
from streamlit.testing.v1 import AppTest

from dr_transformer import Config, load, unroll
from dr_transformer.methods.graph import knn_graph
from dr_transformer.theory.alpha_tuning import tune_alpha
from dr_transformer.theory.attention_graph import class_order, fiedler_order
from dr_transformer.ui import session
from dr_transformer.ui.inside.alpha import usable
from dr_transformer.ui.inside.neighbours import next_of, percent

PAGE = Path(__file__).parents[3] / "pages" / "4_Inside_a_block.py"
SMALL = {"n_samples": "300", "n_components": "16", "n_blocks": "2"}
CONFIG = Config(n_components=16, n_blocks=2)


def open_page(**query: str) -> AppTest:
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    app.query_params.update(SMALL | query)
    app.session_state["inside_section"] = "Attention is a graph"
    return settled(app.run())


def settled(app: AppTest) -> AppTest:
    """Rerun until the figures of all blocks, the image of A and the tuning are there, as the page does by itself."""
    for _ in range(100):
        assert not app.exception
        said = [c.value for c in app.caption]
        blocks = int(app.session_state["settings"]["n_blocks"]) + 1
        ready = any(f"{blocks} of {blocks} blocks." in line for line in said) and "Computing …" not in said
        tuning = app.session_state["alpha_job"][1] if "alpha_job" in app.session_state else None
        if ready and (tuning is None or tuning.curve is not None or "alpha_asked" not in app.session_state):
            return app.run()
        time.sleep(0.1)
        app.run()
    raise AssertionError(f"the section did not come to rest: {said}")


def labelled(widgets: Any, label: str) -> Any:
    """The one with this label. The key of those that show the token changes when another has chosen it."""
    (found,) = [widget for widget in widgets if widget.label == label]
    return found


def charts(app: AppTest) -> list[Any]:
    return [plotly.io.from_json(chart.proto.spec) for chart in app.get("plotly_chart")]


def numbers(value: Any) -> np.ndarray:
    """An array of a chart, which travels as its bytes."""
    if not isinstance(value, dict):
        return np.asarray(value)
    flat = np.frombuffer(base64.b64decode(value["bdata"]), dtype=value["dtype"])
    return flat.reshape([int(side) for side in value["shape"].split(",")]) if "shape" in value else flat


def latents(block: int) -> torch.Tensor:
    steps = unroll(load("mnist", 300).Y, CONFIG)
    return next(step.X for step in steps if step.ends_block and step.block == block)


def dense(block: int) -> np.ndarray:
    X = latents(block).double()
    logits = CONFIG.alpha * len(X) / 16 * X @ X.T
    logits.fill_diagonal_(-torch.inf)
    return logits.softmax(dim=1).numpy()


def captions_under(app: AppTest, strip: int) -> list[str]:
    """What stands under the images of a strip."""
    return [image.caption for image in app.get("image")[strip].proto.imgs]


def expected_captions(tokens: np.ndarray, row: np.ndarray) -> list[str]:
    labels = load("mnist", 300).labels
    assert labels is not None
    return [f"{labels[i]} · {percent(row[i])}" for i in tokens]


def test_a_token_by_number_shows_whom_it_attends_to() -> None:
    app = open_page()
    labelled(app.number_input, "Token").set_value(17).run()
    row = dense(2)[17]
    most = np.argsort(-row)[:12]
    assert captions_under(app, 0) == expected_captions(most, row)
    nearest = knn_graph(load("mnist", 300).Y, 15).indices[17, :12]
    assert captions_under(app, 1) == expected_captions(nearest, row)
    said = next(m.value for m in app.markdown if m.value.startswith("**Token 17**"))
    effective = np.exp(-(row[row > 0] * np.log(row[row > 0])).sum())
    labels = load("mnist", 300).labels
    assert labels is not None
    assert f"hold {percent(row[most].sum())} of its attention" in said
    assert f"over {effective:.3g} tokens in effect" in said
    assert f"{(labels[most] == labels[17]).sum()} are of its class ({labels[17]})" in said
    assert f"{len(set(most) & set(nearest))} are among its 12 nearest" in said


def test_a_class_goes_to_its_next_token_and_the_button_on() -> None:
    app = open_page()
    labels = load("mnist", 300).labels
    assert labels is not None
    first, second = np.flatnonzero(labels == 7)[:2]
    labelled(app.selectbox, "Its class").set_value("7").run()
    assert labelled(app.number_input, "Token").value == first
    app.button(key="token_next").click().run()
    assert labelled(app.number_input, "Token").value == second
    assert labelled(app.selectbox, "Its class").value == "7"
    assert [next_of(np.array([1, 0, 1, 1]), token, 1) for token in (0, 2, 3, None)] == [2, 3, 0, 0]
    assert next_of(np.array([0, 0]), 1, 5) == 1


def test_figures_histogram_and_image_are_those_of_dense_a() -> None:
    app = open_page()
    A = dense(2)
    effective = np.exp(-(A * np.log(np.where(A > 0, A, 1))).sum(axis=1))
    true = knn_graph(load("mnist", 300).Y, 15).indices
    mass = np.take_along_axis(A, true, axis=1).sum(axis=1).mean()
    said = next(m.value for m in app.markdown if m.value.startswith("At block 2 half"))
    assert f"attend to {np.median(effective):.3g} others" in said
    assert f"{percent(mass)} of the attention lies on the 15 nearest" in said
    matrix, histogram, *curves = charts(app)
    labels = load("mnist", 300).labels
    assert labels is not None
    order = class_order(labels, fiedler_order(knn_graph(load("mnist", 300).Y, 15)))
    times_uniform = A[np.ix_(order, order)] * 299  # no more tokens than pixels: A itself
    np.testing.assert_allclose(10 ** numbers(matrix.data[0].z), np.maximum(times_uniform, 0.1), rtol=1e-3)
    assert numbers(histogram.data[0].y).sum() == 300
    drawn = {chart.layout.annotations[0].text: numbers(chart.data[0].y) for chart in curves[:4]}
    assert drawn["median effective number"][2] == pytest.approx(np.median(effective), rel=1e-4)
    assert drawn["mass on true neighbours"][2] == pytest.approx(mass, abs=1e-5)
    assert len(drawn["mass inside the class"]) == 3


def test_the_order_of_the_rows_and_k_are_choices_and_k_is_that_of_every_page() -> None:
    app = open_page()
    where = "of the side away"
    far = {}
    for order in ("class", "given"):
        app.session_state["matrix_order"] = order
        settled(app.run())
        far[order] = float(next(m.value for m in app.markdown if where in m.value).split()[5])
    assert far["class"] < 0.27 < 0.3 < far["given"] < 0.37

    app.number_input(key="n_neighbors").set_value(7).run()
    settled(app)
    assert app.query_params["n_neighbors"] in ("7", ["7"])
    assert any("lies on the 7 nearest in the pixels" in m.value for m in app.markdown)
    assert app.session_state["settings"]["n_neighbors"] == 7


def test_one_click_takes_the_best_alpha() -> None:
    app = open_page(alpha="12")
    app.button(key="alpha_run").click().run()
    settled(app)
    expected = tune_alpha(latents(0), knn_graph(load("mnist", 300).Y, 15))
    best = usable(expected.best)
    said = next(m.value for m in app.markdown if "the best α is" in m.value)
    assert f"**the best α is {expected.best:.1f}**: cross-entropy {expected.best_cross_entropy:.2f} nats" in said
    assert "symmetrised 15-NN graph of 300 tokens" in said
    curve = next(c for c in charts(app) if any(a.text.startswith("cross-entropy") for a in c.layout.annotations))
    np.testing.assert_allclose(numbers(curve.data[1].y), expected.agreement.cross_entropy, rtol=1e-6)
    assert curve.data[2].x[0] == pytest.approx(expected.best, rel=1e-6)
    assert curve.layout.shapes[0].x0 == 12
    app.button(key="alpha_use").click().run()
    assert app.slider(key="alpha").value == best
    assert app.query_params["alpha"] in (f"{best:g}", [f"{best:g}"])
    settled(app)
    assert app.session_state["token_of"] == load("mnist", 300).key
    assert app.button(key="alpha_use").disabled
    assert not app.warning  # the curve is still that of these settings


def test_a_curve_of_other_settings_says_so() -> None:
    app = open_page()
    app.button(key="alpha_run").click().run()
    settled(app)
    app.slider(key="n_components").set_value(20).run()
    assert any("other settings" in warning.value for warning in app.warning)


def test_the_tuning_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = []
    app = open_page()
    monkeypatch.setattr(session, "stop", stopped.append)
    app.button(key="alpha_stop").click().run()
    assert stopped == ["alpha"]
    assert not app.exception


def test_many_tokens_are_a_subset_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dr_transformer.ui.inside.jobs.MAX_SAMPLES", 200)
    app = open_page()
    assert "200 of 300 tokens, class-balanced, drawn with seed 42" in app.info[0].value
    assert any("200 × 200" in m.value for m in app.markdown)


@pytest.mark.parametrize("n", ["2", "3"])
def test_a_few_tokens_are_no_traceback(n: str) -> None:
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    app.query_params.update(SMALL | {"n_samples": n})
    app.session_state["inside_section"] = "Attention is a graph"
    for _ in range(5):
        assert not app.run().exception
        time.sleep(0.1)


def test_data_that_are_no_images_are_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from dr_transformer.ui import session

    plain = replace(load("digits", 200), image_shape=None, labels=None, class_names=(), key="digits as rows")
    monkeypatch.setattr(session, "dataset", lambda _: plain)
    app = open_page()
    assert not app.get("image")
    tables = [frame.value for frame in app.dataframe]
    assert [list(table.columns) for table in tables] == [["token", "label", "weight"]] * 2
    assert (np.diff(tables[0]["weight"]) <= 0).all()


def test_leaving_the_page_stops_its_jobs() -> None:
    app = open_page()
    found, me = app.session_state["matrix_shown"], app.session_state["session_name"]
    assert (me, "matrix") in found.owners
    other = AppTest.from_file(str(PAGE.parent / "1_The_model.py"), default_timeout=60)
    for key in ("session_name", "page"):
        other.session_state[key] = app.session_state[key]
    other.run()
    assert me not in {name for name, _ in found.owners}
