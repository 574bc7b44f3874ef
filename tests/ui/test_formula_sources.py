"""Every typeset formula has its source in the words beside it: a paper, or that it was derived in this project."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Block

from dr_transformer import ui
from dr_transformer.ui.log_normaliser.limits import limits_text
from dr_transformer.ui.text import SHIM

PAGES = Path(__file__).parents[2] / "pages"
INSIDE, LOG_NORMALISER, DIFFUSION = "4_Inside_a_block.py", "5_Log_normaliser.py", "6_Graph_diffusion.py"
SOURCE = re.compile(r"arxiv\.org/abs/|arXiv \d|doi\.org/|[Dd]erived in this project|\(section 4\.1\)")
# Of each page and section, the modules whose formulas it shows, and how many there are.
SHOWN = {
    (INSIDE, "Sub-steps and objective"): (
        ("inside/substeps", "inside/objective", "inside/variants", "inside/reparametrisation"),
        6,
    ),
    (INSIDE, "Attention is a graph"): (("inside/adjacency", "inside/alpha"), 3),
    (INSIDE, "Spectrum and convergence"): (("inside/spectrum",), 3),
    (LOG_NORMALISER, None): (
        (
            "log_normaliser/particles",
            "log_normaliser/proposition",
            "log_normaliser/corollary",
            "log_normaliser/theorem",
            "log_normaliser/growth",
        ),
        7,
    ),
    (DIFFUSION, None): (("diffusion/claim",), 1),
}


def texts(node: Any) -> str:
    """What is written in an element, or in all of a block's."""
    found = node if isinstance(node, Block) else [node]
    return "\n".join(each.value for each in found if each.type in ("markdown", "caption"))


def formulas(block: Block) -> Iterator[tuple[str, str]]:
    """Each formula, and what is written right before and after it in the same container."""
    children = list(block.children.values())
    for i, child in enumerate(children):
        if isinstance(child, Block):
            yield from formulas(child)
        elif child.type == "latex":
            yield child.value, "\n".join(texts(each) for each in children[max(0, i - 1) : i + 2])


def opened(page: str, section: str | None) -> AppTest:
    app = AppTest.from_file(str(PAGES / page), default_timeout=60)
    app.query_params.update({"n_samples": "300", "n_components": "16", "n_blocks": "2"})
    if section:
        app.session_state["inside_section"] = section
    app.run()
    assert not app.exception
    return app


@pytest.mark.parametrize(("page", "section"), list(SHOWN))
def test_every_formula_has_its_source_beside_it(page: str, section: str | None) -> None:
    found = list(formulas(opened(page, section).main))
    assert len(found) == SHOWN[page, section][1]
    assert not [formula for formula, beside in found if not SOURCE.search(beside)]


def test_these_are_all_modules_that_typeset_formulas() -> None:
    folder = Path(ui.__file__).parent
    typeset = {
        path.relative_to(folder).with_suffix("").as_posix()
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "latex"
    }
    assert typeset == {module for modules, _ in SHOWN.values() for module in modules}


def test_the_jacobian_has_its_source() -> None:
    said = limits_text()
    assert r"J = \sum_n p_n (v_n - \bar v)(k_n - \bar k)^\top" in said
    assert f"Derived in this project from Proposition 1 ({SHIM})" in said
