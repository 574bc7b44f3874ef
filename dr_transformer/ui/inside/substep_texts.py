"""What each sub-step is, in a formula and two or three sentences, for the settings on screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from dr_transformer.config import Config
from dr_transformer.engine.inside import LatentFigures

PAPER = "[arXiv 2507.21040](https://arxiv.org/abs/2507.21040), section 3"


class Explained(NamedTuple):
    """`formula` is LaTeX, `text` Markdown."""

    formula: str
    text: str


def explained(name: str, config: Config, undone: float | None) -> Explained:
    """The sub-step `name`; `undone` is `InsideRun.undone` of the block on screen, None before it is known."""
    return {
        "attention": _attention,
        "layer_norm_1": _layer_norm,
        "feed_forward": _feed_forward,
        "layer_norm_2": _layer_norm_again,
    }[name](config, undone)


def _attention(config: Config, _: float | None) -> Explained:
    masked = r",\quad A_{ii} = 0" if config.mask_self else ""
    step = r"X + 2\eta\,(A - I)\,X" if config.graph_diffusion else r"X + 2\eta\,A X"
    softmax = r"\mathrm{softmax}\left(\tfrac{\alpha n}{q} X X^\top\right)"
    formula = rf"\begin{{aligned}} X &\leftarrow {step} \\ A &= {softmax}{masked} \end{{aligned}}"
    if config.graph_diffusion:
        return Explained(
            formula,
            r"Each token moves towards the mean of those it attends to. A step down $L_\mathrm{data}$ by the paper's "
            r"gradient, $2\tilde L X$ with $\tilde L = I - A$.",
        )
    return Explained(
        formula,
        r"Each token moves towards the mean of those it attends to. A step down $L_\mathrm{data}$: the paper's "
        r"gradient is $2\tilde L X$ with $\tilde L = I - A$, and the missing $-X$ is a change of scale, which the "
        "LayerNorm behind takes away.",
    )


def _layer_norm(_config: Config, _: float | None) -> Explained:
    return Explained(
        r"X \leftarrow \mathrm{LN}(X) / \sqrt n",
        "A step on neither term: it puts every token back on the constraint, a sphere. Its coordinates get mean 0 and "
        r"its norm becomes $\sqrt{q/n}$. The $1/\sqrt n$ is that of Laplacian Eigenmaps, where $X^\top X = I$.",
    )


def _feed_forward(config: Config, _: float | None) -> Explained:
    factor = 1 - 2 * config.eta
    if config.activation == "relu":
        return Explained(
            r"X \leftarrow X - 2\eta\,\mathrm{relu}(X)",
            r"Stands for a step on $L_\mathrm{reg}$, whose gradient is $2X(X^\top X + \beta I)^{-1}$, with the paper's "
            rf"sparsity prior: positive coordinates become {factor:.3g} of what they were, negative ones "
            "stay.",
        )
    return Explained(
        r"X \leftarrow X + X W_\mathrm{ff} = (1 - 2\eta)\,X",
        r"Stands for a step up $L_\mathrm{reg} = \log\det(XX^\top + \beta I)$, whose gradient is "
        r"$2X(X^\top X + \beta I)^{-1}$; the paper takes the linear map $X W_\mathrm{ff}$, $W_\mathrm{ff} = -2\eta I$. "
        f"That multiplies every latent by {factor:.3g}"
        + (", so it *lowers* the log det that KL asks to raise." if abs(factor) < 1 else "."),
    )


def _layer_norm_again(config: Config, undone: float | None) -> Explained:
    if config.activation == "relu":
        end = (
            "Coordinate by coordinate, they differ from those before the feed-forward step by up to {} of the largest."
        )
    elif config.eta > 0.5:
        end = "It undoes the feed-forward step, but for the sign: mirrored, the latents are those before it to {}."
    else:
        end = "It undoes the feed-forward step: the latents are those before it to {} of the largest coordinate."
    said = "…" if undone is None else f"{undone:.0e}"
    return Explained(r"X \leftarrow \mathrm{LN}(X) / \sqrt n", "Back on the constraint. " + end.format(said))


def figures_table(
    before: LatentFigures | None,
    after: LatentFigures | None,
    cosines: tuple[float | None, float | None],
    target: float,
) -> str:
    """A Markdown table of the latents' figures before and after; … for what is not known yet.

    `cosines` between the paper's and the exact gradient, at the two; a row only where there is one. `target` is the
    norm that a LayerNorm gives, √(q/n).
    """
    lines: list[tuple[str, Callable[[LatentFigures], str]]] = [
        (f"row norm, least (LayerNorm: {target:.4f})", lambda f: f"{f.norms[0]:.4f}"),
        ("row norm, mean", lambda f: f"{f.norms[1]:.4f}"),
        ("row norm, largest", lambda f: f"{f.norms[2]:.4f}"),
        ("norm of the mean latent", lambda f: f"{f.mean_norm:.4f}"),
        ("mean over coordinates, largest", lambda f: f"{f.coordinate_mean:.0e}"),
        ("effective rank", lambda f: f"{f.effective_rank:.2f}"),
    ]
    rows = [(name, *("…" if f is None else read(f) for f in (before, after))) for name, read in lines]
    if cosines != (None, None):
        said = ["–" if c is None else f"{c:.3f}" for c in cosines]
        rows.append((r"cosine of $2\tilde L X$ and $(\tilde L + \tilde L^\top)X$", *said))
    return "\n".join(["| | before | after |", "|---|--:|--:|", *(f"| {' | '.join(row)} |" for row in rows)])
