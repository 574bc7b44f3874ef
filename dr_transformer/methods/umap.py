"""UMAP's settings, and one layout by umap-learn, epoch by epoch. Computed in the worker process alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from dr_transformer.errors import InputError
from dr_transformer.hardware.devices import accelerator
from dr_transformer.methods.lanczos import seeded
from dr_transformer.parameters import Declared, declare
from dr_transformer.types import Array, Say

_EQUAL = "All tokens are equal, so where the layout puts them is chance; give tokens that differ."
_COPIES = (
    "The nearest neighbours of every token are copies of it, so where the layout puts copies is chance; use more "
    "neighbours than there are copies, or remove the duplicates."
)
N_FRAMES = 33  # layouts kept of a run, if it has as many epochs

Watch = Callable[[int, Array], None]  # is told how many epochs are done and the layout (n, q) that they gave


@dataclass(frozen=True)
class UMAPSettings(Declared):
    """UMAP (McInnes, Healy & Melville, arXiv 1802.03426), named as umap-learn names it. Raises `InputError`."""

    n_components: int = declare(
        2, "Dimensions", "Number of dimensions of the layout.", "umap", minimum=2, maximum=100, widget_range=(2, 3)
    )
    n_neighbors: int = declare(
        15,
        "Neighbours k",
        "Size of a token's neighbourhood, itself included: small shows detail, large shows the whole.",
        "umap",
        minimum=2,
        maximum=1000,
        widget_range=(2, 100),
        step=1,
    )
    min_dist: float = declare(
        0.1,
        "Least distance",
        "How near neighbours may come in the layout: 0 packs clusters tightly.",
        "umap",
        minimum=0,
        maximum=1,
        widget_range=(0, 1),
        step=0.05,
    )
    n_epochs: int | None = declare(
        None,
        "Epochs",
        "Passes of the optimisation; none is umap-learn's choice: 500 up to 10 000 tokens, 200 above.",
        "umap",
        minimum=1,
        maximum=10_000,
    )
    random_state: int | None = declare(
        42,
        "Seed",
        "A seed gives the same layout each time, but takes one core; none takes all, and no two layouts are the same.",
        "umap",
        minimum=0,
        maximum=2**32 - 1,
    )
    init: str = declare(
        "spectral",
        "Initialisation",
        "Where the optimisation begins: the graph's Laplacian eigenvectors, principal components, or at random.",
        "umap",
        choices=("spectral", "pca", "random"),
    )
    backend: str = declare(
        "umap-learn",
        "UMAP by",
        "Whose UMAP: umap-learn, on the CPU, or TorchDR, on a GPU if there is one.",
        "umap",
        choices=("umap-learn", "torchdr"),
    )

    def check(self, n_samples: int, n_features: int) -> None:
        """Raise `InputError` where there are too few tokens, or values of each, for these settings."""
        if self.n_neighbors >= n_samples:
            raise InputError(
                f"n_neighbors = {self.n_neighbors} must be smaller than the number of tokens, {n_samples}; use at most "
                f"{n_samples - 1}, or more tokens."
            )
        if self.n_components > n_samples - 2:  # eigsh needs room
            raise InputError(
                f"a UMAP of {n_samples} tokens has at most {n_samples - 2} dimensions, not n_components = "
                f"{self.n_components}; use fewer dimensions, or more tokens."
            )
        if self.init == "pca" and self.n_components > n_features:
            raise InputError(
                f"init = 'pca' gives at most {n_features} dimensions, one for each of the data's; use fewer, or init = "
                "'spectral'."
            )

    def epochs(self, n_samples: int) -> int:
        """Number of epochs for so many tokens; by default umap-learn's (`simplicial_set_embedding`)."""
        return self.n_epochs or (500 if n_samples <= 10_000 else 200)


def frame_epochs(n_epochs: int) -> list[int]:
    """The epochs after which the layout is kept: the first is 0, the last n_epochs, denser early, where most moves."""
    return sorted({round(n_epochs * (i / (N_FRAMES - 1)) ** 1.5) for i in range(N_FRAMES)})


def fit(settings: UMAPSettings, Y: Array, indices: Array, distances: Array, watch: Watch, say: Say) -> str:
    """Lay out tokens Y (n, d) by their k − 1 nearest others, `indices` int32 and `distances` float32 (n, k − 1).

    Returns the type of the device. uint8 is taken as pixels, / 255. `watch` is called before the first and after each
    epoch, and may raise to stop; `say` is given a sentence on what was unusual.
    """
    from dr_transformer.model.projection import float64_chunks

    X = np.concatenate([chunk.astype(np.float32) for chunk in float64_chunks(Y)])
    if not distances.any():
        say(_EQUAL if (X[0] == X).all() else _COPIES)
    if settings.backend == "umap-learn":
        _fit_umap_learn(settings, X, indices, distances, watch, say)
        return "cpu"

    options = settings.to_dict() | {"n_epochs": settings.epochs(len(X))}
    del options["init"], options["backend"]
    return fit_torchdr(X, indices, distances, _first_layout(settings, X, indices, distances, say), watch, **options)


def compile_umap() -> None:
    """Lay out a few points, seeded and not, so that numba compiles all that a layout needs, or finds it on disk."""
    _keep_on_disk()
    Y = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    distances = np.linalg.norm(Y[:, None] - Y, axis=2)
    indices = np.argsort(distances, axis=1)[:, 1:5].astype(np.int32)
    nearest = np.take_along_axis(distances, indices, axis=1)
    for seed in (0, None):
        settings = UMAPSettings(n_neighbors=5, n_epochs=2, random_state=seed)
        fit(settings, Y, indices, nearest, watch=lambda _epoch, _layout: None, say=lambda _sentence: None)


def _keep_on_disk() -> None:
    """Have numba keep umap-learn's machine code, as it keeps pynndescent's: the next process need not compile.

    umap-learn does not ask for it. A file holds for one source file, one numba and one kind of processor.
    """
    from numba.core.dispatcher import Dispatcher
    from umap import layouts, umap_, utils

    for module in (umap_, layouts, utils):
        for function in vars(module).values():
            if isinstance(function, Dispatcher) and not function.signatures:
                with suppress(RuntimeError):  # there is no folder to write to: it compiles each time
                    function.enable_caching()


def _fit_umap_learn(settings: UMAPSettings, X: Array, indices: Array, distances: Array, watch: Watch, say: Say) -> None:
    import numba
    import umap
    from scipy.sparse import linalg
    from sklearn.manifold import _spectral_embedding

    _show_epochs(watch)
    own = np.arange(len(X), dtype=np.int32)[:, None]  # umap-learn has each token as its own first neighbour
    model = umap.UMAP(
        n_components=settings.n_components,
        n_neighbors=settings.n_neighbors,
        min_dist=settings.min_dist,
        n_epochs=settings.epochs(len(X)),
        random_state=settings.random_state,
        n_jobs=-1 if settings.random_state is None else 1,
        init=settings.init,
        precomputed_knn=(np.hstack([own, indices]), np.hstack([np.zeros_like(distances[:, :1]), distances])),
    )
    n_threads = numba.get_num_threads()
    # The two names by which umap-learn calls Lanczos, for one part of the graph and for the parts' places.
    seeding = seeded(settings.random_state, linalg, _spectral_embedding)
    with seeding, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")  # of no use to anybody but one, below
        try:
            model.fit(X)
        finally:
            numba.set_num_threads(n_threads)  # a seeded fit sets 1, and resets it only where it is not stopped
            if any("Spectral initialisation failed" in str(warning.message) for warning in caught):
                say("Eigenvectors to begin with were not found, perhaps for many duplicates; a part began at random.")
    if not np.isfinite(model.embedding_).all():
        raise InputError("UMAP found no finite layout of these data; use more neighbours, or remove duplicates.")


def place(settings: UMAPSettings, embedding: Array, indices: Array, distances: Array, watch: Watch) -> Array:
    """Lay out m new tokens beside the fitted ones, which stay at `embedding` (n, q), as umap-learn's `transform` does.

    By their k nearest fitted tokens, `indices` and `distances` (m, k), themselves included where they are fitted ones.
    `watch` as for `fit`. Returns (m, q), float32. Its own search would be approximate, and needs what its `fit` keeps.
    """
    import umap
    from scipy.sparse import csr_matrix  # whose rows are matrices, as umap-learn wants them

    _show_epochs(watch)
    m, k = indices.shape
    model = umap.UMAP(
        n_components=settings.n_components,
        n_neighbors=k,
        min_dist=settings.min_dist,
        n_epochs=None if settings.n_epochs is None else max(3, settings.n_epochs),  # of which it takes a third
        random_state=settings.random_state,
        metric="precomputed",
    )
    model._raw_data, model._sparse_data, model._input_hash = embedding, False, None
    model._a, model._b = umap.umap_.find_ab_params(model.spread, model.min_dist)
    model._n_neighbors, model._initial_alpha, model._disconnection_distance = k, model.learning_rate, np.inf
    model.embedding_ = embedding
    near = csr_matrix((distances.ravel(), indices.ravel(), np.arange(0, m * k + 1, k)), (m, len(embedding)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that distances are what we give
        return np.asarray(model.transform(near), np.float32)


class _Begun(Exception):  # noqa: N818 - it is no error
    """The first layout is there."""


def _first_layout(settings: UMAPSettings, X: Array, indices: Array, distances: Array, say: Say) -> Array:
    """The layout (n, q) that umap-learn's optimisation begins with, so that another's can begin with the same."""
    layouts: list[Array] = []

    def stop(_epoch: int, layout: Array) -> None:
        layouts.append(layout)
        raise _Begun

    with suppress(_Begun):
        _fit_umap_learn(settings, X, indices, distances, stop, say)
    return layouts[0]


def _show_epochs(watch: Watch) -> None:
    """Have umap-learn show its layout epoch by epoch.

    Its loop is `for n in tqdm(range(n_epochs))` in `optimize_layout_euclidean`, which changes its first argument in
    place. Neither is a public hook, so their names are bound again; this is the process's own copy of the library.
    """
    from umap import layouts, umap_

    def optimize(layout: Array, *args: Any, **kwargs: Any) -> Any:
        def epochs(numbers: range, **_: Any) -> Any:
            for epoch in numbers:
                watch(epoch, layout)
                yield epoch
            watch(len(numbers), layout)

        layouts.tqdm = epochs
        return layouts.optimize_layout_euclidean(layout, *args, **kwargs)

    umap_.optimize_layout_euclidean = optimize


# UMAP by TorchDR (Van Assel et al.), for a GPU: an optional extra. It runs in UMAP's worker process alone.
#
# TorchDR seeds every random number generator of its process and sets environment variables, so it must not be imported
# where anything else is computed.


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
