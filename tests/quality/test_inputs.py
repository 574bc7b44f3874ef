"""Quality takes what people have: arrays, lists and frames; and says in one sentence what it cannot take."""

import numpy as np
import pandas as pd
import pytest

from dr_transformer import InputError
from dr_transformer.quality.scores import Reference, quality

X = np.random.default_rng(0).normal(size=(120, 6))
LABELS = np.repeat([0, 1, 2], 40)
NAMES = np.array(["a", "b", "c"])[LABELS]


@pytest.mark.parametrize(
    ("Y", "labels"),
    [
        (X.tolist(), LABELS.tolist()),
        (pd.DataFrame(X), pd.Series(LABELS, index=range(7, 127))),
        (pd.DataFrame(X).astype(object), NAMES.tolist()),
        (X, pd.Series(NAMES, dtype="category")),
        (X, LABELS.astype(float)),
        (X, NAMES),
    ],
)
def test_lists_frames_and_names_give_the_same_figures(Y: object, labels: object) -> None:
    expected = quality(X[:, :2], Reference.of(X, LABELS)).figures
    assert None not in expected.values()
    assert quality(X[:, :2], Reference.of(Y, labels)).figures == expected
    assert quality(X[:, :2].tolist(), Reference.of(Y, labels)).figures == expected
    assert quality(pd.DataFrame(X[:, :2]), Reference.of(Y, labels)).figures == expected


@pytest.mark.parametrize(
    ("Y", "labels", "sentence"),
    [
        (X, np.where(LABELS > 1, np.nan, LABELS), "40 of 120 labels are missing, the first of token 80"),
        (X, [None, *NAMES[1:]], "1 of 120 labels are missing, the first of token 0"),
        (X, pd.Series(LABELS, dtype="Int64").mask(LABELS > 1), "40 of 120 labels are missing, the first of token 80"),
        (X, pd.Series([1, *NAMES[1:]], dtype=object), "of several types"),
        (X, LABELS[1:], "one for each of 120 tokens, but their shape is \\(119,\\)"),
        (X, np.eye(120), "their shape is \\(120, 120\\)"),
        (pd.DataFrame(X).assign(name="x"), None, "leave out what is text or missing"),
        ([[1, 2], [3]], None, "must be a matrix"),
        (X[0], None, "shape \\(6,\\)"),
        (np.where(X > 2, np.nan, X).tolist(), None, "NaN or infinity"),
    ],
)
def test_what_cannot_be_taken_is_one_sentence(Y: object, labels: object, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Reference.of(Y, labels)


def test_an_embedding_of_words_is_one_sentence() -> None:
    with pytest.raises(InputError, match="must be real numbers"):
        quality([["a", "b"]] * 120, Reference.of(X))
