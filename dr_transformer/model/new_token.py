"""One new token among fitted ones: its way through the blocks, what it attends to, and which class it comes to lie in.

As in `TransformerDR.transform` it attends, block by block, to the fitted tokens (or to their landmarks), which stay as
they are. A row equal to a fitted one *is* that token: its latents are the fitted ones, and it is not its own neighbour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from dr_transformer.errors import InputError
from dr_transformer.model.landmarks import Landmarks
from dr_transformer.types import Floats

N_ATTENDED = 8
N_NEIGHBORS = 5

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class NewToken:
    """What becomes of a token; L + 1 rows, one for the latents before the first block and one after each.

    `start` (q,) is y W_proj and `latents` (L + 1, q). `attended` and `weights` (L + 1, k), most first: the tokens that
    these latents attend to, row b in block b + 1, the last row in a block that would follow. `neighbours` (L + 1, 5)
    are the nearest fitted tokens. `twin` is the fitted token that this one is, or None.
    """

    start: Floats
    latents: Floats
    attended: Indices
    weights: Floats
    neighbours: Indices
    twin: int | None


def new_token(
    y: npt.NDArray[np.generic], fitted: Sequence[Floats], landmarks: Landmarks, twin: int | None = None
) -> NewToken:
    """Follow the token y (d,) through the blocks.

    `fitted` are the latents (n, q) of all fitted tokens, L + 1 arrays, and `landmarks` those that tokens attend to; in
    an exact run all of them. `twin` is the row of the data that equals y. Raises `InputError` for a blank token.
    """
    among = None if twin is None else np.flatnonzero(landmarks.index == twin)
    masked = -1 if among is None or not len(among) or not landmarks.config.mask_self else int(among[0])
    at = torch.tensor([masked], device=landmarks.latents[0].device)
    if not y.any():
        raise InputError("the new token is blank: it would go to the mean of all others; give one with ink.")
    steps = list(landmarks.steps(y[None], at if landmarks.config.mask_self else None))
    start = steps[0].X.cpu().numpy()[0]
    ways = [step.X for step in steps if step.ends_block]
    if twin is not None:  # the same up to rounding, and now exactly
        ways = [torch.tensor(X[twin][None], device=at.device) for X in fitted]
    k = min(N_ATTENDED, len(landmarks.index) - (masked >= 0))
    top = [
        torch.topk(attention_weights(X, keys, landmarks, masked), k)
        for X, keys in zip(ways, landmarks.latents, strict=True)
    ]
    near = [nearest(X.cpu().numpy()[0], others, twin) for X, others in zip(ways, fitted, strict=True)]
    return NewToken(
        start,
        np.stack([X.cpu().numpy()[0] for X in ways]),
        landmarks.index[np.stack([each.indices.cpu().numpy() for each in top])],
        np.stack([each.values.cpu().numpy() for each in top]),
        np.stack(near),
        twin,
    )


def attention_weights(X: torch.Tensor, keys: torch.Tensor, landmarks: Landmarks, masked: int = -1) -> torch.Tensor:
    """The attention (m,) that latents X (1, q) pay to `keys` (m, q), averaged over heads; none to `masked`, if ≥ 0."""
    heads, (m, q) = landmarks.config.n_heads, keys.shape
    scale = landmarks.config.alpha * m * heads / q
    logits = torch.einsum("hd,nhd->hn", X.view(heads, -1), keys.view(m, heads, -1)) * scale
    if masked >= 0:
        logits[:, masked] = -torch.inf
    return torch.softmax(logits, dim=1).mean(dim=0)


def nearest(x: Floats, X: Floats, twin: int | None = None, n_neighbors: int = N_NEIGHBORS) -> Indices:
    """The rows of X (n, q) that are nearest to x (q,), nearest first, without row `twin`."""
    distances = np.square(X.astype(np.float64) - x).sum(axis=1)
    if twin is not None:
        distances[twin] = np.inf
    k = min(n_neighbors, len(X) - (twin is not None))
    return np.argsort(distances, kind="stable")[:k]


def find_twin(y: npt.NDArray[np.generic], Y: npt.NDArray[np.generic]) -> int | None:
    """The first row of Y (n, d) that equals y (d,), or None."""
    same = np.flatnonzero((y == Y).all(axis=1))
    return int(same[0]) if len(same) else None


def majority(labels: npt.NDArray[np.integer]) -> tuple[int, int]:
    """The most frequent of a token's neighbours' labels, and how many have it; of equals the lowest, as scikit-learn's
    `KNeighborsClassifier` has it.
    """
    counts = np.bincount(labels)
    return int(counts.argmax()), int(counts.max())
