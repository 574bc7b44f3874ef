"""All quality figures of one embedding, against what is measured of the data once and shared by all its embeddings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.utils import check_random_state

from dr_transformer.errors import InputError
from dr_transformer.model.magnitude import to_one
from dr_transformer.model.projection import float64_chunks
from dr_transformer.quality import metrics
from dr_transformer.quality.metrics import METRICS, N_NEIGHBORS, Indices, Labels
from dr_transformer.types import Check, Floats

SUBSAMPLE = 2000  # tokens that the figures are measured on
MAX_SUBSAMPLE = 5000  # the ranks of all pairs of them are held (50 MB), and silhouette takes 200 MB meanwhile


@dataclass(frozen=True, eq=False)
class Reference:
    """What the figures need of the data alone. They are measured on m of the `n_total` tokens.

    `rows` (m,) says on which: `measured_rows`. `ranks[i, j]` = r: j is the r-th nearest other of i in the pixels.
    `neighbors` (m, k): the k nearest among these m. `labels`: (m,), or None.
    """

    rows: Indices
    ranks: npt.NDArray[np.uint16]
    neighbors: Indices
    labels: Labels | None
    n_total: int
    random_state: int

    @classmethod
    def of(
        cls,
        Y: npt.ArrayLike,
        labels: npt.ArrayLike | None = None,
        *,
        n_samples: int = SUBSAMPLE,
        n_neighbors: int = N_NEIGHBORS,
        random_state: int = 42,
        check: Check | None = None,
    ) -> Reference:
        """The reference of tokens Y (n, d) (uint8 is taken as pixels), on at most `n_samples` of them.

        Y and `labels` (n,), numbers or names, are arrays, lists or frames. `check` may raise to cancel. Raises
        `InputError` for too many or too few tokens, for what is no matrix of finite numbers, and for labels that are
        missing or not one a token.
        """
        Y = _matrix(Y)
        classes = None if labels is None else _class_numbers(labels, len(Y))
        m = min(n_samples, len(Y))
        if not 2 <= m <= MAX_SUBSAMPLE:
            raise InputError(f"quality is measured on 2 to {MAX_SUBSAMPLE} tokens, but here on {m}.")
        rows = measured_rows(len(Y), n_samples, random_state)
        pixels = np.concatenate(list(float64_chunks(Y[rows])))
        if not np.isfinite(pixels).all():
            raise InputError("the data hold NaN or infinity; remove or fill such values first.")
        ranks = np.empty((m, m), np.uint16)
        neighbors = np.empty((m, min(n_neighbors, m - 1)), np.intp)
        for some, order in metrics.nearest_first(pixels, check):
            ranks[some] = _ranks(order)
            neighbors[some] = order[:, 1 : n_neighbors + 1]
        return cls(rows, ranks, neighbors, None if classes is None else classes[rows], len(Y), random_state)


@dataclass(frozen=True)
class Quality:
    """All `METRICS` of one embedding by name, in their order; where one is None, `missing` has the reason, a clause."""

    figures: dict[str, float | None]
    missing: dict[str, str]
    n_samples: int
    n_total: int
    random_state: int

    @property
    def sample(self) -> str:
        """Say on which tokens it was measured."""
        if self.n_samples == self.n_total:
            return f"all {self.n_total} tokens"
        return f"{self.n_samples} of {self.n_total} tokens, drawn with seed {self.random_state}"


def measured_rows(n: int, n_samples: int = SUBSAMPLE, random_state: int = 42) -> Indices:
    """Return which tokens are measured: those of `metrics.subsample` with this seed, at most `n_samples` of n.

    They are in random order, so that neither the split of the accuracy nor a tie depends on how the data are sorted.
    """
    return check_random_state(random_state).permutation(n)[:n_samples]


def nmi(embedding: Floats, labels: Labels | None, *, random_state: int = 42) -> float | None:
    """The NMI that `quality` finds for the embedding (n, q) of data with these labels (n,), without the rest of it.

    None where `quality` has none: no labels, too few tokens for their classes, or an embedding of too few places.
    """
    rows = measured_rows(len(embedding), random_state=random_state)
    X = embedding[rows]
    if _useless(X):
        return None
    try:
        return _agreement(to_one(X.astype(np.float64)), None if labels is None else labels[rows], random_state)[0]
    except _UndefinedError:
        return None


def clusters(embedding: Floats, n_clusters: int, *, random_state: int = 42) -> Indices | None:
    """k-means cluster (n,) of all tokens of an embedding (n, q), the best of three starts, to colour by.

    Fewer than `n_clusters` where the tokens lie at fewer points; None where they lie at one, or are not finite.
    """
    if _useless(embedding):
        return None
    X = to_one(embedding)
    apart = metrics.points_apart(X, n_clusters)
    return metrics.kmeans_clusters(X, apart, random_state, n_init=3).astype(np.intp) if apart > 1 else None


def quality(embedding: npt.ArrayLike, reference: Reference, *, check: Check | None = None) -> Quality:
    """Measure an embedding (n, q) of the data that `reference` was made of, in float64.

    The figures are those of the functions of `metrics.py` for the tokens `reference.rows` alone. `check` is called
    between the pieces, and may raise to cancel. A figure that does not exist is None; only a wrong shape is an
    `InputError`.
    """
    embedding = np.asarray(embedding)
    if embedding.dtype.kind not in "uif":
        raise InputError(f"the embedding must be real numbers, but holds {embedding.dtype}.")
    if embedding.ndim != 2 or embedding.shape[1] == 0 or len(embedding) != reference.n_total:
        raise InputError(f"the embedding must have {reference.n_total} rows, but its shape is {embedding.shape}.")
    figures: dict[str, float | None] = dict.fromkeys(METRICS)
    missing: dict[str, str] = {}
    X = embedding[reference.rows]
    useless = _useless(X)
    X = X.astype(np.float64) if useless else to_one(X.astype(np.float64))
    work = _Work(X, reference, check)
    for names, measure in _PIECES.items():
        if check:
            check()
        try:
            _need(not useless, useless)
            figures.update(zip(names, measure(work), strict=True))
        except _UndefinedError as reason:
            missing.update(dict.fromkeys(names, str(reason)))
    return Quality(figures, missing, len(X), reference.n_total, reference.random_state)


def _matrix(Y: npt.ArrayLike) -> npt.NDArray[np.generic]:
    try:
        found = np.asarray(Y)
        found = found.astype(np.float64) if found.dtype.kind in "Ob" else found  # a frame of several types
    except (TypeError, ValueError):
        raise InputError("the data must be a matrix of real numbers; leave out what is text or missing.") from None
    if found.dtype.kind not in "uif" or found.ndim != 2 or not found.shape[1]:
        raise InputError(
            f"the data must be a matrix of real numbers (n_samples, n_features), but are {found.dtype} of shape "
            f"{found.shape}."
        )
    return found


def _class_numbers(labels: npt.ArrayLike, n: int) -> Labels:
    """Labels (n,), numbers or names, as numbers of classes in their order."""
    found = np.asarray(labels)
    if found.shape != (n,):
        raise InputError(f"labels must be one for each of {n} tokens, but their shape is {found.shape}.")
    missing = np.array([_is_missing(label) for label in found.tolist()])
    if missing.any():
        raise InputError(
            f"{int(missing.sum())} of {n} labels are missing, the first of token {int(missing.argmax())}; give each "
            "token a class, or leave such tokens out."
        )
    try:
        return np.unique(found, return_inverse=True)[1]
    except TypeError:
        raise InputError("labels must be all numbers or all names, but these are of several types.") from None


def _is_missing(label: object) -> bool:
    equal = label == label
    return label is None or not (isinstance(equal, bool | np.bool_) and bool(equal))


# --- the pieces: figures that share their work ------------------------------------------------------------------------


class _Work(NamedTuple):
    X: Floats
    reference: Reference
    check: Check | None


class _UndefinedError(Exception):
    """Why a figure does not exist."""


def _need(condition: bool, otherwise: str) -> None:
    if not condition:
        raise _UndefinedError(otherwise)


def _neighbourhoods(work: _Work) -> tuple[float, ...]:
    """Measure trustworthiness, continuity and recall.

    The first is 1 − 2 / (nk (2n − 3k − 1)) Σᵢ Σⱼ max(0, r(i, j) − k), over the k nearest j of i in the embedding, where
    j is the r-th nearest of i in the pixels; the second has the spaces exchanged; the third is the share of r ≤ k.
    Venna & Kaski, "Neighborhood preservation in nonlinear projection methods", ICANN 2001.
    """
    reference = work.reference
    m, k = reference.neighbors.shape
    _need(2 * k < m, f"{m} tokens are too few: more than twice the number of neighbours are needed")
    intruders, lost = np.empty((2, m, k))
    for rows, order in metrics.nearest_first(work.X, work.check):
        intruders[rows] = np.take_along_axis(reference.ranks[rows], order[:, 1 : k + 1], axis=1)
        lost[rows] = np.take_along_axis(_ranks(order), reference.neighbors[rows], axis=1)
    worst = m * k * (2 * m - 3 * k - 1) / 2
    figures = [1 - float((ranks - k).clip(min=0).sum()) / worst for ranks in (intruders, lost)]
    return (*figures, float((intruders <= k).mean()))


def _accuracy(work: _Work) -> tuple[float, ...]:
    labels, _ = _classes(work.reference.labels)
    _need(len(labels) >= 7, "a 5-NN classifier and tokens to score it on need at least 7 tokens")
    return (metrics.knn_accuracy(work.X, labels),)


def _clusters(work: _Work) -> tuple[float, ...]:
    return _agreement(work.X, work.reference.labels, work.reference.random_state)


def _agreement(X: Floats, all_labels: Labels | None, random_state: int) -> tuple[float, float]:
    """NMI and ARI of the labels with as many k-means clusters."""
    labels, n_classes = _classes(all_labels)
    apart = metrics.points_apart(X, n_classes)
    _need(apart == n_classes, f"the tokens lie at {apart} points, too few for {n_classes} clusters")
    found = metrics.kmeans_clusters(X, n_classes, random_state)
    return float(normalized_mutual_info_score(labels, found)), float(adjusted_rand_score(labels, found))


def _silhouette(work: _Work) -> tuple[float, ...]:
    labels, _ = _classes(work.reference.labels)
    return (metrics.silhouette(work.X, labels),)


def _directions(work: _Work) -> tuple[float, ...]:
    blank = int((~work.X.any(axis=1)).sum())
    _need(blank == 0, f"{blank} of the tokens lie at the origin, in no direction")
    return metrics.effective_rank(work.X), metrics.mean_cosine(work.X)


_PIECES: dict[tuple[str, ...], Callable[[_Work], tuple[float, ...]]] = {
    ("trustworthiness", "continuity", "recall"): _neighbourhoods,
    ("accuracy",): _accuracy,
    ("nmi", "ari"): _clusters,
    ("silhouette",): _silhouette,
    ("effective_rank", "mean_cosine"): _directions,
}


def _classes(labels: Labels | None) -> tuple[Labels, int]:
    if labels is None:
        raise _UndefinedError("the data have no labels")
    n_classes = len(np.unique(labels))
    _need(n_classes > 1, "all tokens are of one class")
    _need(n_classes <= 0.4 * len(labels), f"{n_classes} classes are too many for {len(labels)} tokens")
    return labels, n_classes


def _ranks(order: Indices) -> npt.NDArray[np.uint16]:
    """The place, from 0, of each token in each row of `order` (b, m): the inverse permutations."""
    ranks = np.empty(order.shape, np.uint16)
    np.put_along_axis(ranks, order, np.arange(order.shape[1], dtype=np.uint16)[None], axis=1)
    return ranks


def _useless(X: Floats) -> str:
    finite = np.isfinite(X).all(axis=1)
    if not finite.all():
        return f"{(~finite).sum()} tokens have NaN or infinity for an embedding"
    precision = np.finfo(X.dtype).eps if X.dtype.kind == "f" else 0.0
    if np.ptp(to_one(X.astype(np.float64)), axis=0).max() <= 4 * precision:
        return "all tokens lie at one point"
    return ""
