"""A file of one's own in the app: what was taken is said, and can be changed."""

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parents[2]
BASE = {"dataset": "your own file", "n_samples": "60", "n_components": "4", "n_blocks": "2"}
ROWS = np.random.RandomState(0).rand(60, 3).round(3)
LINES = [f"c{i};{a};{b};{c};{'uv'[i % 2]};{'' if i % 9 else 'x'}" for i, (a, b, c) in enumerate(ROWS)]
TABLE = "\n".join(["id;a;b;c;kind;note", *LINES]).replace(".", ",").encode()


def opened(content: bytes, name: str = "mine.csv") -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    app.query_params.update(BASE)
    app.session_state["upload"] = (name, content)
    app.run()
    assert not app.exception
    return app


def taken(app: AppTest) -> str:
    return next(caption.value for caption in app.sidebar.caption if " tokens × " in caption.value)


def test_the_line_says_what_was_taken_and_the_widgets_change_it() -> None:
    app = opened(TABLE)
    assert not app.error
    assert taken(app).startswith(
        "60 tokens × 3 features; labels from 'kind'; dropped: 'id' (identifiers), 'note' (text)"
    )
    assert "decimal commas" in taken(app)
    assert app.session_state["last_run"].dataset.class_names == ("u", "v")
    assert np.array_equal(app.session_state["last_run"].dataset.Y, ROWS)
    app.sidebar.selectbox(key="label").set_value("none")
    app.sidebar.multiselect(key="drop_columns").set_value(["b"])
    app.run()
    assert taken(app).startswith("60 tokens × 2 features; no labels; dropped: 'b' (as asked)")
    assert app.session_state["last_run"].dataset.labels is None
    assert np.array_equal(app.session_state["last_run"].dataset.Y, ROWS[:, [0, 2]])
    assert app.query_params["label"] in ("none", ["none"])
    app.number_input(key="n_samples").set_value(20)
    app.run()
    assert app.session_state["last_run"].dataset.n_samples == 20


def test_labels_come_from_a_second_file_and_go_with_it() -> None:
    vectors = "\n".join("\t".join(map(str, row)) for row in ROWS).encode()
    app = opened(vectors, "vectors.tsv")
    assert "no labels" in taken(app)
    labels = app.sidebar.file_uploader(key="metadata_file")
    labels.upload("metadata.tsv", "\n".join("pqr"[i % 3] for i in range(60)).encode()).run()
    assert not app.exception
    assert "labels from 'metadata.tsv'" in taken(app)
    assert app.session_state["last_run"].dataset.class_names == ("p", "q", "r")
    app.sidebar.file_uploader(key="metadata_file").upload("short.tsv", b"a\nb\n").run()
    assert "short.tsv has 2 rows for 60 tokens" in app.error[0].value
    app.switch_page(str(ROOT / "pages" / "2_Compare.py")).run()
    assert "short.tsv has 2 rows for 60 tokens" in app.error[0].value


def test_a_column_that_cannot_be_read_is_left_out_by_hand() -> None:
    app = opened(TABLE.replace(b"c7;", b"7;").replace(b";b;", b";mixed;").replace(b"\nc3;0,", b"\nc3;none of it,"))
    assert len(app.error) == 1
    assert "holds numbers, but" in app.error[0].value
    assert "in row 4 of the data" in app.error[0].value
    assert app.sidebar.multiselect(key="drop_columns").options == ["id", "a", "mixed", "c", "kind", "note"]
    app.sidebar.multiselect(key="drop_columns").set_value(["a"])
    app.run()
    assert not app.error
    assert np.array_equal(app.session_state["last_run"].dataset.Y, ROWS[:, 1:])


def test_another_file_begins_anew() -> None:
    app = opened(TABLE)
    app.sidebar.selectbox(key="label").set_value("note")
    app.run()
    assert app.session_state["last_run"].dataset.label == "note"
    other = b"x,y,z,class\n" + b"".join(b"%d,%d,%d,%d\n" % (i, i * i, 3, i % 2) for i in range(20))
    app.sidebar.file_uploader[0].set_value(("other.csv", other, "text/csv"))
    app.run()
    assert not app.error
    assert taken(app).startswith("20 tokens × 3 features; labels from 'class'")


def test_equal_bytes_of_another_name_show_only_their_own_name() -> None:
    secret, mine = opened(TABLE, "secret project.csv"), opened(TABLE, "mine.csv")
    assert secret.session_state["last_run"].dataset.name == "secret project.csv"
    assert mine.session_state["last_run"].dataset.name == "mine.csv"
    assert secret.session_state["last_run"].dataset.key == mine.session_state["last_run"].dataset.key
    for kind in ("caption", "markdown", "title"):
        assert not [element.value for element in mine.get(kind) if "secret" in element.value]


@pytest.mark.parametrize("name", ["a.mat", "a.exe", "a"])
def test_what_is_no_table_is_one_sentence(name: str) -> None:
    app = opened(b"nothing of the kind", name)
    assert len(app.error) == 1
    assert not app.exception
