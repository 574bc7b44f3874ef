"""The notebooks run from top to bottom, and show what they promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def executed(name: str, folder: Path) -> list[Any]:
    """All outputs of a notebook that is run in a kernel of its own, in an empty folder."""
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(folder)}}).execute()
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def html(outputs: list[Any]) -> str:
    return "\n".join(output["data"].get("text/html", "") for output in outputs if "data" in output)


@pytest.mark.slow
def test_the_teachers_notebook_shows_the_page_and_saves_it(tmp_path: Path) -> None:
    outputs = executed("for_teachers", tmp_path)
    assert "<iframe srcdoc=" in html(outputs)
    assert (tmp_path / "live.html").stat().st_size < 5_000_000
    said = "".join(output["text"] for output in outputs if output.output_type == "stream" and output.name == "stdout")
    ends = [float(line.split(",")[1].split()[0]) for line in said.splitlines()]
    assert ends[0] < 1.1 < ends[1] < ends[2], "the larger α, the more directions are left"


@pytest.mark.slow
def test_the_researchers_notebook_scores_and_says_how_exact_it_is(tmp_path: Path) -> None:
    outputs = executed("for_researchers", tmp_path)
    shown = html(outputs)
    assert "Laplacian Eigenmaps" in shown
    assert "<iframe srcdoc=" in shown
    plain = [output["data"]["text/plain"] for output in outputs if "data" in output]
    assert "((9, 1000, 64), (1000, 64))" in plain
    [error] = [float(text) for text in plain if text[0].isdigit()]
    assert 0 < error < 1e-4


def test_no_notebook_carries_outputs() -> None:
    for path in NOTEBOOKS.glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if "outputs" in cell)
