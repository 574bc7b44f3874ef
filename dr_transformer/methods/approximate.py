"""The kNN graph of more tokens than an exact search is quick for: pynndescent's, with its recall measured.

pynndescent compiles for seconds and holds up other threads, so it runs as a process of its own, which a cancelled wait
ends. Dong, Moses & Li, "Efficient k-nearest neighbor graph construction for generic similarity measures", 2011.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from dr_transformer.errors import InputError
from dr_transformer.methods import nearest
from dr_transformer.methods.graph import KNNGraph, floats, in_float32, knn_graph, narrowed, scaled, usual_exponent
from dr_transformer.paths import module_command, module_environment

# Tokens; the exact search takes 45 s for as many on two cores (AMD EPYC, AVX-512), four times that for twice as many.
EXACT_MOST = 100_000
N_MEASURED = 1000  # tokens whose true neighbours are found, to say how good the graph is


def shared_graph(
    X: npt.NDArray[np.generic],
    n_neighbors: int,
    *,
    device: str = "cpu",
    check: Callable[[], None] | None = None,
    exact_most: int = EXACT_MOST,
) -> KNNGraph:
    """The kNN graph of the rows of X (n, d): exact up to `exact_most` rows, beyond that approximate. `InputError`s."""
    if len(X) <= exact_most:
        return knn_graph(X, n_neighbors, device=device, check=check)
    return approximate_graph(X, n_neighbors, check=check)


def approximate_graph(
    X: npt.NDArray[np.generic],
    n_neighbors: int,
    *,
    random_state: int = 0,
    check: Callable[[], None] | None = None,
) -> KNNGraph:
    """The kNN graph of the rows of X (n, d) by nearest-neighbour descent; uint8 is pixels, / 255.

    `recall` of the result is measured: the share of the true neighbours of `N_MEASURED` random tokens that are found.
    `check` is called ten times a second and may raise to stop. Raises `InputError`.
    """
    if not 1 <= n_neighbors < len(X):
        raise InputError(f"n_neighbors = {n_neighbors} is not possible with {len(X)} tokens; choose a smaller one.")
    with tempfile.TemporaryDirectory(prefix="dr-transformer-") as folder:
        given, found = Path(folder, "rows.npy"), Path(folder, "graph.npz")
        np.save(given, X)
        command = module_command("dr_transformer.methods.approximate")
        command += [str(given), str(found), str(n_neighbors), str(random_state)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, env=module_environment()) as work:
            try:
                said = _await(work, check)
            finally:
                work.kill()
        if work.returncode or not found.exists():
            last = (said.decode(errors="replace").strip().splitlines() or ["it ended without a word"])[-1]
            raise InputError(f"the search for neighbours failed ({last}); try fewer tokens.")
        with np.load(found, allow_pickle=False) as held:
            graph = KNNGraph(held["indices"].astype(np.intp), held["distances"])
    return KNNGraph(graph.indices, graph.distances, recall=measured_recall(X, graph, random_state, check))


def _await(work: subprocess.Popen[bytes], check: Callable[[], None] | None) -> bytes:
    while True:
        try:
            return work.communicate(timeout=0.1)[1]
        except subprocess.TimeoutExpired:
            if check:
                check()


def measured_recall(
    X: npt.NDArray[np.generic], graph: KNNGraph, random_state: int = 0, check: Callable[[], None] | None = None
) -> float:
    """The share of the true k neighbours of `N_MEASURED` random rows of X (n, d) that `graph` has."""
    n, k = graph.indices.shape
    chosen = np.random.default_rng(random_state).choice(n, min(N_MEASURED, n), replace=False)
    rows, _ = scaled(floats(X, "cpu"))
    found = nearest.search(rows, k, check, torch.from_numpy(chosen))[0][chosen].numpy()
    right = sum(len(np.intersect1d(a, b)) for a, b in zip(found, graph.indices[chosen], strict=True))
    return right / (len(chosen) * k)


def _search(given: str, found: str, n_neighbors: int, random_state: int) -> None:
    from pynndescent import NNDescent

    X = np.load(given, allow_pickle=False)
    size = usual_exponent(X)
    rows = in_float32(floats(X, "cpu").numpy(), -size)
    index = NNDescent(rows, n_neighbors=n_neighbors + 1, random_state=random_state)  # a row is its own first neighbour
    indices, distances = without_own(*index.neighbor_graph)
    np.savez(found, indices=indices, distances=narrowed(np.ldexp(distances.astype(np.float64), size)))


def without_own(
    indices: npt.NDArray[np.integer], distances: npt.NDArray[np.floating]
) -> tuple[npt.NDArray[np.integer], npt.NDArray[np.floating]]:
    """Neighbours (n, k) and distances (n, k) of (n, k + 1) among which each row should be the first of its own.

    Among many copies a row is not always found: its farthest neighbour goes instead.
    """
    own = indices == np.arange(len(indices))[:, None]
    own[~own.any(axis=1), -1] = True
    shape = (len(indices), indices.shape[1] - 1)
    return indices[~own].reshape(shape), distances[~own].reshape(shape)


if __name__ == "__main__":
    _search(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
