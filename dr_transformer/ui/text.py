"""Write what pages say: lines under the picture, the picture in words, words that fit the data, formulas' sources."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence

import streamlit as st

from dr_transformer.canvas.picture import Picture
from dr_transformer.config import DATASETS, PARAMETERS
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.run import PREVIEW, Run
from dr_transformer.engine.waiting import time_note
from dr_transformer.hardware.devices import spoken
from dr_transformer.palette import PETROFF10
from dr_transformer.quality.scores import SUBSAMPLE
from dr_transformer.quality.words import NO_CLASSES, has_classes, last_passed, meaning, overlaps, sentences, told
from dr_transformer.types import Floats

PAPER = "[arXiv 2507.21040](https://arxiv.org/abs/2507.21040), section 3"
SHIM = "Shim, [arXiv 2205.01080](https://arxiv.org/abs/2205.01080)"
HILL = "Hill, [Ecology 54 (1973)](https://doi.org/10.2307/1934352)"
BJORCK_GOLUB = "Björck and Golub, [Math. Comp. 27 (1973)](https://doi.org/10.1090/S0025-5718-1973-0348991-3)"

# A parameter's name where it is one: many are ordinary words too.
_NAMED = re.compile(rf"\b({'|'.join(sorted(PARAMETERS, key=len, reverse=True))})(?= = | must )")


def status_line(run: Run, shown: Picture | None, explained: float | None = None) -> str:
    """Say in one line: tokens, blocks, time, precision and device, where the images came from.

    `shown` is the picture above it: of all tokens, the preview, or the one that is shipped. `explained` is the share of
    the variance that the plane on screen holds, where it is known.
    """
    config, dataset = run.config, run.dataset
    tokens, blocks = grouped(dataset.n_samples), max(run.block, 0)
    parts = [f"{tokens} tokens", f"{config.n_blocks} blocks in {run.seconds:.1f} s"]
    if not run.done.is_set():
        parts[1] = f"computing block {min(blocks + 1, config.n_blocks)} of {config.n_blocks}"
    if shown is not None and shown.is_shipped and not run.done.is_set():
        parts[0] = f"The paper's picture of {tokens} tokens, as shipped"
    elif shown is not None and shown.is_preview:
        parts[0] = f"Preview: {grouped(PREVIEW)} of the {tokens} tokens, run as if they were all"
    if explained is not None:
        parts.append(f"this plane holds {explained:.0%} of the variance")
    parts += [_precision(run), escaped(dataset.source.rstrip("."))]
    if run.done.is_set() and not run.finished:
        parts.append("measuring …")
    return " · ".join(parts)


def curves_line(run: Run) -> str:
    """Say what depth does here, and how the curves over it were measured, on how many tokens."""
    curves, n = run.analysis.curves, run.dataset.n_samples
    if not curves["accuracy"]:
        return "Effective rank: exp of the entropy of the spectrum of XᵀX, rows scaled to norm 1, about the origin."
    which = "the first" if run.dataset.name in DATASETS else "random"
    fitted = int(0.8 * n)
    said = [f"5-NN: fitted on {which} {grouped(fitted)} tokens, scored on the other {grouped(n - fitted)}."]
    if curves["nmi"]:
        sample = f"a seeded subsample of {grouped(SUBSAMPLE)}" if n > SUBSAMPLE else "all tokens"
        said.append(f"NMI: {sample}, one cluster a class.")
    if None in curves["nmi"]:
        said.append("It is missing where k-means cannot tell as many points apart, or a class has too few tokens.")
    if len(curves["nmi"]) == run.config.n_blocks + 1:
        said.append(depth_line(run.config.n_blocks, curves["nmi"], curves["accuracy"]))
    return " ".join(said).rstrip()


def depth_line(n_blocks: int, nmi: Sequence[float | None], accuracy: Sequence[float | None]) -> str:
    """Say what depth does, from the figures of the first and the last block; empty where there are none to compare.

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
    """Say what is not as in the paper, each with its number; and first, if it takes minutes, how many."""
    if (long := time_note(run)) is not None:
        yield long
    yield from run.config.notes()
    if run.neighbours is not None and run.neighbours < 1.05 and run.dataset.n_samples > 20:
        yield (
            f"At α = {run.config.alpha:g} attention is all but one-hot: at the last block half of the tokens attend, "
            f"in effect, to {run.neighbours:.2f} others or fewer, so each follows its nearest neighbour alone."
        )
    if run.lost:
        yield capitalised(run.lost)
    if run.dataset.labels is None:
        yield "These data have no label column, so all points have one colour."
    elif (count := len(run.dataset.class_names)) > len(PETROFF10):
        yield (
            f"There are {count} classes and {len(PETROFF10)} colours, so colours repeat; the legend and hovering tell "
            "classes apart."
        )


def capitalised(sentence: str) -> str:
    """Write a sentence for the page: parameters by their widgets' names, the first letter upper case (no file's)."""
    sentence = _NAMED.sub(lambda found: PARAMETERS[found[1]].label, sentence)
    first = sentence.split(" ", 1)[0]
    return sentence if "." in first.rstrip(".,:") else sentence[:1].upper() + sentence[1:]


def escaped(text: str) -> str:
    """Return what people or files say as Markdown that shows it as it is: an image's address would be fetched."""
    return re.sub(r"([\\`*$<>\[\]~#|]|:(?=\w)|(?<!\w)_|_(?!\w))", r"\\\1", text)


def refusal(sentence: str) -> str:
    """Write why something cannot be done for the page; what it quotes is shown as it is."""
    return escaped(capitalised(sentence))


def _precision(run: Run) -> str:
    precision = "bfloat16 products" if run.precision == "bfloat16" else run.precision or "float32"
    said = f"{precision} on {spoken(run.device)}"
    if run.deviation is not None:
        said += f", {run.deviation:.0e} from float64 on a subsample of {min(500, run.dataset.n_samples)}"
    return said


def grouped(number: int) -> str:
    """Write a number with thin spaces between thousands."""
    return f"{number:,}".replace(",", "\u202f")


_OTHERWISE = {"pixel": "feature", "image": "token", "digit": "token"}
_SAID = re.compile(rf"\b(an )?({'|'.join(_OTHERWISE)})(?=s?\b)", re.IGNORECASE)


def fitting(text: str, *, images: bool) -> str:
    """Return the text as it is where tokens are `images`, else with tokens and features for images and pixels."""
    return text if images else _SAID.sub(_for_a_table, text)


def _for_a_table(found: re.Match[str]) -> str:
    article, word = found.groups()
    instead = _OTHERWISE[word.lower()]
    instead = instead.capitalize() if word[0].isupper() else instead
    return f"{'A' if article[0] == 'A' else 'a'} {instead}" if article else instead


_IN_WORDS = "The picture in words"
_AT_ONCE = 50  # blocks measured in one script run: of 2 000 tokens in 128 dimensions each takes 5 ms


def picture_in_words(run: Run, depth: float, also: str = "") -> None:
    """Draw a closed section with the description at `depth`; empty until the run is done. Measured once for each run.

    `also`: what else is to be said of the picture.
    """
    with st.expander(_IN_WORDS, key="picture_in_words"):
        st.markdown(_described(run, depth))
        if also:
            st.markdown(also)


def panels_in_words(
    panels: Mapping[str, tuple[Hashable, Sequence[Floats]]],
    dataset: Dataset,
    depth: float,
    *,
    key: str,
    dimensions: str = "in all latent dimensions",
    random_state: int = 42,
) -> bool:
    """Draw a closed section with what each of a canvas's `panels` shows at `depth`, measured once it is open.

    By title, in which {frame} is the block: what the panel follows from, and the latents (n, q) at each block; of a
    panel that does not move, one. More of these may come, of the same. `dimensions` says in words which q there are.
    Returns whether there is more to measure: the fragment is then to `poll`.
    """
    section = st.expander(_IN_WORDS, key=f"{key}_in_words", on_change="rerun")
    if not section.open:
        return False
    labels, names = dataset.labels, list(map(escaped, dataset.class_names))
    with section:
        if labels is None or not has_classes(labels):
            st.markdown(NO_CLASSES)
            return False
        kept = st.session_state.get(f"{key}_overlaps", {})
        found, left = {}, _AT_ONCE
        for title, (source, latents) in panels.items():
            before = kept.get(title, (None, []))
            known = before[1] if before[0] == source else []
            new = overlaps(latents[len(known) :][:left], labels, len(names), random_state)
            left -= len(new)
            by_block = (known + new)[: len(latents)]
            found[title] = (source, known + new)
            if by_block:
                block = last_passed(by_block, depth)
                said = told(by_block, names, block, moves="{frame}" in title)
                st.markdown(f"**{title.replace('{frame}', f'block {block}')}**: {said}")
        st.session_state[f"{key}_overlaps"] = found
        st.caption(meaning(dimensions))
    return any(len(found[title][1]) < len(latents) for title, (_, latents) in panels.items())


def _described(run: Run, depth: float) -> str:
    dataset = run.dataset
    if not run.done.is_set() or run.error:
        return "It is described once the last block is computed."
    if dataset.labels is None or not has_classes(dataset.labels):
        return NO_CLASSES
    if not run.overlaps:
        return "It is being described."
    return sentences(run.overlaps, list(map(escaped, dataset.class_names)), depth)
