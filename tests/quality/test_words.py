"""Pictures in words: what is said must be what was measured."""

import re
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dr_transformer import Config, load, unroll
from dr_transformer.quality.words import (
    APART,
    MEANING,
    MERGED,
    NO_CLASSES,
    changed,
    describe,
    overlap,
    overlaps,
    sentences,
    told,
)
from tests.ui.test_pages import ROOT, SMALL, finished

NAMES = ("a", "b", "c")


def blobs(centres: list[float], n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three classes of n tokens each, of spread 1 about their centres on a line, in four dimensions."""
    random = np.random.RandomState(seed)
    X = random.randn(3 * n, 4)
    labels = np.repeat(np.arange(3), n)
    X[:, 0] += np.array(centres)[labels]
    return X, labels


def test_overlap_counts_those_nearer_to_the_other_centre() -> None:
    X = np.array([[0.0], [1.0], [2.0], [9.0], [10.0], [11.0], [12.0], [2.9]])
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    expected = np.zeros((2, 2))
    for i, (x, label) in enumerate(zip(X, labels, strict=True)):  # each token's own centre without the token
        own = X[(labels == label) & (np.arange(8) != i)].mean()
        other = X[labels != label].mean()
        expected[label, 1 - label] += (abs(x[0] - other) < abs(x[0] - own)) / 4
    both = (expected[0, 1] + expected[1, 0]) / 2
    found = overlap(X, labels, 2)
    assert found[0, 1] == found[1, 0] == both == 0.25  # 9.0 is nearer to class 1, and 2.9 to class 0
    assert np.isnan(found.diagonal()).all()


def test_overlap_is_half_where_classes_are_the_same_and_none_where_they_are_apart() -> None:
    X, labels = blobs([0, 0, 50], n=400)
    found = overlap(X, labels, 3)
    assert abs(found[0, 1] - 0.5) < 0.07
    assert found[0, 2] == found[1, 2] == 0
    shrunk = overlap(1e-5 * X + 7, labels, 3)  # collapse, and where the origin lies, do not count
    np.testing.assert_allclose(shrunk, found)
    turned = overlap(X @ np.linalg.qr(np.random.RandomState(1).randn(4, 4))[0], labels, 3)
    np.testing.assert_allclose(turned, found, atol=0.01)


def test_many_dimensions_do_not_hide_that_classes_are_the_same() -> None:
    X = np.random.RandomState(0).randn(100, 500)  # with the token itself in its centre this were 0
    assert overlap(X, np.arange(100) % 2, 2)[0, 1] > 0.4


def test_classes_too_small_to_measure_are_left_out() -> None:
    X, labels = blobs([0, 20, 40], n=30)
    X, labels = np.concatenate([X, [[0, 0, 0, 99.0]]]), np.append(labels, 3)
    found = overlap(X, labels, 5)
    assert np.isnan(found[3:]).all()
    assert (found[:3, :3][~np.eye(3, dtype=bool)] == 0).all()
    assert describe([X], labels, [*NAMES, "one", "none"], 0) == (
        f"Block 0: all classes stand apart (overlap with any other at most 0%). No two classes have merged. {MEANING}"
    )


def test_the_sentences_say_who_merges_and_when() -> None:
    apart, near, same = (blobs([0, x, 60])[0] for x in (40, 1.1, 0))
    labels = blobs([0, 0, 0])[1]
    latents = [apart, apart, near, same]
    share = [round(100 * overlap(X, labels, 3)[0, 1]) for X in latents]
    assert share[0] == share[1] == 0
    assert share[2] > 100 * MERGED
    all_apart = "all classes stand apart (overlap with any other at most 0%)"
    told = "No two classes have merged; the first to merge, at block 2, are a and b"
    for depth in (0, 0.9):
        assert describe(latents, labels, NAMES, depth) == f"Block 0: {all_apart}. {told}. {MEANING}"
    assert describe(latents, labels, NAMES, 3.0) == (
        "Block 3: c stands apart from all other classes (overlap with any other at most 0%). "
        f"Merged are a and b ({share[3]}%, since block 2). {MEANING}"
    )
    assert "(" + f"{share[3]}%, from the start)" in describe([same], labels, NAMES, 9)


def test_a_long_list_is_cut() -> None:
    names = [str(i) for i in range(6)]
    now = np.full((6, 6), 0.4)
    now[0, 1] = now[1, 0] = 0.5
    told = sentences([now], names, 0)
    assert "no class stands apart from all others. Merged are 0 and 1 (50%, from the start), 0 and 2 (40%" in told
    assert "and 11 more pairs." in told
    many = np.full((30, 30), 0.01)
    assert "all classes stand apart (overlap with any other at most 1%)" in sentences([many], list("x" * 30), 0)
    many[0, 1] = many[1, 0] = 0.3
    assert "28 of 30 classes stand apart (overlap with any other at most 1%)" in sentences([many], list("x" * 30), 0)


def test_what_does_not_move_has_no_blocks() -> None:
    near, labels = blobs([0, 1.1, 60])
    found = overlap(near, labels, 3)
    said = told([found], NAMES, 0, moves=False)
    assert said.endswith(f"Merged are a and b ({found[0, 1]:.0%}).")
    assert said.startswith("c stands apart")


def test_what_a_step_does_is_the_change_of_the_overlaps() -> None:
    before, after = (overlap(blobs([0, x, 60])[0], blobs([0, 0, 0])[1], 3) for x in (2, 1))
    assert before[0, 1] < after[0, 1]
    means = (before[np.triu_indices(3, 1)].mean(), after[np.triu_indices(3, 1)].mean())
    assert changed(before, after, NAMES) == (
        f"It takes the mean overlap of two classes from {means[0]:.1%} to {means[1]:.1%}; the two that overlap most "
        f"after it are a and b ({after[0, 1]:.1%}; before it {before[0, 1]:.1%})."
    )
    assert changed(*[np.full((2, 2), np.nan)] * 2, NAMES) == ""


@pytest.mark.parametrize("labels", [None, np.zeros(4, dtype=int)])
def test_without_classes_there_is_one_sentence(labels: np.ndarray | None) -> None:
    assert describe([np.eye(4)], labels, ("a", "b"), 0) == NO_CLASSES


def test_of_mnist_four_and_nine_merge_and_one_and_six_stay_apart() -> None:
    dataset, config = load("mnist", 2000), Config()
    latents = [step.X.numpy() for step in unroll(dataset.Y, config) if step.ends_block]
    found = overlaps(latents, dataset.labels, 10)
    assert np.nanmax(found[0]) < MERGED
    assert np.unravel_index(np.nanargmax(found[8]), (10, 10)) == (4, 9)
    assert found[8][4, 9] > 0.35
    assert np.nanmax(found[8][[1, 6]]) < APART
    first = next(block for block, each in enumerate(found) if each[4, 9] >= MERGED)
    assert 3 <= first <= 6
    told = describe(latents, dataset.labels, dataset.class_names, 8)
    share = f"{found[8][4, 9]:.0%}"
    assert re.match(rf"Block 8: 1 and 6 stand apart .* Merged are 4 and 9 \({share}, since block {first}\), ", told)
    assert f"the first to merge, at block {first}, are 4 and 9" in describe(
        latents, dataset.labels, dataset.class_names, 0
    )


def test_only_a_subsample_is_looked_at() -> None:
    X, labels = blobs([0, 3, 6], n=1000)
    assert len(labels) > 2000
    assert not np.array_equal(overlaps([X], labels, 3, 1)[0], overlaps([X], labels, 3, 2)[0], equal_nan=True)
    np.testing.assert_array_equal(overlaps([X], labels, 3, 1)[0], overlaps([X], labels, 3, 1)[0])


def test_the_explorer_says_it_under_the_picture() -> None:
    app = AppTest.from_file(str(Path(ROOT) / "app.py"), default_timeout=60)
    app.query_params.update(SMALL)
    app = finished(app.run())
    run = app.session_state["last_run"]
    told = describe(run.full.latents, run.dataset.labels, run.dataset.class_names, 2)
    (section,) = [each for each in app.expander if each.label == "The picture in words"]
    assert [each.value for each in section.markdown] == [told]
