"""The picture in words wherever there is a canvas: what is said is what `describe` finds in what is drawn."""

import time
from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dr_transformer import Config, load, unroll
from dr_transformer.model.unroll import SUB_STEPS
from dr_transformer.quality.words import NO_CLASSES, changed, describe, meaning, overlap, overlaps, told
from dr_transformer.theory.variants import Variant, unroll_variant
from dr_transformer.ui import text
from dr_transformer.ui.inside.spectrum import panels
from tests.ui.draw import test_page
from tests.ui.inside.test_adjacency import PAGE
from tests.ui.inside.test_adjacency import SMALL as QUERY
from tests.ui.inside.test_spectrum import open_page as spectrum_page
from tests.ui.inside.test_spectrum import spectrum

CONFIG = Config(n_components=16, n_blocks=2)
NAMES = [str(digit) for digit in range(10)]


def labels() -> np.ndarray:
    found = load("mnist", 300).labels
    assert found is not None
    return found


def section(app: AppTest) -> list[str]:
    """What the section of that name says, the first on the page."""
    found = next(each for each in app.expander if each.label == "The picture in words")
    return [each.value for each in (*found.markdown, *found.caption)]


def until(app: AppTest, ready: Callable[[AppTest], bool]) -> AppTest:
    for _ in range(200):
        assert not app.exception
        if ready(app):
            return app
        time.sleep(0.1)
        app.run()
    raise AssertionError("it did not come")


def inside(name: str, **state: object) -> AppTest:
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    app.query_params.update(QUERY)
    app.session_state["inside_section"] = name
    for key, value in state.items():
        app.session_state[key] = value
    return app.run()


def described(block: int, latents: list[np.ndarray]) -> str:
    return describe(latents, labels(), NAMES, block)


def ends() -> list[np.ndarray]:
    return [s.X.numpy() for s in unroll(load("mnist", 300).Y, CONFIG) if s.ends_block]


@pytest.mark.parametrize("name", SUB_STEPS)
def test_beside_the_sub_steps_it_says_what_the_chosen_one_does(name: str) -> None:
    app = until(inside("Sub-steps and objective", sub_step=name), lambda app: len(section(app)) > 1)
    steps = [s.X.numpy() for s in unroll(load("mnist", 300).Y, CONFIG) if s.block == 2]
    around = [ends()[1], *steps][SUB_STEPS.index(name) :][:2]
    said = changed(*(overlap(X, labels(), 10) for X in around), NAMES)
    named = dict(zip(SUB_STEPS, ("attention", "first LayerNorm", "feed-forward", "second LayerNorm"), strict=True))
    assert section(app) == [described(2, ends()), f"The sub-step chosen above, {named[name]} of block 2: {said}"]


def test_beside_the_graph_it_says_what_the_explorer_says() -> None:
    app = until(inside("Attention is a graph"), lambda app: "Block" in section(app)[0])
    assert section(app) == [described(2, ends())]


def test_of_every_variant_it_describes_the_latents() -> None:
    app = inside("Sub-steps and objective", variants=[("diffusion", "none"), ("standard", "exact")])
    second = [each for each in app.expander if each.label == "The picture in words"][1]
    assert not second.markdown  # nothing is measured while it is closed
    app.session_state["variants_in_words"] = True
    until(app.run(), lambda app: sum("block 2**" in m.value for m in app.markdown) == 2)
    said = [m.value for m in app.markdown if m.value.startswith("**") and "block 2**" in m.value]
    expected = []
    for variant, name in (
        (Variant("diffusion", "none"), "graph diffusion A − I + no regulariser"),
        (Variant("standard", "exact", beta=1.0, eta_r=0.4), "standard A + exact regulariser"),
    ):
        latents = [s.X.numpy() for s in unroll_variant(load("mnist", 300).Y, CONFIG, variant) if s.ends_block]
        expected.append(f"**{name}, block 2**: {told(overlaps(latents, labels(), 10), NAMES, 2)}")
    assert said == expected
    assert meaning() in [c.value for c in app.caption]


def test_of_the_spectrum_it_describes_the_panels() -> None:
    app = spectrum_page()
    app.session_state["spectrum_in_words"] = True
    run = spectrum(app.run())
    *said, explained = section(app)
    depth = app.session_state["settings"]["n_blocks"]
    expected = []
    for panel in panels(run, len(run.blocks)):
        moves, found = "{frame}" in panel.title, overlaps(panel.frames, labels(), 10)
        block = depth if moves else 0
        title = panel.title.replace("{frame}", f"block {block}")
        expected.append(f"**{title}**: {told(found, NAMES, block, moves=moves)}")
    assert said == expected
    assert explained == meaning("in the two dimensions that each panel shows")


def test_of_a_drawing_it_says_where_it_lies() -> None:
    app = test_page.settled(test_page.opened(), drawn=False)
    assert section(app) == [described(2, ends())]
    app.session_state["drawing_board"] = test_page.board(test_page.SEVEN)
    test_page.settled(app.run())
    label, votes, of = app.session_state["drawn"].verdicts()[2]
    also = f"Your drawing, at block 2, lies nearest to the class {label}: {votes} of its {of} nearest tokens."
    assert section(app.run()) == [described(2, ends()), also]


def many_blocks() -> None:
    """A page: the description of more blocks than are measured in one run."""
    import numpy as np
    import streamlit as st

    from dr_transformer import load
    from dr_transformer.ui.text import panels_in_words

    data = load("mnist", 60)
    if st.session_state.get("plain"):
        data.__dict__["labels"] = None
    latents = list(np.random.RandomState(0).rand(130, 60, 4))
    more = panels_in_words({"A, {frame}": ("a", latents[:70]), "B": ("b", latents[70:])}, data, 200, key="many")
    st.text(f"more: {more}")


def test_much_is_measured_in_several_runs_and_once() -> None:
    app = AppTest.from_function(many_blocks).run()
    assert app.text[0].value == "more: False"
    app.session_state["many_in_words"] = True
    seen = [app.run().text[0].value for _ in range(4)]
    assert seen == ["more: True", "more: True", "more: False", "more: False"]
    kept = [found for _, found in app.session_state["many_overlaps"].values()]
    assert [len(found) for found in kept] == [70, 60]
    before = kept[0][0]
    app.run()
    assert app.session_state["many_overlaps"]["A, {frame}"][1][0] is before
    assert section(app)[0].startswith("**A, block 69**: ")
    assert text._AT_ONCE == 50


def test_without_classes_it_says_so() -> None:
    app = AppTest.from_function(many_blocks)
    app.session_state["plain"] = True
    app.session_state["many_in_words"] = True
    assert section(app.run()) == [NO_CLASSES]
