"""Whoever cannot see a chart finds its numbers: every place in the interface that draws one offers a table of it."""

import ast
from pathlib import Path

import pytest

from dr_transformer import ui

FOLDER = Path(ui.__file__).parent
DRAWS = {"plotly_chart", "draw_chart", "steady_chart"}
OFFERS = {"tables_behind", "matrix_table"}
MODULES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.py"))


def called(function: ast.FunctionDef) -> set[str]:
    """The names of what a function calls."""
    calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    return {f.id if isinstance(f, ast.Name) else f.attr for f in calls if isinstance(f, (ast.Name, ast.Attribute))}


def without_table(source: str) -> list[str]:
    """The functions that draw a chart where neither they nor all that call them offer a table.

    One of `DRAWS` is judged by those that call it, in whichever file.
    """
    functions = {f.name: called(f) for f in ast.walk(ast.parse(source)) if isinstance(f, ast.FunctionDef)}
    offers = OFFERS | {name for name, calls in functions.items() if "dataframe" in calls}
    bare = []
    for name, calls in functions.items():
        callers = [others for other, others in functions.items() if name in others and other != name]
        here = bool(calls & offers)
        above = bool(callers) and all(each & offers for each in callers)
        if name not in DRAWS and calls & DRAWS and not here and not above:
            bare.append(name)
    return bare


@pytest.mark.parametrize("module", MODULES)
def test_no_chart_is_without_a_table(module: str) -> None:
    assert not without_table((FOLDER / module).read_text(encoding="utf-8"))


def test_the_rule_finds_a_chart_without_a_table() -> None:
    drawing = "def f():\n    st.plotly_chart(figure)\n"
    assert without_table(drawing) == ["f"]
    assert without_table(drawing + "def g():\n    f()\n    st.dataframe(frame)\n") == ["f"]  # g's own, not a table of f
    assert not without_table(drawing + "    tables_behind(figure)\n")
    assert not without_table(drawing + "def t():\n    st.dataframe(frame)\ndef g():\n    f()\n    t()\n")
    assert without_table(drawing + "def t():\n    tables_behind(1)\ndef g():\n    t()\ndef h():\n    f()\n") == ["f"]


def test_charts_are_drawn_in_as_many_places_as_there_were() -> None:
    """The rule would hold if nothing were found."""
    places = [
        (module, f.name)
        for module in MODULES
        for f in ast.walk(ast.parse((FOLDER / module).read_text(encoding="utf-8")))
        if isinstance(f, ast.FunctionDef) and called(f) & DRAWS
    ]
    assert len(places) >= 12
    assert ("inside/matrix.py", "_draw_matrix") in places
    assert ("inside/reparametrisation.py", "reparametrisation_section") in places
    assert ("diffusion/training.py", "_live") in places
