"""SciPy's Lanczos, the same each time.

It begins again with a random vector where its first ones span all that they can reach: in a graph of copies of one
token, two do. Left to itself it draws another each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from scipy.sparse import linalg

_eigsh = linalg.eigsh  # also while `seeded` has put another in its place


def eigsh(*args: Any, seed: int = 0, **options: Any) -> Any:
    """`scipy.sparse.linalg.eigsh`, which draws what it must from `seed`."""
    return _eigsh(*args, rng=np.random.default_rng(seed), **options)


@contextmanager
def seeded(seed: int | None, *modules: Any) -> Iterator[None]:
    """Let the name `eigsh` in these modules be `eigsh` of this one, with `seed`; nothing if that is None."""
    if seed is None:
        yield
        return
    before = [module.eigsh for module in modules]
    for module in modules:
        module.eigsh = partial(eigsh, seed=seed)
    try:
        yield
    finally:
        for module, function in zip(modules, before, strict=True):
            module.eigsh = function
