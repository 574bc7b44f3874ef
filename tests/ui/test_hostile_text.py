"""A page shows what people, files and links say as it is: an image's address in it would be fetched by who looks."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dr_transformer.lessons.format import read_lesson
from dr_transformer.ui.link import UPLOAD
from dr_transformer.ui.text import escaped, refusal
from tests.ui.lessons.test_page import LESSON

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py"))]
IMAGE = "![x](http://elsewhere.test/a.png)"
SMALL = {"n_samples": "60", "n_components": "8", "n_blocks": "2"}
AS_MARKDOWN = ("markdown", "caption", "error", "warning", "info", "success", "title", "header", "subheader")
LABELLED = ("radio", "button", "expander", "selectbox", "file_uploader", "text_area")
LIVE = re.compile(r"(?<!\\)\[[^\]]*(?<!\\)\]\(http://elsewhere")


def live_images(app: AppTest) -> list[str]:
    """Texts on the page with an image that a browser would fetch."""
    texts = [str(element.value) for kind in AS_MARKDOWN for element in app.get(kind)]
    texts += [str(widget.label) for kind in LABELLED for widget in app.get(kind)]
    return [text for text in texts if LIVE.search(text)]


def hostile_file() -> tuple[str, bytes]:
    stream = io.BytesIO()
    rng = np.random.default_rng(0)
    np.savez(stream, X=rng.normal(size=(60, 9)), y=np.array([IMAGE, f"<b>{IMAGE}</b>", "$x$"])[np.arange(60) % 3])
    return f"{IMAGE}.npz", stream.getvalue()


def test_an_image_would_be_found() -> None:
    assert LIVE.search(f"so {IMAGE} is")
    assert not LIVE.search(escaped(IMAGE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_names_of_files_and_classes(page: Path) -> None:
    app = AppTest.from_file(str(page), default_timeout=120)
    app.query_params.update(SMALL | {"dataset": UPLOAD})
    app.session_state["upload"] = hostile_file()
    for _ in range(3):  # once more, with what was computed meanwhile
        app.run()
        assert not app.exception
        assert live_images(app) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_link_says(page: Path) -> None:
    app = AppTest.from_file(str(page), default_timeout=120)
    app.query_params.update(SMALL | {"dataset": IMAGE, "view": IMAGE, "alpha": IMAGE, "lesson": IMAGE, "depth": IMAGE})
    app.run()
    assert not app.exception
    assert live_images(app) == []
    assert any("elsewhere" in warning.value for warning in app.warning), "it is said"


def test_titles_of_lessons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = LESSON.replace("Tiny", f"'{IMAGE}'").replace("For tests.", f"'{IMAGE}'").replace("First", f"'{IMAGE}'", 1)
    assert read_lesson("l", hostile).title == IMAGE
    (tmp_path / "hostile.md").write_text(hostile, encoding="utf-8")
    (tmp_path / "bad [x](y).md").write_text("no lesson", encoding="utf-8")
    monkeypatch.setenv("DR_TRANSFORMER_LESSONS", str(tmp_path))
    app = AppTest.from_file(str(ROOT / "pages" / "8_Lessons.py"), default_timeout=60).run()
    assert len(app.warning) == 1
    assert r"\[x\]" in app.warning[0].value
    assert live_images(app) == []
    app.button(key="open hostile").click().run()
    assert app.query_params["lesson"] == "hostile"
    assert live_images(app) == []


def test_escaping_shows_each_letter() -> None:
    assert escaped("n_a _b_ *c* [d](e) <f> $g$ `h` i|j") == r"n_a \_b\_ \*c\* \[d\](e) \<f\> \$g\$ \`h\` i\|j"
    assert refusal("alpha must be a number, but is '[x]'.").endswith(r"but is '\[x\]'.")
