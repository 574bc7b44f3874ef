"""OpenMP's threads do not spin at barriers in the app's server, unless the user says so."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENTRIES = [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py"))]
SPIN, WAIT = "GOMP_SPINCOUNT", "OMP_WAIT_POLICY"
REPORT = f"import os; print(os.environ.get({SPIN!r}))"


def ran(code: str, **given: str) -> subprocess.CompletedProcess[str]:
    """In a fresh process, where no OpenMP is loaded yet and the variables are those given alone."""
    own: Mapping[str, str] = {name: value for name, value in os.environ.items() if name not in (SPIN, WAIT)}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env={**own, **given})


@pytest.mark.parametrize(
    ("given", "kept"),
    [({}, "0"), ({SPIN: "1234"}, "1234"), ({WAIT: "passive"}, "None"), ({SPIN: "7", WAIT: "active"}, "7")],
)
def test_a_setting_of_the_users_stays(given: dict[str, str], kept: str) -> None:
    assert ran(f"import dr_transformer.ui; {REPORT}", **given).stdout.split() == [kept]


def test_every_copy_of_the_library_has_read_it() -> None:
    """GCC's OpenMP says it as it is loaded, with torch and with scikit-learn a copy each; others have no such."""
    code = "import dr_transformer.ui.explorer.page, sklearn.cluster"
    found = ran(code, OMP_DISPLAY_ENV="VERBOSE").stderr
    assert set(re.findall(r"GOMP_SPINCOUNT = '(\w+)'", found)) <= {"0"}
    if sys.platform == "linux":
        assert found.count("GOMP_SPINCOUNT = '0'") >= 1
    usual = ran("import torch", OMP_DISPLAY_ENV="VERBOSE").stderr
    assert "GOMP_SPINCOUNT = '0'" not in usual  # a program that imports the package alone keeps what is best alone


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda path: path.name)
def test_no_page_loads_torch_before_it_is_set(entry: Path) -> None:
    """A session may begin on any page, and what a page imports before `dr_transformer.ui` comes too early."""
    before = []
    for node in ast.parse(entry.read_text(encoding="utf-8")).body:
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if any(name.startswith("dr_transformer.ui") for name in names):
            break
        before += [name for name in names if name.startswith("dr_transformer")]
    else:
        raise AssertionError(f"{entry.name} imports nothing of dr_transformer.ui")
    assert set(before) <= {"dr_transformer.paths"}


def test_streamlit_and_what_pages_import_first_load_no_openmp() -> None:
    code = "import streamlit.web.bootstrap, dr_transformer.paths, dr_transformer.ui, sys; print('torch' in sys.modules)"
    done = ran(code, OMP_DISPLAY_ENV="TRUE")
    assert done.stdout.split() == ["False"]
    assert "OPENMP DISPLAY ENVIRONMENT" not in done.stderr
