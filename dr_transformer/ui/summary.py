"""The sentences under the picture: what is shown, how long it took, how exact it is, and what to expect of it."""

from __future__ import annotations

from collections.abc import Iterator

from dr_transformer.jobs import Run


def status_line(run: Run) -> str:
    """One line: tokens, blocks, time, precision and device, and where the images came from."""
    config, dataset = run.config, run.dataset
    blocks = len(run.latents) - 1
    progress = f"{blocks} blocks" if run.done.is_set() else f"block {max(blocks, 0)} of {config.n_blocks}"
    parts = [
        f"{dataset.n_samples:,} tokens".replace(",", "\u202f"),
        f"{progress} in {run.seconds:.1f} s",
        f"latent axes 0 and 1 of {config.n_components}",
        _precision(run),
        dataset.source.rstrip("."),
    ]
    return " · ".join(parts)


def notes(run: Run) -> Iterator[str]:
    """What is not as in the paper, each with its number."""
    yield from run.config.notes()
    if run.neighbours and run.neighbours[-1] < 1.05:
        yield (
            f"At α = {run.config.alpha:g} attention is all but one-hot: at the last block half of the tokens attend, "
            f"in effect, to {run.neighbours[-1]:.2f} others or fewer, so each follows its nearest neighbour alone."
        )
    if run.dataset.labels is None:
        yield "These data have no label column, so all points have one colour."


def capitalised(sentence: str) -> str:
    """The sentence with its first letter in upper case, the rest as it is."""
    return sentence[:1].upper() + sentence[1:]


def _precision(run: Run) -> str:
    dtype = run.latents[-1].dtype.name if run.latents else "float32"
    said = f"{dtype} on {'GPU' if run.device == 'cuda' else 'CPU'}"
    if run.deviation is not None:
        said += f", {run.deviation:.0e} from float64 on a subsample of {min(500, run.dataset.n_samples)}"
    return said
