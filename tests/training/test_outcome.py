"""The sentences say what the numbers say: sign, size, number of runs, and what to beware of."""

import numpy as np
import pytest

from dr_transformer.training.outcome import left_out, sentences, span, verdict
from dr_transformer.training.pairs import METRICS, Comparison, compare, group_rows
from tests.helpers.training_rows import row, rows

NOISE = np.array([0.011, -0.018, 0.004, 0.021, -0.009, 0.002, -0.013, 0.007])


def comparison(shift: float, n: int = 8) -> Comparison:
    standard = 2 + 0.01 * np.arange(n)
    return compare(group_rows(rows(standard=standard.tolist(), laplacian=(standard + shift + NOISE[:n]).tolist()))[0])[
        0
    ]


@pytest.mark.parametrize(("shift", "outcome", "direction"), [(0.06, "worse", "higher"), (-0.06, "better", "lower")])
def test_an_effect_is_said_with_its_sign_and_size(shift: float, outcome: str, direction: str) -> None:
    found = comparison(shift)
    first, *rest = sentences(found)
    assert verdict(found) == f"A − I is {outcome} than A (8 pairs)"
    mean = abs(found.statistics.mean)
    assert first.startswith(
        f"**A − I is {outcome} than A over 8 paired seeds.** Its best validation loss is {mean:.4f} nats {direction}"
    )
    assert found.statistics.interval is not None
    ends = sorted(abs(end) for end in found.statistics.interval)
    assert f"interval: {ends[0]:.4f} to {ends[1]:.4f} {direction})" in first
    assert "Paired t-test p " in first
    assert "Wilcoxon's signed-rank test p " in first
    assert not any("needed" in sentence for sentence in rest)


def test_what_cannot_be_told_apart_says_how_many_runs_would() -> None:
    found = comparison(0.001)
    said = " ".join(sentences(found))
    assert verdict(found) == "A − I and A are not distinguishable with 8 pairs"
    assert "**A − I and A are not distinguishable with 8 paired seeds.**" in said
    assert found.needed is not None
    assert found.needed > 8
    assert f"about **{found.needed:,} pairs**".replace(",", "\u202f") in said
    assert " lower to " in said
    assert "better than" not in said
    assert "worse than" not in said


def test_one_pair_says_nothing_whatever_it_shows() -> None:
    found = comparison(-1.0, n=1)
    (said,) = sentences(found)
    assert said.startswith("**One pair of runs says nothing**")
    assert verdict(found) == "one pair of runs says nothing"
    assert found.outcome == "unknown"


def test_few_pairs_are_a_hint() -> None:
    found = comparison(-1.0, n=4)
    said = list(sentences(found))
    assert "looks better than A over 4 paired seeds, which are too few to say so" in said[0]
    assert "too few" in verdict(found)
    assert any(sentence.startswith("4 pairs are a hint") for sentence in said)
    assert any("does not confirm" in sentence and "cannot go below 0.12" in sentence for sentence in said)


def test_equal_runs_are_said_to_be_equal() -> None:
    found = compare(group_rows(rows(standard=[2.0] * 6, laplacian=[2.0] * 6))[0])[0]
    said = " ".join(sentences(found))
    assert "is the same in every pair" in said
    assert "there is no t-test" in said
    assert "no number of pairs would show one" in said


def test_no_seed_in_common() -> None:
    found = compare(group_rows([row("standard", 0, 2.0), row("laplacian", 1, 2.0)])[0])[0]
    assert "no seed in common" in " ".join(sentences(found))
    assert "no seed in common" in verdict(found)


def test_correction_is_said_and_decides() -> None:
    """By itself p is below 5 %, corrected for two tests it is not."""
    standard = 2 + 0.01 * np.arange(8)
    barely = (standard + 0.0115 + NOISE).tolist()
    alone, both = (
        compare(group_rows(rows(standard=standard.tolist(), laplacian=barely, **other))[0])[0]
        for other in ({}, {"learned": (standard - NOISE).tolist()})
    )
    assert alone.outcome == "worse"
    assert both.statistics.t_p < 0.05 <= both.p
    said = " ".join(sentences(both))
    assert "corrected for the 2 tests made here (Holm)" in said
    assert "not distinguishable" in said
    assert "level 5 % shared by 2 tests" in said
    assert ("lies on one side of 0" in said) == (np.prod(both.statistics.interval or (1, -1)) > 0)


def test_what_is_left_out_is_said() -> None:
    runs = [*rows(standard=[2.0, 2.1, 2.2], laplacian=[2.1, 2.2]), row("laplacian", 7, 2.0), row("standard", 0, 2.0)]
    said = list(left_out(group_rows(runs)[0]))
    assert said[0].startswith("1 row is of a run that the files have already")
    assert any("A − I with seed 7, where A has not been trained" in sentence for sentence in said)
    assert any("A with seed 2, where A − I has not been trained" in sentence for sentence in said)
    assert list(left_out(group_rows(rows(standard=[2.0], laplacian=[2.0]))[0])) == []
    assert "no runs with standard attention" in " ".join(left_out(group_rows(rows(laplacian=[2.0]))[0]))
    assert "only runs with standard" in " ".join(left_out(group_rows(rows(standard=[2.0]))[0]))


def test_intervals_in_words() -> None:
    loss, accuracy = METRICS["val_loss"], METRICS["val_accuracy"]
    assert span((-0.01, 0.02), loss) == "0.0100 lower to 0.0200 higher"
    assert span((-0.02, -0.01), loss) == "0.0100 to 0.0200 lower"
    assert span((0.013, 0.02), accuracy) == "1.30 to 2.00 higher"
