"""Cells on disk are those of this source and these libraries: of others they are computed again."""

import ast
from pathlib import Path

import pytest

from dr_transformer import Config, load
from dr_transformer.engine import sweep
from dr_transformer.engine.sweep import SOURCES, Sweep, source_digest, versions
from dr_transformer.quality.sweep_cache import SweepCache
from dr_transformer.quality.sweep_grid import Grid

PACKAGE = Path(sweep.__file__).parents[1]
# What `sweep` imports, directly or not, and no cell follows from.
OF_NO_CONSEQUENCE = {
    *("errors", "palette", "paths", "parameters", "config", "types"),  # the settings themselves are in the key
    *("engine/jobs", "engine/turns", "quality/sweep_cache", "quality/sweep_grid"),  # when and where cells are computed
}


def imported(module: str) -> set[str]:
    """The modules of the package that one of them imports, each as its path in it."""
    found = set()
    for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "dr_transformer":
            home = "/".join(str(node.module).split(".")[1:])
            paths = {home, *(f"{home}/{alias.name}".strip("/") for alias in node.names)}
            found |= {path for path in paths if path and (PACKAGE / f"{path}.py").is_file()}
    return found


def computed(folder: Path) -> Sweep:
    config = Config(n_components=8, n_blocks=2, alpha=7, eta=0.3, device="cpu")
    made = Sweep(
        load("digits", 60), config, Grid("eta", (5, 30), (0.2, 0.4)), 60, SweepCache(folder / "cells"), owners={"me"}
    )
    made.work()
    assert made.error is None
    return made


def test_sources_are_all_that_a_cell_follows_from() -> None:
    closure, todo = set(), {"engine/sweep"}
    while todo:
        module = todo.pop()
        closure.add(module)
        todo |= imported(module) - closure
    assert set(SOURCES) | OF_NO_CONSEQUENCE == closure
    assert not set(SOURCES) & OF_NO_CONSEQUENCE


@pytest.mark.parametrize("what", [*versions()])
def test_another_version_or_source_misses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    now = versions()
    assert [computed(tmp_path).n_cached for _ in range(2)] == [0, 4]
    monkeypatch.setattr(sweep, "versions", lambda: now | {what: "another"})
    assert computed(tmp_path).n_cached == 0
    monkeypatch.undo()
    assert computed(tmp_path).n_cached == 4  # both are kept side by side


@pytest.mark.parametrize("library", ["torch", "np", "sklearn"])
def test_versions_are_the_libraries(library: str) -> None:
    module = getattr(sweep, library)
    assert versions()[{"np": "numpy", "sklearn": "scikit-learn"}.get(library, library)] == str(module.__version__)


def test_the_digest_changes_with_every_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SOURCES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.py").write_bytes((PACKAGE / f"{name}.py").read_bytes())
    plain = source_digest.__wrapped__
    assert plain() == source_digest()
    monkeypatch.setattr(sweep, "files", lambda _: tmp_path)
    assert plain() == source_digest()
    found = {plain()}
    for name in SOURCES:
        with (tmp_path / f"{name}.py").open("a") as source:
            source.write("# another line\n")
        found.add(plain())
    assert len(found) == len(SOURCES) + 1
