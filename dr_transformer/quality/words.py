"""A picture of classes in words: which stand apart, which have merged, and at which block.

What is measured is how many of two classes' tokens lie nearer to the centre of the other class than to that of their
own. It is 0 where the two are apart and one half where the centres tell nothing; shrinking or turning all latents
changes nothing. A token's own centre is taken without the token itself, which would pull it near.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from dr_transformer.methods.graph import knn_graph
from dr_transformer.methods.pca import pca
from dr_transformer.methods.spectrum import laplacian_eigenmaps
from dr_transformer.quality.metrics import subsample
from dr_transformer.types import Floats

SAMPLE = 2000  # tokens that are looked at
APART = 0.10  # a class all of whose shares are lower stands apart
MERGED = 0.25  # halfway to one half


def meaning(dimensions: str = "in all latent dimensions") -> str:
    """Return what overlap is, in a sentence, and in which `dimensions` it was measured, an adverbial."""
    return (
        f"Overlap, {dimensions}, is the share of two classes' tokens that lie nearer to the other's centre: 0% where "
        f"they are apart, 50% where the centres tell nothing, and from {MERGED:.0%} on they are called merged."
    )


MEANING = meaning()
NO_CLASSES = "The tokens have no classes, so there are none to stand apart or to merge."
_MOST = 4  # pairs or classes that a sentence lists

Labels = npt.NDArray[np.integer]


def describe(
    latents: Sequence[Floats], labels: Labels | None, class_names: Sequence[str], depth: float, random_state: int = 42
) -> str:
    """One to three sentences about the latents (n, q) at the last block up to `depth`; `latents` has one for each.

    `labels` (n,) index `class_names`. A seeded subsample of `SAMPLE` tokens is looked at.
    """
    if not has_classes(labels):
        return NO_CLASSES
    assert labels is not None
    return sentences(overlaps(latents, labels, len(class_names), random_state), class_names, depth)


def has_classes(labels: Labels | None) -> bool:
    """Tell whether there are two classes to compare."""
    return labels is not None and len(np.unique(labels)) > 1


def overlaps(latents: Sequence[Floats], labels: Labels, n_classes: int, random_state: int = 42) -> list[Floats]:
    """`overlap` at each block, of a seeded subsample of the tokens."""
    rows = subsample(len(labels), SAMPLE, random_state)
    return [overlap(X[rows], labels[rows], n_classes) for X in latents]


def overlap(X: Floats, labels: Labels, n_classes: int) -> Floats:
    """The share (n_classes, n_classes) of two classes' tokens that lie nearer to the other's centre; X is (n, q).

    Symmetric: the mean of the two classes' shares. NaN on the diagonal and for classes of fewer than two tokens.
    """
    X = X - X.mean(axis=0, dtype=np.float64)  # distances are the same, their rounding is smaller
    of_class = np.eye(n_classes)[labels]
    counts = of_class.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):  # classes without tokens become NaN
        centres = (of_class.T @ X) / counts[:, None]
        distances = np.square(X).sum(axis=1)[:, None] + np.square(centres).sum(axis=1) - 2 * X @ centres.T
        own = distances[np.arange(len(X)), labels] * (counts / (counts - 1))[labels] ** 2
        shares = (of_class.T @ (distances < own[:, None])) / counts[:, None]
    shares[counts < 2], shares[:, counts < 2] = np.nan, np.nan
    np.fill_diagonal(shares, np.nan)
    return (shares + shares.T) / 2


def sentences(overlap_by_block: Sequence[Floats], class_names: Sequence[str], depth: float) -> str:
    """One to three sentences about the block passed last at `depth`, and when what is merged there came together."""
    block = last_passed(overlap_by_block, depth)
    return f"Block {block}: {told(overlap_by_block, class_names, block)} {MEANING}"


def last_passed(by_block: Sequence[object], depth: float) -> int:
    """Return the last block at or before `depth`, of as many as there are."""
    return max(0, min(int(depth), len(by_block) - 1))


def told(overlap_by_block: Sequence[Floats], class_names: Sequence[str], block: int, *, moves: bool = True) -> str:
    """Return which classes stand apart at `block` and which have merged, and when; of what does not move, `moves`
    False, not.

    It begins with a small letter, for what is described to stand before it.
    """
    now = overlap_by_block[block]
    merged = _pairs(now)
    shares = [
        f"{now[pair]:.0%}, {_since(overlap_by_block, pair, block)}" if moves else f"{now[pair]:.0%}" for pair in merged
    ]
    listed = [f"{_pair(pair, class_names)} ({said})" for pair, said in zip(merged, shares, strict=True)][:_MOST]
    if more := len(merged) - len(listed):
        listed.append(f"{more} more pair{'s' * (more > 1)}")
    said = f"Merged are {_listed(listed)}" if merged else "No two classes have merged"
    later = _later(overlap_by_block, block)
    if later:
        pair, at = later
        said += f"; {'the next' if merged else 'the first'} to merge, at block {at}, are {_pair(pair, class_names)}"
    return f"{_apart(now, class_names)}. {said}."


def changed(before: Floats, after: Floats, class_names: Sequence[str]) -> str:
    """Return what a step does to the overlaps `before` it, (n_classes, n_classes) as `after` it, in a sentence.

    Empty where no two classes can be compared.
    """
    if not np.isfinite(after).any():
        return ""
    a, b = np.unravel_index(int(np.nanargmax(after)), after.shape)
    return (
        f"It takes the mean overlap of two classes from {np.nanmean(before):.1%} to {np.nanmean(after):.1%}; the two "
        f"that overlap most after it are {_pair((int(a), int(b)), class_names)} ({after[a, b]:.1%}; before it "
        f"{before[a, b]:.1%})."
    )


def _apart(now: Floats, class_names: Sequence[str]) -> str:
    present = np.flatnonzero(np.isfinite(now).any(axis=1))
    worst = {int(c): float(np.nanmax(now[c])) for c in present}
    apart = [c for c, share in worst.items() if share < APART]
    if not apart:
        return "no class stands apart from all others"
    bound = f"overlap with any other at most {max(worst[c] for c in apart):.0%}"
    if len(apart) == len(present):
        return f"all classes stand apart ({bound})"
    if len(apart) > 3 * _MOST:
        return f"{len(apart)} of {len(present)} classes stand apart ({bound})"
    names = _listed([class_names[c] for c in apart])
    return f"{names} stand{'s' * (len(apart) == 1)} apart from all other classes ({bound})"


def _pairs(now: Floats) -> list[tuple[int, int]]:
    """The pairs that have merged, the most merged first."""
    pairs = [(int(a), int(b)) for a, b in np.argwhere(now >= MERGED) if a < b]
    return sorted(pairs, key=lambda pair: -now[pair])


def _since(overlap_by_block: Sequence[Floats], pair: tuple[int, int], block: int) -> str:
    """Since when, up to this block, a pair has been merged without a break."""
    first = block
    while first > 0 and overlap_by_block[first - 1][pair] >= MERGED:
        first -= 1
    return "from the start" if first == 0 else f"since block {first}"


def _later(overlap_by_block: Sequence[Floats], block: int) -> tuple[tuple[int, int], int] | None:
    """The pair that merges next, and at which block."""
    here = set(_pairs(overlap_by_block[block]))
    for at in range(block + 1, len(overlap_by_block)):
        new = [pair for pair in _pairs(overlap_by_block[at]) if pair not in here]
        if new:
            return new[0], at
    return None


def _pair(pair: tuple[int, int], class_names: Sequence[str]) -> str:
    return f"{class_names[pair[0]]} and {class_names[pair[1]]}"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


# How far a method's result on a GPU is from the CPU's, measured on a subsample.

SUBSAMPLE = 500

Tokens = npt.NDArray[np.generic]


def device_deviation(embed: Callable[[Tokens, str], Floats], Y: Tokens, device: str, random_state: int = 42) -> float:
    """Largest difference between `embed(Y, device)` and `embed(Y, "cpu")`, over the largest coordinate.

    Measured on a seeded subsample of 500 of the tokens Y (n, d). The signs of `embed` must be determined.
    """
    tokens = Y[subsample(len(Y), SUBSAMPLE, random_state)]
    here, there = embed(tokens, "cpu"), embed(tokens, device)
    return float(np.abs(there - here).max() / np.abs(here).max())


def pca_on(n_components: int) -> Callable[[Tokens, str], Floats]:
    """PCA, to be measured."""
    return lambda Y, device: pca(Y, n_components, device).scores


def laplacian_on(n_components: int, n_neighbors: int, random_state: int) -> Callable[[Tokens, str], Floats]:
    """Laplacian Eigenmaps, to be measured: the neighbours are what a GPU finds."""

    def embed(Y: Tokens, device: str) -> Floats:
        graph = knn_graph(Y, min(n_neighbors, len(Y) - 1), device=device)
        return laplacian_eigenmaps(graph, n_components, random_state=random_state).embedding

    return embed
