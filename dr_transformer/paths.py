"""Where the app, its pages and its assets lie: in the checkout's top level, or inside an installed wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def app_root() -> Path:
    """The folder that holds `app.py`, `pages/` and `assets/`."""
    bundled = _PACKAGE / "_app"
    return bundled if bundled.is_dir() else _PACKAGE.parent


def asset(name: str) -> Path:
    """The path of one bundled asset, for example `asset("mnist_10k.npz")`."""
    return app_root() / "assets" / name
