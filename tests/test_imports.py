"""Imports point one way, and the numerics know no interface."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import dr_transformer

PACKAGE = Path(dr_transformer.__file__).parent
HEAVY = ("streamlit", "matplotlib", "umap", "torchvision")
ROOT = {
    "__init__",
    "__main__",
    "config",
    "errors",
    "moved",
    "palette",
    "parameters",
    "paths",
    "types",
}
# A room may import from the root, from itself, and from those before it.
ROOMS = (
    "hardware",
    "model",
    "data",
    "methods",
    "estimators",
    "quality",
    "theory",
    "training",
    "engine",
    "canvas",
    "charts",
    "export",
    "bench",
    "lessons",
    "cli",
    "ui",
)
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "_app" not in path.relative_to(PACKAGE).parts)


def test_numerics_import_no_interface() -> None:
    """One process imports one module after the other: what none has brought, each would not bring alone."""
    modules = [
        f"dr_transformer{name}"
        for name in (
            "",
            ".estimators.transformer",
            ".data.dataset",
            ".engine.run",
            ".engine.reality",
        )
    ]
    code = "import importlib, sys\n"
    code += f"for m in {modules}: importlib.import_module(m); print(m, *(h for h in {HEAVY} if h in sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == modules


def test_starting_the_terminal_does_not_load_torch() -> None:
    code = "import dr_transformer.cli.commands, sys; print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def room_of(path: Path) -> str:
    """The folder in the package; "" for its root."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 or path.stem not in ROOT else ""


def rank(room: str) -> int:
    """What has no room yet may import from all, and nobody from it."""
    return ("", *ROOMS, room).index(room)


def imported(path: Path) -> Iterator[Path]:
    """The files of the package that one of them imports, anywhere in its code."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute"
            names = [f"{node.module}.{a.name}" for a in node.names]
        for name in names:
            if name.split(".")[0] != PACKAGE.name:
                continue
            found = PACKAGE.joinpath(*name.split(".")[1:])
            files = [
                found.with_suffix(".py"),
                found / "__init__.py",
                found.parent.with_suffix(".py"),
                found.parent / "__init__.py",
            ]
            yield next(file for file in files if file.is_file())


def test_rooms_import_from_those_before_them() -> None:
    for path in FILES:
        if path.parent == PACKAGE and path.stem in ("__init__", "__main__"):
            continue
        for other in imported(path):
            assert rank(room_of(other)) <= rank(room_of(path)), f"{path} imports {other}"


def test_no_files_import_each_other() -> None:
    packages = [path for path in FILES if path.stem == "__init__"]  # they hand on what their rooms have
    imports = {path: set(imported(path)) - {path, *packages} for path in FILES if path not in packages}
    assert len(list(graphlib.TopologicalSorter(imports).static_order())) == len(FILES) - len(packages)


def test_only_the_interface_knows_streamlit() -> None:
    knows = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if any(name.split(".")[0] == "streamlit" for name in names):
                knows.add(room_of(path))
    assert knows == {"ui"}


def test_every_file_has_a_room() -> None:
    assert {path.stem for path in FILES if path.parent == PACKAGE} <= ROOT
    assert {room_of(path) for path in FILES} == {"", *ROOMS}


def test_public_names() -> None:
    assert {name for name in dr_transformer.__all__ if getattr(dr_transformer, name).__doc__} == set(
        dr_transformer.__all__
    )
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        dr_transformer.nothing  # noqa: B018
