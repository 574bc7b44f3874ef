"""What the objective does over the blocks and at each sub-step, in sentences and a table made of the figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from dr_transformer.engine.inside import Cosines, Place
from dr_transformer.model.unroll import SUB_STEPS
from dr_transformer.theory.objective import Objective
from dr_transformer.ui.inside.block_diagram import LABELS

DATA = r"$L_\mathrm{data} - \beta n$"
REGULARISER = r"$\log\det(X^\top X + \beta I)$"


def sentences(ends: Sequence[Objective]) -> Iterator[str]:
    """What the terms do over depth: `ends` are those after each block, block 0 first, at least two."""
    data, regulariser, kl = ([getattr(o, name) for o in ends] for name in ("data", "regulariser", "kl"))
    yield f"{DATA} {_course(data)}. This is the term that attention steps on."
    falls = regulariser[-1] < regulariser[0]
    why = " The latents lose directions, and the paper's feed-forward step does nothing against it." if falls else ""
    yield f"{REGULARISER} {_course(regulariser)}.{why}"
    first, second = data[-1] - data[0], regulariser[0] - regulariser[-1]
    parts = f"{_signed(first)} from the first term, {_signed(second)} from the second"
    end = " **So the blocks do not descend the KL.**" if kl[-1] > kl[0] else ""
    yield f"KL, their difference, {_course(kl)}: {parts}.{end}"


def changes_table(places: Sequence[Place], found: Sequence[Objective]) -> str:
    """A Markdown table: by how much each sub-step changes each term, over all blocks together."""
    rows = []
    for name in SUB_STEPS:
        pairs = [(a, b) for (a, b), place in zip(pairwise(found), places[1:], strict=False) if place[1] == name]
        rows.append((_row_name(name), *_changes(pairs)))
    rows.append(("together", *_changes([(found[0], found[-1])])))
    head = f"| change over all blocks | {DATA} | {REGULARISER} | KL |"
    return "\n".join([head, "|---|--:|--:|--:|", *(f"| {' | '.join(row)} |" for row in rows)])


def gradient_sentence(cosines: Sequence[Cosines]) -> str:
    """How far 2 L̃ X is from the gradient, at the first latents and the last that are known."""
    first, last, block = cosines[0], cosines[-1], len(cosines) - 1
    said = f"At the latents after each block: the cosine of the two is {first.cosine:.2f} at block 0"
    said += f" and {last.cosine:.2f} at block {block}." if block else "."
    low, high = min(c.tangent_cosine for c in cosines), max(c.tangent_cosine for c in cosines)
    between = f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f}"
    shorter, longer = min(c.norm_ratio for c in cosines), max(c.norm_ratio for c in cosines)
    return (
        f"{said} Of what the LayerNorm leaves of both, the part across each token, it is {between}; the step is "
        f"{shorter:.2f} to {longer:.2f} times as long as the gradient."
    )


def _course(values: Sequence[float]) -> str:
    """For example: "falls at every block, from 25.2 to 2.7"; or at which blocks it does not."""
    if max(abs(value - values[0]) for value in values) <= 1e-6 * abs(values[0]):
        return f"stays at {_number(values[0])}"
    falls = values[-1] < values[0]
    against = [block for block, (a, b) in enumerate(pairwise(values), start=1) if (b < a) != falls]
    n_blocks = len(values) - 1
    verb = "falls" if falls else "rises"
    if not against:
        where = "at every block" if n_blocks > 1 else "in the one block"
    else:
        named = ", ".join(map(str, against[:6])) + (", …" if len(against) > 6 else "")
        where = f"at {n_blocks - len(against)} of {n_blocks} blocks (not at {named})"
    return f"{verb} {where}, from {_number(values[0])} to {_number(values[-1])}"


def _changes(pairs: Sequence[tuple[Objective, Objective]]) -> list[str]:
    return [
        _signed(sum(getattr(b, name) - getattr(a, name) for a, b in pairs)) for name in ("data", "regulariser", "kl")
    ]


def _row_name(name: str) -> str:
    return {"layer_norm_1": "LayerNorm after attention", "layer_norm_2": "LayerNorm after feed-forward"}.get(
        name, LABELS[name]
    )


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−") if abs(value) < 100 else f"{value:.0f}".replace("-", "−")


def _signed(value: float) -> str:
    return ("+" if value >= 0 else "") + _number(value)
