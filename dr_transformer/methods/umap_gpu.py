"""UMAP by TorchDR (Van Assel et al.), for a GPU: an optional extra. It runs in UMAP's worker process alone.

TorchDR seeds every random number generator of its process and sets environment variables, so it must not be imported
where anything else is computed.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt

from dr_transformer.errors import InputError
from dr_transformer.hardware.devices import accelerator
from dr_transformer.types import Array


def check_torchdr() -> None:
    """Raise `InputError` where TorchDR is not installed."""
    if find_spec("torchdr") is None:
        raise InputError(
            "UMAP on a GPU needs TorchDR, which is not installed; run pip install 'dr-transformer[gpu]', or choose "
            "umap-learn."
        )


def fit_torchdr(
    X: npt.NDArray[np.float32],
    indices: Array,
    distances: Array,
    start: npt.NDArray[np.float32],
    watch: Callable[[int, Array], None],
    *,
    n_components: int,
    n_neighbors: int,
    min_dist: float,
    n_epochs: int,
    random_state: int | None,
) -> str:
    """Optimise the layout `start` (n, n_components) of X (n, d), on a GPU if there is one; returns the device's type.

    `indices` and `distances` (n, n_neighbors − 1) are of each token's nearest others. `watch` is told how many epochs
    are done and their layout, before the first and after each, and may raise to stop.

    TorchDR moves all points at once where umap-learn moves them one after another, so the two agree in kind, not in
    coordinates.
    """
    import torch
    import torchdr  # type: ignore[import-untyped,unused-ignore]

    device = "cuda" if accelerator() == "cuda" else "cpu"
    graph = torch.from_numpy(distances).to(device), torch.from_numpy(indices).to(device, torch.long)

    class Watched(torchdr.UMAP):  # type: ignore[misc]
        def on_training_step_end(self) -> None:
            super().on_training_step_end()
            watch(int(self.n_iter_) + 1, self.embedding_.detach().cpu().numpy())

    model = Watched(
        n_components=n_components,
        n_neighbors=n_neighbors,
        min_dist=min_dist,
        max_iter=n_epochs,
        random_state=random_state,
        init=torch.from_numpy(start),
        init_scaling=float(torch.from_numpy(start)[:, 0].std()),  # it divides by this: the layout stays as it is
        min_grad_norm=0,  # all epochs, as umap-learn
        device=device,
        backend=None,
        process_duplicates=False,  # the graph is of all tokens
    )
    model.affinity_in._distance_matrix = lambda *_, **__: graph
    watch(0, start)
    model.fit_transform(torch.from_numpy(X).to(device))
    return device
