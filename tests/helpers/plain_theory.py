"""What the theory says in one formula or one loop, against which the jobs and the fast paths are held."""

import math
from collections.abc import Iterable, Iterator

from torch import Tensor

from dr_transformer.methods.spectrum import Eigenmaps
from dr_transformer.theory.attention_spectrum import attention_spectrum
from dr_transformer.theory.convergence import Convergence, compared
from dr_transformer.theory.objective import Objective, terms


def objective(X: Tensor, *, alpha: float, beta: float, n_heads: int = 1, mask_self: bool = True) -> Objective:
    """The terms of KL at latents X (n, q) and one β."""
    return terms(X, alpha=alpha, n_heads=n_heads, mask_self=mask_self).at(beta)


def kl_floor(n_components: int, beta: float) -> float:
    """The least that `Objective.kl` can be for LayerNormed latents (one head, `mask_self`): white, and no data term.

    L_data − βn ≥ 0, for no average of rows is longer than they are. XᵀX has the trace q and, as rows have mean 0, an
    eigenvalue 0; log det is largest where the other q − 1 are equal.
    """
    q = n_components
    return -(q - 1) * math.log(q / (q - 1) + beta) - math.log(beta)


def convergence(latents: Iterable[Tensor], eigenmaps: Eigenmaps, k: int, *, alpha: float) -> Iterator[Convergence]:
    """The `latents` (n, q) of any blocks next to k Laplacian Eigenmaps of the same tokens' pixels, one by one."""
    for X in latents:
        yield compared(X.cpu().numpy(), attention_spectrum(X, k, alpha=alpha), eigenmaps)
