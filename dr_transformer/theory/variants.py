"""The block with its parts exchanged, to see which term of the objective does what.

    attention     standard     X + 2η A X                      the paper's figure
                  diffusion    X + 2η (A − I) X                the paper's gradient step, 2 L̃ X for the gradient
                  gradient     X − η' (L̃ + L̃ᵀ) X              the exact gradient step, η' = η / (1 + 2η)
    regulariser   feed_forward X − 2η X                        the paper's
                  exact        X + 2η_r X (XᵀX + βI)⁻¹         ascent on log det, which KL asks for
                  none         X

A LayerNorm follows each, as in the model. It takes away the scale of rows, so standard attention at η is diffusion at
η' (`diffusion_eta`): X + 2ηAX = (1 + 2η) (X + 2η' (A − I) X). The gradient step has this η' too: it is standard
attention with (A + Aᵀ)/2 in place of A, and the two differ by the asymmetry of A alone.

What is found on MNIST, n = 2 000 (class-balanced), α = 30, η = η_r = 0.4, mean of the seeds 0 … 3. KL is
`objective.Objective.kl`, at the regulariser's β, or 0.01 where it has none; accuracy is `metrics.knn_accuracy`:

    attention   regulariser        KL at block 0, 12, 32     5-NN accuracy
    standard    feed_forward        222    508    550         0.89  0.80  0.73
    diffusion   feed_forward        222    548    563         0.89  0.72  0.24
    gradient    feed_forward        222    487    549         0.89  0.78  0.74
    standard    exact, β = 0.01     222    2.4    2.4         0.89  0.80  0.80
    diffusion   exact, β = 0.01     222    2.4    2.4         0.89  0.85  0.85
    standard    exact, β = 1        −19    −87    −88         0.89  0.86  0.84
    diffusion   exact, β = 1        −19    −78    −81         0.89  0.82  0.77
    gradient    exact, β = 1        −19    −88    −89         0.89  0.86  0.83

The first 0.73 is the mean of 0.672, 0.748, 0.760 and 0.748, for `random_state` 0, 1, 2 and 3 of the projection, on
`load("mnist", 2000)` (its own seed 42), fitted on the first 1 600 tokens and scored on the last 400, in float32 on a
CPU. At that depth rounding counts: float64 had 0.712, 0.762, 0.785 and 0.795, and the same sums in another order move
each by up to 0.06. At blocks 0 and 12 all agree.

So no attention step keeps KL from rising, and each of them collapses the latents; the feed-forward step changes nothing
(`none` gives the same). The exact regulariser prevents it. 2.4 is `objective.kl_floor`: the latents are as white as
they can be, and k-means finds the classes no more (NMI 0.44 → 0.13).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from dr_transformer.config import Config
from dr_transformer.model.projection import Projection
from dr_transformer.model.unroll import Step, after_attention, layer_norm, run_block, unroll
from dr_transformer.parameters import Declared, declare
from dr_transformer.theory.objective import data_gradients, regulariser_gradient
from dr_transformer.types import Check

if TYPE_CHECKING:
    from torch import Tensor

ATTENTIONS = ("standard", "diffusion", "gradient")
REGULARISERS = ("feed_forward", "exact", "none")


@dataclass(frozen=True)
class Variant(Declared):
    """Which attention and which regulariser a block has; the default is the paper's. Frozen."""

    attention: str = declare(
        "standard",
        "Attention step",
        "Standard attention A, graph diffusion A − I, or a step down the exact gradient (L̃ + L̃ᵀ)X of L_data.",
        "variant",
        choices=ATTENTIONS,
    )
    regulariser: str = declare(
        "feed_forward",
        "Regulariser step",
        "The paper's feed-forward X − 2ηX, the exact X + 2η_r X(XᵀX + βI)⁻¹, or none.",
        "variant",
        choices=REGULARISERS,
    )
    eta_r: float = declare(
        0.4,
        "Learning rate η_r",
        "Step size of the exact regulariser: it adds 2η_r X(XᵀX + βI)⁻¹ to the latents X.",
        "variant",
        minimum=0,
        maximum=10,
        exclusive_minimum=True,
        widget_range=(0.01, 1),
        step=0.01,
    )
    beta: float = declare(
        1.0,
        "Jitter β",
        "Of the model's XXᵀ + βI: small β spreads the latents evenly over all dimensions, large β leaves them alone; "
        "1 is the mean eigenvalue of XᵀX.",
        "variant",
        minimum=0,
        maximum=1000,
        exclusive_minimum=True,
        widget_range=(0.001, 10),
        step=0.001,
    )


def diffusion_eta(eta: float) -> float:
    """The η' = η / (1 + 2η) at which graph diffusion does what standard attention does at η; always below ½."""
    return eta / (1 + 2 * eta)


def unroll_variant(
    Y: npt.NDArray[np.generic],
    config: Config,
    variant: Variant,
    projection: Projection | None = None,
    check: Check | None = None,
) -> Iterator[Step]:
    """Do as `model.unroll`, with the steps of the same names, but blocks are of this `variant`.

    `variant.attention` decides alone: `config.graph_diffusion` does not count. "feed_forward" names the regulariser
    step, whichever it is. Where both steps are the paper's, the result is `unroll`'s to the bit. `check` may raise.
    """
    config = replace(config, graph_diffusion=variant.attention == "diffusion")
    for step in islice(unroll(Y, config, projection), 2):  # a generator: no block is computed
        X = step.X
        yield step
    for block in range(1, config.n_blocks + 1):
        for name, latents in run_variant(X, config, variant, check):
            X = latents
            yield Step(block, name, X)


def run_variant(
    X: Tensor, config: Config, variant: Variant, check: Check | None = None
) -> Iterator[tuple[str, Tensor]]:
    """One block of this `variant` from latents X (n, q): (name, latents) after each of the four `SUB_STEPS`."""
    n = len(X)
    if variant.attention == "gradient":
        steps = _gradient_block(X, config, check)
    else:
        config = replace(config, graph_diffusion=variant.attention == "diffusion")
        steps = run_block(X, X, config, torch.arange(n, device=X.device) if config.mask_self else None, check)
    if variant.regulariser == "feed_forward":
        yield from steps
        return
    for name, latents in islice(steps, 2):
        X = latents
        yield name, X
    if variant.regulariser == "exact":
        X = X + variant.eta_r * regulariser_gradient(X, variant.beta, config.n_heads)
    yield "feed_forward", X
    yield "layer_norm_2", layer_norm(X, n)


def _gradient_block(X: Tensor, config: Config, check: Check | None) -> Iterator[tuple[str, Tensor]]:
    found = data_gradients(X, alpha=config.alpha, n_heads=config.n_heads, mask_self=config.mask_self, check=check)
    X = X - diffusion_eta(config.eta) * found.exact
    yield "attention", X
    yield from after_attention(X, len(X), config)
