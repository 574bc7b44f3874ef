"""Packages that are loaded when something of them is used, not when a module imports them.

(importlib's LazyLoader loads at `from package import name`, which is how most modules import.)
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import threading
import types
from collections.abc import Sequence
from typing import Any

_LOADING = threading.RLock()


class _Nothing:
    """Stand for a class that nothing is an instance of."""


class _LateName:
    """A function or class of a package that is not loaded; it is once this is called, or asked for an attribute."""

    def __init__(self, module: str, name: str) -> None:
        self._where = module, name

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Call it."""
        return _found(*self._where)(*args, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_found(*self._where), name)


class _LateModule(types.ModuleType):
    """Stand for a module until its package is loaded, and behind the names of those who imported it thereafter, too."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":  # what the import of a module asks of it
            raise AttributeError(name)
        if not isinstance(sys.modules.get(self.__name__), _LateModule) or name == "__version__":
            return _found(self.__name__, name)
        if (self.__name__, name) == ("torch", "Tensor"):
            return _Nothing  # SciPy asks of each array whether it is one; none is, while torch is not loaded
        return _LateName(self.__name__, name)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, packages: set[str]) -> None:
        self.packages = packages

    def find_spec(
        self, name: str, _path: Sequence[str] | None, _target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        late = name.partition(".")[0] in self.packages
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if late else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _LateModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Do nothing: there is nothing in it yet."""

    def load(self, package: str) -> None:
        """Have the package found where it is."""
        self.packages.discard(package)
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            if isinstance(sys.modules[name], _LateModule):
                del sys.modules[name]


_FINDER = _Finder(set())


def _found(module: str, name: str) -> Any:
    with _LOADING:
        _FINDER.load(module.partition(".")[0])
        return getattr(importlib.import_module(module), name)


def load_late(*packages: str) -> None:
    """Have these packages loaded when something of them is used, unless they are already."""
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
    _FINDER.packages |= {package for package in packages if package not in sys.modules}
