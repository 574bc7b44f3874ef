"""A run that this machine has no memory for is refused on every page that would start it, and nothing is lost."""

from pathlib import Path

import pytest

from dr_transformer.engine import run_cost
from tests.helpers.live_sliders import set_on_canvas
from tests.ui.test_pages import ROOT, finished, run

PAGES = [ROOT / "app.py", ROOT / "pages" / "2_Compare.py", ROOT / "pages" / "7_Draw_a_digit.py"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_too_large_a_run_is_one_sentence(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_cost, "free_memory", lambda: 10**6)
    app = run(page, alpha="11.25")  # settings that no other test has, or the run would be there already
    assert not app.exception
    (error,) = app.error
    assert error.value.startswith("300 tokens would hold about ")
    assert "more than half of the 1 MB that this machine has free; choose fewer tokens n" in error.value
    assert "last_run" not in app.session_state


def test_the_last_picture_stays_and_a_run_that_is_there_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    app = finished(run(ROOT / "app.py", alpha="12.25"))
    before = app.session_state["last_run"]
    monkeypatch.setattr(run_cost, "free_memory", lambda: 10**6)
    app.run()
    assert not app.error  # it holds its memory already
    set_on_canvas(app, alpha=13.0).run()
    (error,) = app.error
    assert error.value.endswith("The picture below is the last that could be computed.")
    assert app.session_state["last_run"] is before
    monkeypatch.undo()
    app.run()
    assert not app.error
    assert app.session_state["last_run"].config.alpha == 13.0
