"""The sentences under the picture: what is shown, how long it took, how exact it is, and what to expect of it."""

from __future__ import annotations

from collections.abc import Iterator

from dr_transformer.analysis import SUBSAMPLE
from dr_transformer.config import DATASETS
from dr_transformer.run import PREVIEW, Run


def status_line(run: Run, is_preview: bool, explained: float | None = None) -> str:
    """One line: tokens, blocks, time, precision and device, where the images came from.

    `explained` is the share of the variance that the plane on screen holds, where it is known.
    """
    config, dataset = run.config, run.dataset
    tokens, blocks = counted(dataset.n_samples), max(len(run.full.latents) - 1, 0)
    parts = [f"{tokens} tokens", f"{config.n_blocks} blocks in {run.seconds:.1f} s"]
    if not run.done.is_set():
        parts[1] = f"computing block {min(blocks + 1, config.n_blocks)} of {config.n_blocks}"
    if is_preview:
        parts[0] = f"Preview: {counted(PREVIEW)} of the {tokens} tokens, run as if they were all"
    if explained is not None:
        parts.append(f"this plane holds {explained:.0%} of the variance")
    parts += [_precision(run), dataset.source.rstrip(".")]
    if run.done.is_set() and not run.finished:
        parts.append("measuring …")
    return " · ".join(parts)


def curves_line(run: Run) -> str:
    """How the curves over depth were measured, on how many tokens."""
    n = run.dataset.n_samples
    if run.dataset.labels is None:
        return "Effective rank: exp of the entropy of the spectrum of XᵀX, rows scaled to norm 1."
    which = "the first" if run.dataset.name in DATASETS else "random"
    sample = f"a seeded subsample of {counted(SUBSAMPLE)}" if n > SUBSAMPLE else "all tokens"
    return (
        f"5-NN: fitted on {which} {counted(int(0.8 * n))} tokens, scored on the rest. NMI: {sample}, one cluster a "
        "class. Clusters tighten with depth (NMI rises, at first), neighbours get worse (5-NN falls)."
    )


def notes(run: Run) -> Iterator[str]:
    """What is not as in the paper, each with its number."""
    yield from run.config.notes()
    if run.neighbours is not None and run.neighbours < 1.05:
        yield (
            f"At α = {run.config.alpha:g} attention is all but one-hot: at the last block half of the tokens attend, "
            f"in effect, to {run.neighbours:.2f} others or fewer, so each follows its nearest neighbour alone."
        )
    if run.dataset.labels is None:
        yield "These data have no label column, so all points have one colour."


def capitalised(sentence: str) -> str:
    """The sentence with its first letter in upper case, the rest as it is."""
    return sentence[:1].upper() + sentence[1:]


def _precision(run: Run) -> str:
    said = f"{run.precision or 'float32'} on {'GPU' if run.device == 'cuda' else 'CPU'}"
    if run.deviation is not None:
        said += f", {run.deviation:.0e} from float64 on a subsample of {min(500, run.dataset.n_samples)}"
    return said


def counted(number: int) -> str:
    """The number with thin spaces between thousands."""
    return f"{number:,}".replace(",", "\u202f")
