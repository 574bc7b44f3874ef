"""Each chart of curves over depth has one mark, with the value where it crosses the curve."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

SCRIPT = Path(__file__).with_name("marks_app.py")
DRAWN = ".st-key-depth_curves .js-plotly-plot:not([data-copy])"
READ = """plots => plots.filter((plot) => plot.offsetHeight).map((plot) => [
    plot.querySelector(".annotation-text")?.textContent,
    [...plot.querySelectorAll(".depth-mark text")].map((text) => text.textContent),
])"""


@pytest.fixture
def marks(page: Page, streamlit_server: Callable[[Path], str]) -> Page:
    page.goto(streamlit_server(SCRIPT))
    expect(page.locator(f"{DRAWN} .depth-mark")).to_have_count(3)
    return page


def go(page: Page, depth: float) -> None:
    """Say what a canvas says when it is at another depth."""
    page.evaluate(
        """depth => {
            latentCanvasDepth.depths.set("latent_canvas", depth);
            const detail = { key: "latent_canvas", depth };
            latentCanvasDepth.events.dispatchEvent(new CustomEvent("at", { detail }));
        }""",
        depth,
    )


def assert_marked(page: Page, **expected: str) -> None:
    """What is written at the marks, by chart: one at each, once all is drawn."""
    wanted = sorted([name, [text]] for name, text in expected.items())
    script = f"""wanted => {{
        const read = {READ};
        const found = read([...document.querySelectorAll({DRAWN!r})]).sort((a, b) => a[0] < b[0] ? -1 : 1);
        return JSON.stringify(found) === JSON.stringify(wanted);
    }}"""
    page.wait_for_timeout(300)  # what is right too early may yet be drawn again
    page.wait_for_function(script, arg=wanted)


def test_between_blocks_the_value_is_that_of_the_curve(marks: Page) -> None:
    for depth, share, rank, count in (
        (0, "0.125", "16.0", "3.0"),
        (0.5, "0.188", "12.0", "none"),
        (1, "0.250", "8.0", "none"),
        (2, "0.500", "4.0", "1.0"),
        (2.98, "0.745", "2.0", "6.9"),
        (3.75, "0.938", "1.3", "5.5"),
        (4, "1.000", "1.0", "5.0"),
    ):
        go(marks, depth)
        assert_marked(marks, share=share, rank=rank, count=count)


def test_marks_do_not_pile_up_while_charts_come_and_go(marks: Page) -> None:
    values = {"share": "0.625", "rank": "3.0", "count": "4.0"}
    shown = set(values)
    for name in ("share", "rank", "share", "count", "rank", "share", "count", "share") * 2:
        go(marks, 1.5)
        marks.get_by_role("button", name=name, exact=True).click()
        shown ^= {name}
        go(marks, 2.5)
        expect(marks.get_by_text(f"5 blocks of {', '.join(sorted(shown))}.")).to_be_visible()
        assert_marked(marks, **{each: values[each] for each in shown})


def test_a_chart_that_is_out_of_sight_for_a_while_leaves_the_others_their_marks(marks: Page) -> None:
    go(marks, 2.5)
    values = {"share": "0.625", "rank": "3.0", "count": "4.0"}
    for number, name in enumerate(values):
        chart = marks.locator(f".st-key-depth_curves_{number}")
        chart.evaluate("chart => { chart.style.display = 'none'; }")
        assert_marked(marks, **{other: text for other, text in values.items() if other != name})
        chart.evaluate("chart => { chart.style.display = ''; }")
        assert_marked(marks, **values)


def test_marks_follow_a_curve_that_is_filled_in(marks: Page) -> None:
    go(marks, 2.5)
    less, more = (marks.get_by_test_id(f"stNumberInputStep{way}") for way in ("Down", "Up"))
    for button, known, share in (
        (less, 4, "0.625"),
        (less, 3, "…"),
        (less, 2, "…"),
        (more, 3, "…"),
        (more, 4, "0.625"),
    ):
        button.click()
        expect(marks.get_by_text(f"{known} blocks of")).to_be_visible()
        assert_marked(marks, share=share, rank="3.0", count="4.0")
