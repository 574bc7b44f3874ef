"""umap-learn itself, for tests to compare with: in a process of its own, since it holds the GIL and compiles."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt


def layout(
    X: npt.NDArray[Any],
    n_epochs: int | list[int] | None = None,
    transform: npt.NDArray[Any] | None = None,
    **options: Any,
) -> npt.NDArray[Any]:
    """The layout (n, k) of X; of a list of epochs those after each of them, (n_epochs, n, k); or that of new rows."""
    import umap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a seed takes one thread, and a given graph no more data
        model = umap.UMAP(n_epochs=n_epochs, n_jobs=1, **options).fit(X)
        if transform is not None:
            vars(model).pop("_knn_search_index", None)  # none was given; for few rows it takes all distances instead
            model._small_data = True
            return np.asarray(model.transform(transform))
    return np.stack(model.embedding_list_) if isinstance(n_epochs, list) else model.embedding_
