"""Find app, pages and assets, in a checkout or a wheel; write files whole; know processes that run this package."""

import contextlib
import errno
import glob
import os
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_DAY = 24 * 3600
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


@contextlib.contextmanager
def in_place_of(path: Path) -> Iterator[Path]:
    """Yield a neighbour of `path`, empty, that takes its place only if the block ends well.

    Others may write `path` at the same time: each has a neighbour of its own. What a kill has left goes after a day. A
    device or a pipe is written as it is, for a file in its place would be another thing.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        yield path
        return
    partial = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}.part")
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        partial.touch()
        _remove_old(path)
        yield partial
        partial.replace(path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _remove_old(path: Path) -> None:
    for left in path.parent.glob(f".{glob.escape(path.name[:40])}.{'[0-9a-f]' * 16}.part"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _DAY:
                left.unlink()


def launched() -> bool:
    """Tell whether torchrun, or the like, started this process as one of several that compute together."""
    return os.environ.keys() >= {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}  # what torch.distributed reads
