"""Where the app, its pages and its assets lie: in the checkout's top level, or inside an installed wheel."""

import os
import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def app_root() -> Path:
    """The folder that holds `app.py`, `pages/` and `assets/`."""
    bundled = _PACKAGE / "_app"
    return bundled if bundled.is_dir() else _PACKAGE.parent


def asset(name: str) -> Path:
    """The path of one bundled asset, for example `asset("mnist_10k.npz")`."""
    return app_root() / "assets" / name


def asset_text(*names: str) -> str:
    """Return the text of these assets, joined: what a component's or a page's JavaScript and style are made of."""
    return "\n".join(asset(name).read_text(encoding="utf-8") for name in names)


def module_command(module: str) -> list[str]:
    """The command that runs a module of this package as a process of its own; with `module_environment`."""
    # -P: what lies in the working directory is not imported; -W: warnings are no users' business
    return [sys.executable, "-P", "-W", "ignore", "-m", module]


def module_environment() -> dict[str, str]:
    """The environment of this process, in which the package is found as this process finds it."""
    path = os.pathsep.join(filter(None, [str(_PACKAGE.parent), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path}
