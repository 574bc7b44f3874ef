"""The wheel holds the whole app and runs from an empty folder, away from the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.helpers.servers import free_port, serve

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", out, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = out.glob("dr_transformer-*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the package comes from the unpacked wheel and everything else from this one."""
    folder = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(folder)
    return os.environ | {"PYTHONPATH": str(folder)}


def test_holds_app_pages_assets_and_notices(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    app = [path.relative_to(ROOT).as_posix() for folder in ("pages", "assets") for path in (ROOT / folder).rglob("*.*")]
    for path in ["app.py", ".streamlit/config.toml", *(name for name in app if "__pycache__" not in name)]:
        assert f"dr_transformer/_app/{path}" in names
    assert {"LICENSE", "NOTICE"} <= {Path(name).name for name in names}
    assert not any("tests" in name for name in names)


def test_runs_from_an_empty_folder(installed: dict[str, str], tmp_path: Path) -> None:
    where = subprocess.run(
        [sys.executable, "-c", "import dr_transformer.paths as p; print(p.__file__, p.app_root())"],
        cwd=tmp_path, env=installed, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert where.stdout.count(installed["PYTHONPATH"]) == 2
    command = [sys.executable, "-m", "dr_transformer", "figure", "f.pdf", "--n-samples", "200", "--n-blocks", "1"]
    subprocess.run(command, cwd=tmp_path, env=installed, check=True, capture_output=True)
    assert (tmp_path / "f.pdf").read_bytes().startswith(b"%PDF")


def test_app_starts_from_an_empty_folder(installed: dict[str, str], tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "dr_transformer", "app", "--headless", "--port", str(port)]
    with serve(command, port, cwd=tmp_path, env=installed) as url, urlopen(url) as page:
        assert b"<title>" in page.read()
