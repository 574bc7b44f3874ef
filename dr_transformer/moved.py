"""Modules by the names that scripts import which this package wrote before its files were where they are.

A script that `embed --script` or the app has saved goes on giving the same numbers.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "baselines": "methods.pca",
    "graph": "methods.graph",
    "landmarks": "model.landmarks",
    "projection": "model.projection",
    "umap_fit": "methods.umap",
    "umap_worker": "methods.umap_worker",
    "view_frames": "model.planes",
    "model.view_frames": "model.planes",
}
"""Where each is now, by its former name."""
_NOW = {f"{__package__}.{former}": f"{__package__}.{now}" for former, now in MOVED.items()}


class MovedModules(MetaPathFinder, Loader):
    """Finds, for a former name, the module itself: not a copy, so that its classes are the same ones."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Answer for the names in `MOVED` alone."""
        return ModuleSpec(fullname, self) if fullname in _NOW else None

    def exec_module(self, module: ModuleType) -> None:
        """Put the module under its former name, which is what an import then returns."""
        sys.modules[module.__name__] = importlib.import_module(_NOW[module.__name__])
