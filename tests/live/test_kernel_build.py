"""The committed WebAssembly modules are what their source gives."""

from __future__ import annotations

import shutil
from pathlib import Path

from dr_transformer.paths import asset
from scripts import build_live_kernel


def test_the_same_source_gives_the_same_bytes(tmp_path: Path) -> None:
    assert shutil.which(build_live_kernel.COMPILER), "there is no clang 16: apt install clang-16 lld-16"
    build_live_kernel.build(tmp_path)
    for name in build_live_kernel.MODULES:
        assert (tmp_path / name).read_bytes() == asset(f"live/{name}").read_bytes(), name
