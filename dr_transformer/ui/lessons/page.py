"""The lessons page: a list of guided tours, or one step of one, with the panel it drives under it."""

from __future__ import annotations

import functools
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import streamlit as st

from dr_transformer.errors import InputError
from dr_transformer.lessons.format import FIELDS, Lesson, Step, lesson_name, read_folder, read_lesson, shipped_lessons
from dr_transformer.paths import asset, asset_text
from dr_transformer.ui import session
from dr_transformer.ui.compare.page import compare
from dr_transformer.ui.explorer.page import explorer
from dr_transformer.ui.inside import adjacency
from dr_transformer.ui.lessons.sidebar import lesson_sidebar, load_step
from dr_transformer.ui.link import put_in_link
from dr_transformer.ui.live import ON_CANVAS
from dr_transformer.ui.page import begin_page
from dr_transformer.ui.sidebar import Settings
from dr_transformer.ui.text import escaped, refusal

FOLDER = "DR_TRANSFORMER_LESSONS"
"""Environment variable: a folder with more lessons, as `dr-transformer app --lessons` sets it."""


def lessons() -> None:
    """Draw the page: the lesson and step that were chosen or that the link names, else the list."""
    found, problems = _all_lessons()
    chosen = _chosen(found)
    if isinstance(chosen, str):
        problems.append(chosen)
        chosen = None
    if chosen is None:
        _list(found, problems)
    else:
        names = list(found)
        after = names[names.index(chosen.name) + 1 :]
        _lesson(chosen, found[after[0]] if after else None)


def _all_lessons() -> tuple[dict[str, Lesson], list[str]]:
    found, problems = {lesson.name: lesson for lesson in shipped_lessons()}, list[str]()
    try:
        if folder := os.environ.get(FOLDER):
            own, wrong = read_folder(Path(folder))
            found |= {lesson.name: lesson for lesson in own}
            problems += map(refusal, wrong)
    except InputError as error:
        problems.append(refusal(str(error)))
    opened: Lesson | None = st.session_state.get("opened_lesson")
    return found | ({opened.name: opened} if opened else {}), problems


def _chosen(found: dict[str, Lesson]) -> Lesson | str | None:
    """The lesson to show, from this session or the link; a sentence if the link names none that there is."""
    if "lesson" not in st.session_state:
        st.session_state["lesson"] = st.query_params.get("lesson")
        step = st.query_params.get("step", "1")
        st.session_state["lesson_step"] = int(step) - 1 if step.isdecimal() and len(step) < 5 else 0
        st.session_state["presenting"] = st.query_params.get("present") == "true"
    name = st.session_state["lesson"]
    if name is None:
        return None
    if name not in found:
        st.session_state["lesson"] = None
        return f"There is no lesson {escaped(repr(name))} here; these are the lessons that there are."
    lesson = found[name]
    st.session_state["lesson_step"] = max(0, min(st.session_state["lesson_step"], len(lesson.steps) - 1))
    return lesson


# --- the list ---


def _list(found: dict[str, Lesson], problems: list[str]) -> None:
    begin_page("Lessons", draw=lesson_sidebar((), (), lambda _entered: None))
    for name in ("lesson", "step", "present"):
        put_in_link(name, None)
    st.title("Lessons", anchor=False)
    st.markdown("Short tours for a class or for yourself: each step sets the app, asks, and shows.")
    for problem in problems:
        st.warning(problem)
    for lesson in found.values():
        with st.container(border=True):
            text, button = st.columns([7, 1], vertical_alignment="center")
            size = f"{len(lesson.steps)} steps, {lesson.minutes} minutes"
            text.markdown(f"**{escaped(lesson.title)}** — {escaped(lesson.about)}  \n{size}")
            button.button(
                "Open",
                key=f"open {lesson.name}",
                on_click=_open,
                args=(lesson.name,),
                help=f"Begins the lesson “{escaped(lesson.title)}”.",
            )
    with st.expander("A class without a server"):
        st.markdown(
            "`dr-transformer web live.html` writes one file of half a megabyte: a thousand digits and the model "
            "itself, which runs in the browser of whoever opens it. α, η, depth, heads, mask, A − I, dimension and "
            "seed are live. Lay the file on any web space and give the class its link, or send it along: it needs no "
            "network. In the page *Copy link* keeps the settings, so that a question can begin where you want it to."
        )
    with st.expander("A lesson of your own"):
        file = st.file_uploader(
            "Lesson (.md)",
            type=["md"],
            help="Markdown with front matter; the fields are listed below.",
            max_upload_size=1,
        )
        if file is not None:
            _read_upload(file.name, file.getvalue())
        st.caption(
            "Your lesson is open only in this window, and no link leads to it. For a class, put it into a folder and "
            "start the app with `dr-transformer app --lessons DIR`."
        )
        st.markdown(
            "A lesson is a text file: blocks between lines of three dashes, then text. Write one here, and open it."
        )
        _draft()
        st.markdown("\n".join(f"- `{name}`: {says}" for name, says in FIELDS.items()))


def _draft() -> None:
    """Let one write a lesson, and say at each pause what it would be; it begins as the first one of the app."""
    first = asset("lessons") / "1-a-transformer-that-was-never-trained.md"
    kept = st.session_state.get("lesson_draft", first.read_text(encoding="utf-8"))
    text = st.text_area(
        "Your lesson",
        kept,
        height=300,
        key="lesson_draft_text",
        help="Ctrl+Enter, or a click elsewhere, reads it again. It stays while this window is open; keep a copy.",
    )
    st.session_state["lesson_draft"] = text
    _offer("draft.md", text, key="lesson_open_draft")


def _read_upload(file: str, content: bytes) -> None:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        st.error(f"{escaped(file)} is not text in UTF-8; save it as such.")
    else:
        _offer(file, text, key="lesson_open_upload")


def _offer(file: str, text: str, key: str) -> None:
    """Say what is wrong with a lesson, else offer to open it."""
    try:
        lesson = read_lesson(lesson_name(file), text)
    except InputError as error:
        st.error(refusal(str(error)))
    else:
        st.button(
            f"Open “{escaped(lesson.title)}”",
            key=key,
            on_click=_open_own,
            args=(lesson,),
            help=f"Begins your lesson of {len(lesson.steps)} steps.",
        )


def _open_own(lesson: Lesson) -> None:
    st.session_state["opened_lesson"] = lesson
    _open(lesson.name)


def _open(name: str) -> None:
    st.session_state.update(lesson=name, lesson_step=0)
    st.session_state.pop("lesson_loaded", None)


# --- one step ---


def _lesson(lesson: Lesson, following: Lesson | None) -> None:
    index: int = st.session_state["lesson_step"]
    step = lesson.steps[index]
    place = (lesson.name, index)

    def load(entered: bool) -> None:
        if entered or st.session_state.get("lesson_loaded") != place:
            load_step(step.settings, step.depth, kept=False)
            st.session_state.update(lesson_loaded=place, lesson_revealed=False)

    dragged = _dragged(step)
    settings = begin_page("Lessons", draw=lesson_sidebar(step.show, step.lock, load, dragged))
    linked = lesson is not st.session_state.get("opened_lesson")  # nobody else has what was opened here
    put_in_link("lesson", lesson.name if linked else None)
    put_in_link("step", str(index + 1) if linked else None)
    put_in_link("present", "true" if linked and st.session_state.get("presenting") else None)
    if st.session_state.get("presenting"):
        st.html(asset("presenter.css"))
    _keys(len(lesson.steps))
    _heading(lesson, index, following)
    with st.container(key="lesson_text"):
        if step.question:
            _question(step, place)
        told = not step.question or st.session_state["lesson_revealed"]
        if told:
            st.markdown(step.text)
    if told:  # text and panel would give the answer away
        _panel(step, settings, dragged)


def _heading(lesson: Lesson, index: int, following: Lesson | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"### {escaped(lesson.steps[index].title)}")
        st.space("stretch")
        st.caption(f"{escaped(lesson.title)} · step {index + 1} of {len(lesson.steps)}", width="content")
        step = functools.partial(st.button, on_click=_go)
        step("Back", key="lesson_back", args=(index - 1,), disabled=index == 0, help="The step before.")
        if index < len(lesson.steps) - 1:
            step("Next", key="lesson_next", args=(index + 1,), type="primary", help="The next step.")
        elif following is not None:
            says = f"Begins the lesson “{escaped(following.title)}”."
            st.button(
                "Next lesson", key="lesson_after", on_click=_open, args=(following.name,), type="primary", help=says
            )
        st.button("All lessons", key="lesson_leave", on_click=_leave, help="Back to the list.")
        st.toggle("Present", key="presenting", help="Large type, no sidebar; arrow keys step, Escape ends.")


def _go(index: int) -> None:
    st.session_state["lesson_step"] = index


def _leave() -> None:
    st.session_state.update(lesson=None, lesson_step=0, presenting=False)
    st.session_state.pop("lesson_loaded", None)


def _question(step: Step, place: tuple[str, int]) -> None:
    revealed: bool = st.session_state["lesson_revealed"]
    predicted: str | None = None
    with st.container(border=True):
        if step.options:
            predicted = st.radio(
                f"**Predict.** {step.question}",
                step.options,
                index=None,
                horizontal=True,
                key=f"lesson answer {place}",
                help="Choose before you look.",
            )
        else:
            st.markdown(f"**Predict.** {step.question}")
        if not revealed:
            st.button("Reveal", key="lesson_reveal", on_click=_reveal, args=(step,), help="Shows what happens.")
            return
        said = ""
        if predicted is not None and step.answer is not None:
            right = step.options.index(predicted) == step.answer
            said = "**As you predicted.**" if right else "**Not quite.**"
        st.markdown(f"{said} {step.explanation}")


def _reveal(step: Step) -> None:
    st.session_state["lesson_revealed"] = True
    if step.reveal is not None:
        load_step(step.reveal, step.reveal_depth, kept=True)


def _dragged(step: Step) -> tuple[str, ...]:
    """Return what stands beside the picture of a step, and not in the sidebar."""
    if step.panel in ("compare", "attention"):
        return ()
    return tuple(n for n in ON_CANVAS if (step.show is None or n in step.show) and n not in step.lock)


def _panel(step: Step, settings: Settings, dragged: Collection[str]) -> None:
    if step.panel == "compare":
        compare(settings)
    elif step.panel == "attention":
        try:
            adjacency.show(session.dataset(settings), settings.config(), settings)
        except InputError as error:
            st.error(refusal(str(error)))
    else:
        explorer(settings, dragged)


@functools.cache
def _component() -> Any:
    return st.components.v2.component("presenter", js=asset_text("canvas/transport/sending.js", "presenter.js"))


def _keys(n_steps: int) -> None:
    """Listen to the keyboard while presenting."""
    if not st.session_state.get("presenting"):
        return

    def moved() -> None:
        state: Any = st.session_state["presenter"]
        by = state["step"]["by"] if state.get("step") else None
        if by == 0:
            st.session_state["presenting"] = False
        elif by is not None:
            st.session_state["lesson_step"] = max(0, min(st.session_state["lesson_step"] + by, n_steps - 1))

    with st.container(gap=None):
        data = {"serial": st.session_state["lesson_step"]}
        _component()(data=data, key="presenter", height="content", on_step_change=moved)
