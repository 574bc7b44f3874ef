"""The page "Draw a digit": what is drawn or given becomes a token of the run, and what is said of it is so."""

import json
import re
import time

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dr_transformer import Config, InputError, load
from dr_transformer.canvas.drawn import DrawnRun, check_drawable
from dr_transformer.config import ViewConfig
from dr_transformer.data.dataset import load_bytes
from dr_transformer.data.drawing import ink_from_strokes, png, token_from_ink
from dr_transformer.engine.run import Run
from dr_transformer.model.new_token import majority, nearest
from tests.helpers.user_files import npz
from tests.ui.test_pages import ROOT, SMALL

PAGE = ROOT / "pages" / "7_Draw_a_digit.py"
SEVEN = [[80, 60, 200, 60], [200, 60, 120, 230]]  # two strokes, on a board of 280 × 280
CONFIG = Config(n_components=16, n_blocks=2)


def board(strokes: list[list[int]]) -> dict[str, str]:
    """What the board reports."""
    tenths = [[10 * value for value in stroke] for stroke in strokes]
    return {"strokes": json.dumps({"size": 2800, "pen": 240, "strokes": tenths})}


def seven() -> np.ndarray:
    ink = ink_from_strokes([np.reshape(stroke, (-1, 2)) for stroke in SEVEN], 280, 24)
    assert ink is not None
    return token_from_ink(ink)


def opened(**query: str) -> AppTest:
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    app.query_params.update(SMALL | query)
    return app.run()


def settled(app: AppTest, drawn: bool = True) -> AppTest:
    """Rerun until the drawing, or the run alone, is shown, as the page does by itself."""
    for _ in range(100):
        if "drawn" in app.session_state and (app.session_state["drawn"].found is not None) == drawn:
            return app
        time.sleep(0.1)
        app.run()
    raise AssertionError("nothing was drawn")


@pytest.fixture(scope="module")
def run() -> Run:
    made = Run(load("mnist", 300), CONFIG)
    made.owners.add("test")
    made.work()
    assert made.error is None
    return made


def drawn_run(run: Run, view: ViewConfig, image: np.ndarray | None) -> DrawnRun:
    job = DrawnRun(run, view, image)
    job.owners.add("test")
    job.work()
    assert job.error is None
    assert job.complete
    return job


@pytest.mark.parametrize("view", ["axes", "pca", "fixed-pca", "aligned-pca"])
def test_the_drawing_is_drawn_in_the_plane_of_the_others(run: Run, view: str) -> None:
    """A training image lies on its twin, in both panels and at every block."""
    config = ViewConfig(view=view, second_axis=3, view_block=1)
    job = drawn_run(run, config, run.dataset.images[17])
    assert job.found is not None
    assert job.found.twin == 17
    start, moving = job.panels or ()
    assert start.frames.shape == (1, 301, 2)
    assert moving.frames.shape == (3, 301, 2)
    np.testing.assert_allclose(moving.frames[:, 300], moving.frames[:, 17], atol=1e-12)  # rows of two products
    np.testing.assert_allclose(start.frames[0, 300], start.frames[0, 17], atol=1e-6)
    if view == "axes":
        np.testing.assert_array_equal(moving.frames[:, :300], np.stack(run.full.latents)[:, :, [0, 3]])
        np.testing.assert_array_equal(start.frames[0, :300], run.full.start[:, [0, 3]])


def test_without_a_drawing_its_place_is_kept(run: Run) -> None:
    job = drawn_run(run, ViewConfig(), None)
    assert job.found is None
    assert job.attended() is None
    assert job.table() == []
    assert [panel.frames.shape for panel in job.panels or ()] == [(1, 301, 2), (3, 301, 2)]


def test_the_table_says_what_was_found(run: Run) -> None:
    job = drawn_run(run, ViewConfig(), seven())
    attended = job.attended()
    assert job.found is not None
    assert attended is not None
    assert attended.index == 300
    for block, row in enumerate(job.table()):
        near = nearest(job.found.latents[block], run.full.latents[block])
        label, votes = majority(run.dataset.labels[near])
        assert (row["block"], row["nearest class"]) == (block, str(label))
        assert row["neighbours"] == f"{votes} of 5"
        assert row["attended"] == attended.indices[block][:5].tolist()
        assert row["weights"] == attended.weights[block][:5].tolist() == sorted(row["weights"], reverse=True)
        assert row["classes"] == [str(run.dataset.labels[i]) for i in row["attended"]]


def test_a_drawing_becomes_a_token_and_clearing_takes_it_away() -> None:
    app = settled(opened(), drawn=False)
    assert any("Draw a digit with the mouse" in text.value for text in app.markdown)
    assert not app.dataframe
    app.session_state["drawing_board"] = board(SEVEN)
    app = settled(app.run())
    job = app.session_state["drawn"]
    np.testing.assert_array_equal(job.image, seven())
    (label, votes, of), (last, last_votes, _) = job.verdicts()[0], job.verdicts()[-1]
    [told] = [text.value for text in app.markdown if text.value.startswith("**After block 2 ")]
    found = re.findall(r"(\d+)\*\*: (\d+) of its (\d+)|was (\d+), with (\d+) of (\d+)", told)
    assert [[int(number) for number in each if number] for each in found] == [
        [int(last), last_votes, of],
        [int(label), votes, of],
    ]
    frame = app.dataframe[0].value
    assert frame["nearest class"].tolist() == [f"{name} ({n} of 5)" for name, n, _ in job.verdicts()]
    assert frame["attends to 1"].str.startswith("data:image/png;base64,").all()
    app.session_state["drawing_board"] = board([])
    app = settled(app.run(), drawn=False)
    assert any("Draw a digit with the mouse" in text.value for text in app.markdown)
    assert not app.exception


def test_a_training_image_given_as_a_file_is_that_token() -> None:
    app = opened()
    app.file_uploader(key="digit_file").upload("five.png", png(load("mnist", 300).images[5]), "image/png")
    app = settled(app.run())
    assert any("This is token 5 of the run, pixel by pixel." in text.value for text in app.markdown)
    job = app.session_state["drawn"]
    np.testing.assert_array_equal(job.found.latents, np.stack(job.run.full.latents)[:, 5])


def test_a_file_that_shows_no_digit_is_a_sentence_and_the_picture_stays() -> None:
    app = settled(opened(), drawn=False)
    app.file_uploader(key="digit_file").upload("white.png", png(np.full((60, 60), 255, np.uint8)), "image/png")
    app.run()
    assert [error.value.split(":")[0] for error in app.error] == ["white.png shows no digit"]
    assert app.session_state["drawn"].complete
    assert not app.exception


def test_a_damaged_report_is_a_sentence() -> None:
    app = opened()
    for text in ("{", '{"strokes": [[1, 2, 3]], "size": 1, "pen": 1}', '{"strokes": 7}'):
        app.session_state["drawing_board"] = {"strokes": text}
        app.run()
        assert "did not arrive whole" in app.error[0].value
        assert not app.exception


def test_tokens_that_are_no_such_images_are_a_sentence() -> None:
    app = opened(dataset="digits")
    assert "A drawing is 28 × 28 grey levels, but the tokens of digits are not" in app.error[0].value
    assert not app.exception
    numbers = np.random.RandomState(0).rand(5, 28, 28).astype(np.float32)
    with pytest.raises(InputError, match="choose mnist"):
        check_drawable(load_bytes("own.npz", npz(images=numbers)))
    check_drawable(load_bytes("own.npz", npz(images=(255 * numbers).astype(np.uint8))))
