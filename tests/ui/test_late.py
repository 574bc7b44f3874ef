"""Packages that wait: not loaded by an import, and what they are once something of them is used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dr_transformer.ui import late

PACKAGE = {
    "__init__": "__version__ = '1.2'\nfrom late_package.part import double\n",
    "part": "LOADED = True\nclass Thing:\n    size = 3\n    def __init__(self, n): self.n = n\n"
    "def double(n): return 2 * n\nclass WrongError(Exception): pass\n",
    "deep/__init__": "",
    "deep/leaf": "from late_package.part import Thing\n",
}
USER = """
import late_package
import late_package.deep.leaf
from late_package.deep import leaf
from late_package.part import Thing, double
"""


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """Return what a module knows that has imported a package in each of the ways there are."""
    for name, text in PACKAGE.items():
        file = tmp_path / "late_package" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    late.load_late("late_package")
    names: dict[str, object] = {}
    exec(USER, names)
    yield names
    late._FINDER.packages.discard("late_package")
    for name in [name for name in sys.modules if name.partition(".")[0] == "late_package"]:
        del sys.modules[name]


def loaded() -> bool:
    return "LOADED" in vars(sys.modules["late_package.part"])


@pytest.mark.parametrize(
    ("use", "value"),
    [
        ("double(4)", 8),
        ("Thing(5).n", 5),
        ("Thing.size", 3),
        ("late_package.double(1)", 2),
        ("late_package.__version__", "1.2"),
        ("late_package.deep.leaf.Thing(2).n", 2),
        ("leaf.Thing(7).n", 7),
    ],
)
def test_it_is_loaded_when_it_is_used(user: dict[str, object], use: str, value: object) -> None:
    assert not loaded()
    assert eval(use, user) == value
    assert loaded() or use == "late_package.__version__"
    assert importlib.import_module("late_package.part").double(3) == 6
    assert eval(use, user) == value
    assert isinstance(eval("Thing(1)", user), sys.modules["late_package.part"].Thing)


def test_what_is_there_already_stays(tmp_path: Path) -> None:
    before = sys.modules["json"]
    late.load_late("json")
    assert "json" not in late._FINDER.packages
    assert importlib.import_module("json") is before


def test_what_is_not_there_is_missing_when_it_is_used(user: dict[str, object]) -> None:
    del user
    late.load_late("no_such_package")
    names: dict[str, object] = {}
    exec("from no_such_package.part import thing", names)
    with pytest.raises(ModuleNotFoundError):
        eval("thing()", names)
