"""Scripts that were saved before files were where they are: what they import is there, and is the same module."""

import importlib
import subprocess
import sys

import pytest

from dr_transformer.moved import MOVED


@pytest.mark.parametrize(("former", "now"), sorted(MOVED.items()))
def test_a_former_name_is_the_module_itself(former: str, now: str) -> None:
    module = importlib.import_module(f"dr_transformer.{now}")
    assert importlib.import_module(f"dr_transformer.{former}") is module
    assert module.__name__ == module.__spec__.name == f"dr_transformer.{now}"


def test_other_names_are_not_found() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("dr_transformer.no_such_module")
    with pytest.raises(ModuleNotFoundError):  # what others call so is none of ours
        importlib.import_module("view_frames")


def test_a_saved_script_runs_in_a_fresh_process() -> None:
    lines = (
        "import sys",
        "import dr_transformer",
        "assert 'torch' not in sys.modules",  # the package is quick to import
        "from dr_transformer import Config, load",
        "from dr_transformer.landmarks import Landmarks, choose_landmarks",
        "from dr_transformer.projection import fit_projection",
        "from dr_transformer.graph import knn_graph",
        "import dr_transformer.methods.graph",
        "assert knn_graph is dr_transformer.methods.graph.knn_graph",
        "from dr_transformer.view_frames import blocks_in_view",
        "from dr_transformer.model.view_frames import blocks_in_view as later",
        "assert later is blocks_in_view is dr_transformer.model.planes.blocks_in_view",
        "print(knn_graph(load('digits', 50).Y, 5).indices.shape)",
    )
    found = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "(50, 5)"
