"""A live page in a notebook: what it shows, of which tokens, and what is refused."""

from __future__ import annotations

import html
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import dr_transformer
from dr_transformer import Dataset, InputError, load, show
from dr_transformer.data.dataset import from_arrays
from dr_transformer.export.pages.notebook import Shown

SMALL = {"n_components": 8, "n_blocks": 2, "device": "cpu"}


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(60, 5))


def test_a_notebook_gets_the_page_in_a_frame_that_sees_nothing_else(rows: np.ndarray) -> None:
    shown = show(rows, ["a", "b", "c"] * 20, height=500, **SMALL)
    assert shown.n_samples == 60
    frame = shown._repr_html_()
    assert frame.startswith("<iframe srcdoc=")
    assert 'sandbox="allow-scripts allow-downloads"' in frame
    assert "allow-same-origin" not in frame
    assert "height: 500px" in frame
    source = frame.partition('srcdoc="')[2].partition('"')[0]
    assert html.unescape(source).encode() == shown.page


def test_the_page_is_saved_as_a_file(rows: np.ndarray, tmp_path: Path) -> None:
    shown = show(rows, **SMALL)
    assert shown.save(tmp_path / "page.html").read_bytes() == shown.page
    with pytest.raises(InputError, match="must end in"):
        shown.save(tmp_path / "page.pdf")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["page.html"]


@pytest.mark.parametrize("as_given", [list, pd.DataFrame, np.asarray], ids=lambda kind: kind.__name__)
def test_tokens_and_labels_of_any_kind_are_those_of_the_array(rows: np.ndarray, as_given) -> None:
    labels = ["x", "y"] * 30
    given = from_arrays(as_given(rows.tolist()), pd.Series(labels))
    np.testing.assert_array_equal(given.Y, rows)
    assert [given.class_names[label] for label in given.labels] == labels
    assert given.key == from_arrays(rows, labels).key


def test_of_many_tokens_a_balanced_subset_is_shown(rows: np.ndarray) -> None:
    dataset = from_arrays(rows, [0] * 40 + [1] * 20, n_samples=20)
    assert np.bincount(dataset.labels).tolist() == [10, 10]
    assert "20 of 60" in dataset.source
    assert show(dataset, n_samples=12, **SMALL).n_samples == 12
    assert show(n_samples=30, **SMALL).n_samples == 30, "MNIST's"


def test_a_data_set_is_shown_as_it_is() -> None:
    dataset = load("digits", 50)
    assert isinstance(dataset, Dataset)
    shown = show(dataset, **SMALL)
    assert isinstance(shown, Shown)
    assert shown.n_samples == 50


@pytest.mark.parametrize(
    ("Y", "labels", "named"),
    [
        (np.ones(5), None, "Y"),
        ([["a", "b"], ["c", "d"]], None, "Y"),
        (np.eye(4), [1, 2], "labels"),
        (np.eye(4) * np.nan, None, "Y"),
    ],
)
def test_what_is_no_tokens_is_named(Y, labels, named: str) -> None:
    with pytest.raises(InputError, match=named):
        show(Y, labels, **SMALL)


def test_it_is_public() -> None:
    assert "show" in dr_transformer.__all__
