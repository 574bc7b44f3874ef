"""Lessons: guided tours that drive the app, written as Markdown with front matter, without code.

A lesson is one file. It begins with a block of YAML between lines of three dashes: `title`, `about` (one line) and
`minutes`. Each step is such a block, then its text in Markdown; `FIELDS` says what stands in a step's block. A rule
inside a step's text is written ***, as three dashes begin a block.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dr_transformer.config import DATASETS, PARAMETERS, Config
from dr_transformer.errors import InputError, quoted
from dr_transformer.lessons.front_matter import read_block
from dr_transformer.paths import asset

PANELS = ("explorer", "attention", "compare")
MAX_BYTES = 1_000_000
_FENCE = re.compile(r"^---[ \t]*$", re.MULTILINE)
_RULE = "a rule inside a step's text is written ***, as three dashes begin a block"
FIELDS = {
    "step": "its title",
    "settings": "what to load, `{alpha: 5, depth: 0}`; everything else keeps the paper's value",
    "panel": "what is shown under the text: `explorer`, `attention` (as a graph) or `compare`",
    "show": "the controls that the student may use, `[alpha, eta]`; without it, all",
    "lock": "of those, controls that are shown but cannot be moved",
    "question": "asked first; text and panel come when the student asks to see",
    "options": 'answers to choose from, `[They merge., "No, none."]`; each begins with a capital, and is quoted if it '
    "holds a comma",
    "answer": "which option is right, counted from 1",
    "reveal": "settings that are loaded when the student asks to see, `{alpha: 30}`",
    "explanation": "said then, in Markdown",
}
"""The keys of a step's block, and what each means."""
_STEP_KEYS = set(FIELDS)


@dataclass(frozen=True)
class Step:
    """One step of a lesson; see the module's text. `depth` is None for the last block; `answer` counts from 0."""

    title: str
    text: str
    settings: dict[str, Any]
    depth: float | None = None
    panel: str = "explorer"
    show: tuple[str, ...] | None = None
    lock: tuple[str, ...] = ()
    question: str = ""
    options: tuple[str, ...] = ()
    answer: int | None = None
    reveal: dict[str, Any] | None = None
    reveal_depth: float | None = None
    explanation: str = ""


@dataclass(frozen=True)
class Lesson:
    """`name` is that of the file, and of the lesson in a link."""

    name: str
    title: str
    about: str
    minutes: int
    steps: tuple[Step, ...]


def read_lesson(name: str, text: str) -> Lesson:
    """The lesson in `text`, a file called `name`. Raises `InputError`: which step is wrong, and how."""
    if len(text.encode()) > MAX_BYTES:
        raise InputError(f"lesson {name!r} is larger than {MAX_BYTES // 1000} kB; a lesson is text only.")
    parts = _FENCE.split(text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n"))
    if len(parts) < 5 or parts[0].strip():
        raise InputError(
            f"lesson {name!r} must begin with a block between two lines of three dashes, and have such a block before "
            "each step."
        )
    blocks = []
    for number, block in enumerate(parts[1::2]):
        where = f"lesson {name!r}, " + (f"step {number}" if number else "its first block")
        read = read_block(where, block, f"; {_RULE}" if number else "")
        if not isinstance(read, dict):
            raise InputError(f"{where} must hold lines of the form key: value{f'; {_RULE}' if number else ''}.")
        if number and "step" not in read:
            raise InputError(f"{where} needs a text for step; {_RULE}.")
        blocks.append((where, read))
    if len(parts) % 2 == 0:
        raise InputError(f"{blocks[-1][0]} has no line of three dashes at its end; {_RULE}.")
    (where, head), *steps = blocks
    _known(where, head, {"title", "about", "minutes"})
    minutes = head.get("minutes", 5)
    if not isinstance(minutes, int) or isinstance(minutes, bool) or minutes < 1:
        raise InputError(f"{where}: minutes must be a whole number from 1, but is {quoted(minutes)}.")
    title, about = _text(where, head, "title", needed=True), _text(where, head, "about")
    return Lesson(
        name,
        title,
        about,
        minutes,
        tuple(_step(where, block, body.strip()) for (where, block), body in zip(steps, parts[4::2], strict=True)),
    )


def _step(where: str, block: dict[str, Any], text: str) -> Step:
    _known(where, block, _STEP_KEYS)
    settings, depth = _settings(where, block.get("settings") or {})
    reveal, reveal_depth = _settings(where, block["reveal"]) if block.get("reveal") is not None else (None, None)
    panel = block.get("panel", "explorer")
    if panel not in PANELS:
        raise InputError(f"{where}: panel must be {', '.join(PANELS[:-1])} or {PANELS[-1]}, but is {quoted(panel)}.")
    options = _options(where, block)
    answer = block.get("answer")
    if answer is not None and (isinstance(answer, bool) or answer not in range(1, len(options) + 1)):
        raise InputError(
            f"{where}: answer must be the number of an option, 1 to {len(options)}, but is {quoted(answer)}."
        )
    question, explanation = _text(where, block, "question"), _text(where, block, "explanation")
    if options and not question:
        raise InputError(f"{where} has options but no question.")
    if question and not explanation and reveal is None:
        raise InputError(f"{where} asks a question but reveals nothing; add an explanation or a reveal.")
    shown = _names(where, block, "show")
    locked = _names(where, block, "lock") or ()
    for control in (*(shown or ()), *locked):
        if control not in PARAMETERS:
            raise InputError(f"{where}: there is no control {quoted(control)}; controls are {', '.join(PARAMETERS)}.")
    return Step(
        _text(where, block, "step", needed=True),
        text,
        settings,
        depth,
        panel,
        shown,
        locked,
        question,
        options,
        None if answer is None else answer - 1,
        reveal,
        reveal_depth,
        explanation,
    )


def _known(where: str, block: Mapping[str, Any], keys: set[str]) -> None:
    for key in block:
        if key not in keys:
            raise InputError(f"{where}: {quoted(key)} is not known here; the keys are {', '.join(sorted(keys))}.")


def _text(where: str, block: Mapping[str, Any], key: str, *, needed: bool = False) -> str:
    value = block.get(key, "")
    if not isinstance(value, str) or (needed and not value.strip()):
        raise InputError(f"{where} needs a text for {key}; put it in quotes if it looks like a number.")
    return value.strip()


def _names(where: str, block: Mapping[str, Any], key: str) -> tuple[str, ...] | None:
    value = block.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InputError(f"{where}: {key} must be a list of texts in square brackets; quote what looks like a number.")
    return tuple(value)


def _options(where: str, block: Mapping[str, Any]) -> tuple[str, ...]:
    """The options to choose from. One in lower case is refused: it is what follows a comma that was not quoted."""
    options = _names(where, block, "options") or ()
    for option in options:
        if option[:1].islower() and not "α" <= option[0] <= "ω":  # an option may begin with a symbol
            raise InputError(
                f"{where}: the option {quoted(option)} begins in lower case; begin options with a capital, and put "
                "one that holds a comma in quotes, as a comma ends an option."
            )
    return options


def _settings(where: str, given: Any) -> tuple[dict[str, Any], float | None]:
    if not isinstance(given, dict):
        raise InputError(f"{where}: settings must look like {{alpha: 5, depth: 0}}.")
    values = {}
    for name, value in given.items():
        if name == "depth":
            continue
        if name not in PARAMETERS:
            raise InputError(
                f"{where}: there is no setting {quoted(name)}; settings are depth, {', '.join(PARAMETERS)}."
            )
        try:
            values[name] = PARAMETERS[name].check(value)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        except (ValueError, OverflowError, TypeError):  # a number that no float holds, or no number
            raise InputError(f"{where}: {name} cannot be {quoted(value)}.") from None
    if values.get("dataset", DATASETS[0]) not in DATASETS:
        raise InputError(f"{where}: dataset must be one of {', '.join(DATASETS)}, but is {quoted(values['dataset'])}.")
    depth = given.get("depth")
    if depth is not None and (isinstance(depth, bool) or not isinstance(depth, (int, float)) or not 0 <= depth <= 1024):
        raise InputError(f"{where}: depth must be a number from 0, but is {quoted(depth)}.")
    try:
        Config(**{name: value for name, value in values.items() if name in Config.parameters()})
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return values, depth


@functools.cache
def shipped_lessons() -> tuple[Lesson, ...]:
    """The lessons that come with the app, in their order."""
    lessons, problems = read_folder(asset("lessons"))
    assert not problems, problems
    return tuple(lessons)


def lesson_name(file: str) -> str:
    """Return what the lesson in a file of this name is called: without ending, and without the number that orders
    it.
    """
    stem = Path(file).stem
    return re.sub(r"^\d+[-_ ]*", "", stem) or stem


def read_folder(folder: Path) -> tuple[list[Lesson], list[str]]:
    """Return the lessons (*.md) in a folder, in the order of their file names, and for each that is none a sentence.

    Raises `InputError` for a folder that cannot be read.
    """
    try:
        files = sorted(folder.glob("*.md"))
    except OSError as error:
        raise InputError(f"the lessons in {str(folder)!r} cannot be read: {error.strerror}.") from None
    lessons, problems = [], []
    for file in files:
        try:
            if file.stat().st_size > MAX_BYTES:
                raise InputError(f"lesson {file.name!r} is larger than {MAX_BYTES // 1000} kB; a lesson is text only.")
            lessons.append(read_lesson(lesson_name(file.name), file.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            problems.append(f"{file.name} is not text in UTF-8; save it as such.")
        except OSError as error:
            problems.append(f"{file.name} cannot be read: {error.strerror}.")
        except InputError as error:
            problems.append(str(error))
    return lessons, problems
