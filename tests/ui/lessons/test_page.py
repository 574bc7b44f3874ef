"""The lessons page: steps load their settings, questions reveal, and what the user had before comes back."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dr_transformer.lessons.format import shipped_lessons
from dr_transformer.ui.canvas import LAST_SPEC
from tests.helpers.live_sliders import set_on_canvas

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "pages" / "8_Lessons.py"
TINY = "n_samples: 500, n_components: 16, n_blocks: 2"
LESSON = f"""---
title: Tiny
about: For tests.
---

---
step: First
settings: {{{TINY}, alpha: 7}}
show: [alpha, eta]
lock: [eta]
---

The first text.

---
step: Second
settings: {{{TINY}}}
show: []
---

The second text.

---
step: Asked
settings: {{{TINY}}}
show: [alpha]
question: What happens?
options: [This, That]
answer: 1
reveal: {{alpha: 9}}
explanation: It is so.
---

The asked text.
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tiny.md").write_text(LESSON, encoding="utf-8")
    monkeypatch.setenv("DR_TRANSFORMER_LESSONS", str(tmp_path))
    return tmp_path


def opened(**query: str) -> AppTest:
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    app.query_params.update(query)
    return app.run()


def texts(app: AppTest) -> str:
    return "\n".join(m.value for m in app.markdown)


def controls(app: AppTest) -> set[str]:
    return {w.key for kind in ("slider", "toggle", "selectbox", "number_input") for w in app.sidebar.get(kind)}


def on_canvas(app: AppTest) -> dict[str, float]:
    """The sliders beside the picture, by name, with their values."""
    names = app.session_state[LAST_SPEC].sliders
    return {name: app.session_state["settings"][name] for name in names}


def test_the_list_opens_a_lesson(folder: Path) -> None:
    app = opened()
    assert not app.exception
    shown = texts(app)
    assert [title in shown for title in ("never trained", "What α does", "**Tiny** — For tests.")] == [True] * 3
    app.button(key="open tiny").click().run()
    assert "The first text." in texts(app)
    assert app.query_params["lesson"] == "tiny"
    assert app.query_params["step"] == "1"


def test_a_step_loads_its_settings_and_shows_only_its_controls(folder: Path) -> None:
    app = opened(lesson="tiny")
    assert controls(app) == {"eta"}  # α stands beside the picture
    assert on_canvas(app) == {"alpha": 7}
    assert app.slider(key="eta").disabled
    run = app.session_state["last_run"]
    assert (run.config.alpha, run.config.n_blocks, run.dataset.n_samples) == (7, 2, 500)
    set_on_canvas(app, alpha=8.0).run()
    assert app.session_state["last_run"].config.alpha == 8, "a control that is shown can be used"
    app.button(key="lesson_next").click().run()
    assert "The second text." in texts(app)
    assert controls(app) == set()
    assert on_canvas(app) == {}
    assert app.session_state["last_run"].config.alpha == 30, "what a step does not set has the paper's value"
    app.button(key="lesson_back").click().run()
    assert on_canvas(app) == {"alpha": 7}


@pytest.mark.parametrize(("chosen", "said"), [("This", "**As you predicted.**"), ("That", "**Not quite.**")])
def test_predict_then_reveal(folder: Path, chosen: str, said: str) -> None:
    app = opened(lesson="tiny", step="3")
    assert not [told for told in ("It is so.", "The asked text.") if told in texts(app)]
    assert "last_run" not in app.session_state, "the picture would give the answer away"
    app.radio[0].set_value(chosen).run()
    app.button(key="lesson_reveal").click().run()
    shown = texts(app)
    assert said in shown
    assert f"{said} It is so." in shown
    assert "The asked text." in shown
    assert app.session_state["last_run"].config.alpha == 9
    assert on_canvas(app) == {"alpha": 9}


def test_a_lesson_of_ones_own_has_no_link_for_it_would_open_nothing(folder: Path) -> None:
    app = opened()
    told = "Your lesson is open only in this window, and no link leads to it."
    assert any(caption.value.startswith(told) and "--lessons DIR" in caption.value for caption in app.caption)
    own = LESSON.replace("title: Tiny", "title: Mine").replace("\n", "\r\n")
    app.file_uploader[0].upload("3-mine.md", own.encode()).run()
    assert not app.error
    next(button for button in app.button if button.label == "Open “Mine”").click().run()
    assert "The first text." in texts(app)
    assert app.session_state["lesson"] == "mine", "as it is called in a folder"
    app.button(key="lesson_next").click().run()
    app.toggle(key="presenting").set_value(True).run()
    assert "The second text." in texts(app)
    assert not {"lesson", "step", "present"} & set(app.query_params)
    app.toggle(key="presenting").set_value(False).run()
    app.button(key="lesson_leave").click().run()
    app.button(key="open tiny").click().run()
    assert app.query_params["lesson"] == "tiny"


@pytest.mark.parametrize("step", ["9" * 5000, "-1", "0", "x", "\u0663"])
def test_a_step_that_there_is_not(folder: Path, step: str) -> None:
    app = opened(lesson="tiny", step=step)
    assert not app.exception
    assert not app.error


def test_the_last_step_leads_to_the_next_lesson(folder: Path) -> None:
    first, second = [lesson.name for lesson in shipped_lessons()][1:3]
    app = opened(lesson=first, step="99")
    assert "lesson_next" not in [button.key for button in app.button]
    app.button(key="lesson_after").click().run()
    assert (app.query_params["lesson"], app.query_params["step"]) == (second, "1")
    app = opened(lesson="tiny", step="99")  # the last of all
    assert not {"lesson_next", "lesson_after"} & {button.key for button in app.button}


def test_the_tour_begins_on_the_front_page_and_what_was_set_there_comes_back() -> None:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params.update(n_samples="300", n_components="8", n_blocks="3", alpha="12")
    app.run()
    app.button(key="tour").click().run()
    assert (app.query_params["lesson"], app.query_params["step"]) == ("two-minute-tour", "1")
    assert app.session_state["last_run"].config.alpha == 30
    app.switch_page("app.py").run()
    assert app.session_state["last_run"].config.alpha == 12


def test_a_lesson_is_written_on_the_page_and_what_is_wrong_is_said(folder: Path) -> None:
    app = opened()
    assert not app.error, "what one begins with is a lesson"
    app.text_area[0].set_value(LESSON.replace("title: Tiny", "")).run()
    assert "title" in app.error[0].value
    app.text_area[0].set_value(LESSON.replace("title: Tiny", "title: Written")).run()
    assert not app.error
    app.button(key="lesson_open_draft").click().run()
    assert "The first text." in texts(app)
    app.button(key="lesson_leave").click().run()
    assert "title: Written" in app.text_area[0].value, "it is still there"


def test_an_uploaded_file_that_is_no_text_is_named(folder: Path) -> None:
    app = opened()
    app.file_uploader[0].upload("3-mine.md", b"\xff\xfe\xff").run()
    assert app.error[0].value == "3-mine.md is not text in UTF-8; save it as such."


def test_a_link_opens_a_step_and_a_wrong_one_is_said(folder: Path) -> None:
    assert "The second text." in texts(opened(lesson="tiny", step="2"))
    assert "What happens?" in opened(lesson="tiny", step="99").radio[0].label
    assert "The first text." in texts(opened(lesson="tiny", step="x"))
    app = opened(lesson="nothing")
    assert app.warning[0].value == "There is no lesson 'nothing' here; these are the lessons that there are."
    assert "**Tiny**" in texts(app)


def test_a_folder_with_a_bad_lesson_is_a_sentence_and_the_others_stay(folder: Path) -> None:
    (folder / "bad.md").write_text("no lesson", encoding="utf-8")
    app = opened()
    assert "must begin with a block" in app.warning[0].value
    assert "What α does" in texts(app)


def test_what_the_user_had_set_comes_back_after_the_lesson(folder: Path) -> None:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params.update(n_samples="300", n_components="8", n_blocks="3", alpha="12")
    app.run()
    app.switch_page("pages/8_Lessons.py").run()
    app.button(key="open tiny").click().run()
    assert app.session_state["last_run"].config.alpha == 7
    app.switch_page("app.py").run()
    config = app.session_state["last_run"].config
    assert (config.alpha, config.n_blocks, config.n_components) == (12, 3, 8)
    assert app.session_state["settings"]["alpha"] == 12


def test_presenting_hides_all_but_the_lesson(folder: Path) -> None:
    app = opened(lesson="tiny", present="true")
    assert app.toggle(key="presenting").value
    app.toggle(key="presenting").set_value(False).run()
    assert "present" not in app.query_params
