"""The sentences under the picture: what is shown, how long it took, how exact it is, and what to expect of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dr_transformer.config import DATASETS, PARAMETERS
from dr_transformer.engine.run import PREVIEW, Run
from dr_transformer.engine.run_cost import time_note
from dr_transformer.hardware.devices import spoken
from dr_transformer.palette import PETROFF10
from dr_transformer.quality.scores import SUBSAMPLE

# A parameter's name where it is one: many are ordinary words too.
_NAMED = re.compile(rf"\b({'|'.join(sorted(PARAMETERS, key=len, reverse=True))})(?= = | must )")


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
    """What depth does here, and how the curves over it were measured, on how many tokens."""
    curves, n = run.analysis.curves, run.dataset.n_samples
    if not curves["accuracy"]:
        return "Effective rank: exp of the entropy of the spectrum of XᵀX, rows scaled to norm 1, about the origin."
    which = "the first" if run.dataset.name in DATASETS else "random"
    fitted = int(0.8 * n)
    said = [f"5-NN: fitted on {which} {counted(fitted)} tokens, scored on the other {counted(n - fitted)}."]
    if curves["nmi"]:
        sample = f"a seeded subsample of {counted(SUBSAMPLE)}" if n > SUBSAMPLE else "all tokens"
        said.append(f"NMI: {sample}, one cluster a class.")
    if None in curves["nmi"]:
        said.append("It is missing where k-means cannot tell as many points apart, or a class has too few tokens.")
    if len(curves["nmi"]) == run.config.n_blocks + 1:
        said.append(depth_line(run.config.n_blocks, curves["nmi"], curves["accuracy"]))
    return " ".join(said).rstrip()


def depth_line(n_blocks: int, nmi: Sequence[float | None], accuracy: Sequence[float | None]) -> str:
    """What depth does, from the figures of the first and the last block; empty where there are none to compare.

    Such as: From block 0 to block 8 clusters tighten: NMI rises 0.47 → 0.58; neighbours get worse: 5-NN accuracy falls
    0.90 → 0.84.
    """
    clusters = _clause("NMI", nmi, "clusters tighten", "clusters loosen", "clusters stay as tight")
    neighbours = _clause(
        "5-NN accuracy", accuracy, "neighbours get better", "neighbours get worse", "neighbours stay as good"
    )
    clauses = "; ".join(filter(None, (clusters, neighbours)))
    return f"From block 0 to block {n_blocks} {clauses}." if clauses else ""


def _clause(title: str, values: Sequence[float | None], up: str, down: str, same: str) -> str:
    """The meaning and the numbers, of which the signs of what is printed decide: what looks equal has not changed."""
    if not values or values[0] is None or values[-1] is None:
        return ""
    before, after = (f"{value:.2f}" for value in (values[0], values[-1]))
    meaning, verb = (same, "stays") if before == after else (up, "rises") if values[-1] > values[0] else (down, "falls")
    return f"{meaning}: {title} {verb} {before} → {after}"


def notes(run: Run) -> Iterator[str]:
    """What is not as in the paper, each with its number; and first, if it takes minutes, how many."""
    if (long := time_note(run)) is not None:
        yield long
    yield from run.config.notes()
    if run.neighbours is not None and run.neighbours < 1.05 and run.dataset.n_samples > 20:
        yield (
            f"At α = {run.config.alpha:g} attention is all but one-hot: at the last block half of the tokens attend, "
            f"in effect, to {run.neighbours:.2f} others or fewer, so each follows its nearest neighbour alone."
        )
    if run.full.lost:
        yield capitalised(run.full.lost)
    if run.dataset.labels is None:
        yield "These data have no label column, so all points have one colour."
    elif (count := len(run.dataset.class_names)) > len(PETROFF10):
        yield (
            f"There are {count} classes and {len(PETROFF10)} colours, so colours repeat; the legend and hovering tell "
            "classes apart."
        )


def capitalised(sentence: str) -> str:
    """The sentence for the page: parameters by their widgets' names, the first letter in upper case (not of a file)."""
    sentence = _NAMED.sub(lambda found: PARAMETERS[found[1]].label, sentence)
    first = sentence.split(" ", 1)[0]
    return sentence if "." in first.rstrip(".,:") else sentence[:1].upper() + sentence[1:]


def _precision(run: Run) -> str:
    precision = "bfloat16 products" if run.precision == "bfloat16" else run.precision or "float32"
    said = f"{precision} on {spoken(run.device)}"
    if run.deviation is not None:
        said += f", {run.deviation:.0e} from float64 on a subsample of {min(500, run.dataset.n_samples)}"
    return said


def counted(number: int) -> str:
    """The number with thin spaces between thousands."""
    return f"{number:,}".replace(",", "\u202f")
