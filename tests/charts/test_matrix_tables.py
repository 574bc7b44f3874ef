"""The tables behind A as an image: what the classes pay each other, and the cells, against the dense matrix."""

import time

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dr_transformer import Config, InputError, load
from dr_transformer.charts.matrix_tables import BY_CHANCE, ClassAttention, cell_table, class_table
from dr_transformer.charts.table import MOST
from dr_transformer.engine.adjacency import latents_of
from dr_transformer.theory.attention_graph import attention_image, class_attention
from tests.engine.test_adjacency import CONFIG, dense, finished, mnist
from tests.ui.inside.test_adjacency import PAGE, SMALL, settled

HEADS = Config(n_components=16, n_blocks=2, n_heads=2, mask_self=False)


def shares(block: int, config: Config = CONFIG) -> np.ndarray:
    """The long way: the mean over a class's rows of their sums over each class's columns."""
    A, labels = dense(block, config), mnist().labels
    return np.array([[A[np.ix_(labels == a, labels == b)].sum(axis=1).mean() for b in range(10)] for a in range(10)])


@pytest.mark.parametrize("config", [CONFIG, HEADS])
@pytest.mark.parametrize("block", [0, 2])
def test_classes_attend_as_the_dense_matrix_says(block: int, config: Config) -> None:
    X, settings = latents_of(finished(config), block).double(), {"alpha": config.alpha, "n_heads": config.n_heads}
    found = class_attention(X, mnist().labels, 10, mask_self=config.mask_self, **settings)
    np.testing.assert_allclose(found, shares(block, config), atol=1e-13)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert found.diagonal().mean() > 0.2  # of ten classes: attention finds its own


def test_the_job_is_the_float32_run() -> None:
    job = ClassAttention(finished(), 2)
    job.owners.add("test")
    job.work()
    assert job.complete
    assert job.shares is not None
    np.testing.assert_allclose(job.shares, shares(2), atol=1e-5)
    assert job.n_bytes == 800


def test_the_part_inside_the_classes_is_that_of_the_curve() -> None:
    labels = mnist().labels
    counts = np.bincount(labels)
    same = labels[:, None] == labels
    assert shares(2).diagonal() @ counts / len(labels) == pytest.approx((dense(2) * same).sum() / len(labels))


def test_a_class_without_tokens_has_no_row_and_wrong_labels_are_a_sentence() -> None:
    X, labels = latents_of(finished(), 0)[:5], np.array([0, 0, 2, 2, 2])
    found = class_attention(X, labels, 4, alpha=1)
    assert np.isnan(found[[1, 3]]).all()
    table = class_table(found, labels, ("a", "b", "c", "d"))
    assert list(table.columns) == ["attention of", "to a", "to c"]
    assert list(table["attention of"]) == ["a", "c", BY_CHANCE]
    assert list(table.iloc[2, 1:]) == [0.4, 0.6]
    np.testing.assert_array_equal(table.iloc[:2, 1:].to_numpy(float), found[np.ix_([0, 2], [0, 2])])
    with pytest.raises(InputError, match="there are 4 labels, but the latents are of 5 tokens"):
        class_attention(X, labels[:4], 4, alpha=1)


def test_cells_come_the_largest_first_and_name_their_tokens() -> None:
    X = latents_of(finished(), 2).double()
    order = np.arange(600)
    image = attention_image(X, order, alpha=30, size=7)
    table = cell_table(image, 600)
    assert len(table) == 49
    assert (np.diff(table["attention"]) <= 0).all()
    first = table.iloc[0]
    rows, columns = (slice(int(a), int(b) + 1) for a, b in (first[c].split("–") for c in ("attending", "attended")))
    assert first["attention"] == pytest.approx(dense(2)[rows, columns].sum(axis=1).mean(), rel=1e-6)
    whole = cell_table(attention_image(X, order, alpha=30), 600)
    assert len(whole) == MOST == 20_000
    small = cell_table(np.array([[0.0, 1.0], [0.25, 0.75]]), 2)
    assert small.to_numpy().tolist() == [["0", "1", 1.0], ["1", "1", 0.75], ["1", "0", 0.25], ["0", "0", 0.0]]


def opened_table(app: AppTest) -> AppTest:
    app.session_state["matrix_table"] = True
    for _ in range(100):
        app.run()
        assert not app.exception
        if [each for each in app.dataframe if {"attending", "attention of"} & set(each.value.columns)]:
            return app
        time.sleep(0.1)
    raise AssertionError("there is no table")


def open_page() -> AppTest:
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    app.query_params.update(SMALL)
    app.session_state["inside_section"] = "Attention is a graph"
    return settled(app.run())


def test_the_page_has_the_classes_as_a_table() -> None:
    app = open_page()
    assert not [each for each in app.dataframe if "attention of" in each.value.columns]  # not while it is closed
    (table,) = [each.value for each in opened_table(app).dataframe if "attention of" in each.value.columns]
    run, labels = app.session_state["matrix_shown"].run, load("mnist", 300).labels
    expected = class_attention(latents_of(run, 2), labels, 10, alpha=30)
    np.testing.assert_allclose(table.iloc[:10, 1:].to_numpy(float), expected, atol=5.1e-5)
    np.testing.assert_allclose(table.iloc[10, 1:].to_numpy(float), np.bincount(labels) / 300, atol=5.1e-5)
    assert any("Block 2, over all of A" in caption.value for caption in app.caption)


def test_without_classes_the_page_has_the_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from dr_transformer.ui import session

    plain = replace(load("digits", 200), labels=None, class_names=(), key="digits without classes")
    monkeypatch.setattr(session, "dataset", lambda _: plain)
    app = opened_table(open_page())
    (table,) = [each.value for each in app.dataframe if "attending" in each.value.columns]
    assert len(table) == MOST
    image = app.session_state["matrix_shown"].image
    held = np.sort(image.ravel())[::-1][:MOST].sum() / 200
    assert table["attention"].iloc[0] == pytest.approx(image.max(), abs=5.1e-5)
    said = f"The 20\u202f000 of 40\u202f000 cells with the most attention; together they hold {held:.0%} of it."
    assert any(said in caption.value for caption in app.caption)
