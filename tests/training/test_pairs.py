"""Which runs are pairs, and what is done with the others."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from dr_transformer.training.outcome import sentences
from dr_transformer.training.pairs import METRICS, compare, curves, group_rows, loss_difference
from dr_transformer.training.results import Row
from dr_transformer.training.statistics import needed_pairs
from tests.helpers.training_rows import row, rows

STANDARD = [2.0, 2.1, 2.2, 2.15, 2.05, 2.3]
LAPLACIAN = [2.05, 2.12, 2.31, 2.2, 2.04, 2.41]
LEARNED = [1.98, 2.09, 2.23, 2.1, 2.0, 2.27]


def test_pairs_are_runs_of_one_seed_whatever_their_order() -> None:
    whole = rows(standard=STANDARD, laplacian=LAPLACIAN)
    random = np.random.default_rng(0)
    shuffled = [whole[i] for i in random.permutation(len(whole))]
    (comparison,), (same,) = (compare(group_rows(each)[0]) for each in (whole, shuffled))
    np.testing.assert_array_equal(comparison.differences, np.array(LAPLACIAN) - STANDARD)
    np.testing.assert_array_equal(same.differences, comparison.differences)
    assert same.seeds == comparison.seeds == tuple(range(6))
    assert same.statistics == comparison.statistics
    assert comparison.p == comparison.statistics.t_p == pytest.approx(stats.ttest_rel(LAPLACIAN, STANDARD).pvalue)
    assert comparison.outcome == "worse"


@pytest.mark.parametrize("change", [{"n_layer": 2}, {"sha256": "1" * 64}])
def test_runs_of_other_settings_or_data_are_no_partners(change: dict[str, object]) -> None:
    mixed = [row("standard", 0, 2.0), row("laplacian", 0, 2.1, **change)]  # type: ignore[arg-type]
    groups = group_rows(mixed)
    assert len(groups) == 2
    assert all(not compare(group) for group in groups if "laplacian" not in group.attentions)
    alone = next(group for group in groups if "laplacian" in group.attentions)
    assert compare(alone)[0].statistics.n == 0


def test_images_and_text_are_apart() -> None:
    groups = group_rows([row("standard", 0, 2.0), row("standard", 0, 2.0, task="vit")])
    assert [group.task for group in groups] == ["lm", "vit"]


def test_seeds_without_a_partner_are_left_out_and_named() -> None:
    whole = rows(standard=STANDARD, laplacian=LAPLACIAN)
    kept = [r for r in whole if (r.attention, r.seed) not in {("standard", 1), ("laplacian", 4), ("laplacian", 5)}]
    (group,) = group_rows(kept)
    (comparison,) = compare(group)
    assert comparison.seeds == (0, 2, 3)
    assert comparison.unpaired == {"laplacian": (1,), "standard": (4, 5)}
    np.testing.assert_allclose(comparison.differences, np.subtract(LAPLACIAN, STANDARD)[[0, 2, 3]])


def test_a_run_counts_once() -> None:
    first = rows(standard=[2.0, 2.1], laplacian=[2.1, 2.3])
    (group,) = group_rows([*first, replace(first[0], best_val_loss=9.0)])
    assert group.n_repeated == 1
    assert compare(group)[0].baseline[0] == 2.0


def test_p_values_are_corrected_for_all_tests_of_a_group() -> None:
    """Two variants by two metrics: four tests, by Holm; the needed pairs are those of the corrected level."""
    whole: list[Row] = []
    for name, each in (("standard", STANDARD), ("laplacian", LAPLACIAN), ("learned", LEARNED)):
        whole += [row(name, seed, loss, task="vit", accuracy=1 - loss / 4) for seed, loss in enumerate(each)]
    found = compare(group_rows(whole)[0])
    assert [(c.metric.name, c.attention) for c in found] == [
        ("val_accuracy", "laplacian"),
        ("val_accuracy", "learned"),
        ("val_loss", "laplacian"),
        ("val_loss", "learned"),
    ]
    raw = sorted(c.statistics.t_p for c in found)
    assert sorted(c.p for c in found)[0] == pytest.approx(4 * raw[0])
    assert {c.n_tests for c in found} == {4}
    assert all(c.p >= c.statistics.t_p for c in found)
    assert found[0].needed == needed_pairs(found[0].statistics.mean, found[0].statistics.sd, 0.05 / 4)


@pytest.mark.parametrize(("name", "outcome"), [("val_loss", "better"), ("val_accuracy", "worse")])
def test_lower_is_better_of_a_loss_and_worse_of_an_accuracy(name: str, outcome: str) -> None:
    lower = [(3.0 - 0.1 * i, 0.3 - 0.01 * i) for i in range(6)]
    runs = [
        row("standard", i, x + 0.2 + 0.01 * i, task="vit", accuracy=a + 0.05 + i / 1e3)
        for i, (x, a) in enumerate(lower)
    ]
    runs += [row("laplacian", i, x, task="vit", accuracy=a) for i, (x, a) in enumerate(lower)]
    found = next(c for c in compare(group_rows(runs)[0]) if c.metric is METRICS[name])
    assert found.statistics.mean < 0
    assert found.outcome == outcome


def test_pairs_computed_in_unlike_ways_are_counted() -> None:
    whole = rows(standard=STANDARD, laplacian=LAPLACIAN)
    whole[0] = replace(whole[0], device=whole[0].device | {"precision": "bfloat16"})
    whole[1] = replace(whole[1], versions=whole[1].versions | {"torch": "2.5"})
    whole[2] = replace(whole[2], device=whole[2].device | {"cores": 64})  # which takes no part in the computation
    assert compare(group_rows(whole)[0])[0].n_unlike == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("gpu", "a GPU"), ("processor", "another"), ("threads", 8), ("processes", 2), ("compiled", True)],
)
def test_a_pair_of_another_device_or_number_of_threads_or_processes_is_unlike(name: str, value: object) -> None:
    whole = rows(standard=STANDARD, laplacian=LAPLACIAN)
    whole[4] = replace(whole[4], device=whole[4].device | {name: value})
    (comparison,) = compare(group_rows(whole)[0])
    assert comparison.n_unlike == 1
    said = (
        "In 1 of 6 pairs the two runs were computed in unlike ways (device, processor, threads, processes, precision "
    )
    assert any(sentence.startswith(said) for sentence in sentences(comparison))
    whole[10] = replace(whole[10], device=whole[10].device | {name: value})  # its partner likewise
    assert compare(group_rows(whole)[0])[0].n_unlike == 0


def test_the_difference_of_training_losses_is_pair_by_pair() -> None:
    whole = rows(standard=STANDARD, laplacian=LAPLACIAN)
    (group,) = group_rows(whole)
    found = loss_difference(group, "laplacian")
    assert found is not None
    own = [
        np.subtract(group.runs("laplacian")[s].train["loss"], group.runs("standard")[s].train["loss"]) for s in range(6)
    ]
    np.testing.assert_allclose(found.band.mean, np.mean(own, axis=0))
    assert found.band.low is not None
    interval = stats.ttest_1samp(np.array(own)[:, 39], 0).confidence_interval()
    assert found.band.low[39] == pytest.approx(interval.low)
    np.testing.assert_allclose(found.band.x, np.arange(40) + 0.5)
    assert loss_difference(group, "learned") is None


def test_points_of_the_loss_stand_in_the_middle_of_their_iterations() -> None:
    """40 iterations by 16: the last point is the mean of eight."""
    runs = [replace(r, train={"every": 16, "loss": [3.0, 2.0, 1.0]}) for r in rows(standard=[2.0], laplacian=[2.0])]
    found = loss_difference(group_rows(runs)[0], "laplacian")
    assert found is not None
    assert found.band.x.tolist() == [8, 24, 36]
    other = [replace(runs[0], train={"every": 20, "loss": [3.0, 2.0]}), runs[1]]
    assert loss_difference(group_rows(other)[0], "laplacian") is None


def test_curves_of_the_learned_a() -> None:
    learned = rows(learned=LEARNED)
    steps, layers = curves(learned, "a_layers")
    assert steps.tolist() == [0, 20, 40]
    assert layers.shape == (6, 3, 1)
    assert layers[:, -1, 0] == pytest.approx(0.3 + np.arange(6) / 100)
    assert curves(rows(standard=[2.0]), "a_layers")[1].size == 0
