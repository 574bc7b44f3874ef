"""The compare page by AppTest: words under the table, and help in every column of figures."""

import json
import time
from pathlib import Path

from streamlit.testing.v1 import AppTest

from dr_transformer.quality.metrics import METRICS
from dr_transformer.ui.compare.comparison import figure_columns

PAGE = Path(__file__).parents[3] / "pages" / "2_Compare.py"


def test_the_page_says_what_depth_does_and_tells_the_picture_in_words() -> None:
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    app.query_params.update({"n_samples": "200", "n_components": "8", "n_blocks": "1", "dataset": "digits"})
    app.run()
    end = time.monotonic() + 120
    while not any("From block 0 to block 1" in m.value for m in app.markdown):
        assert time.monotonic() < end, "the figures did not come"
        time.sleep(0.3)
        app.run()
    assert not app.exception
    (table,) = [each for each in app.dataframe if "dimensions" in each.value.columns]
    (said,) = [each for each in app.markdown if "From block 0 to block 1" in each.value]
    shown = list(app.main)
    assert shown.index(said) > shown.index(table), "the sentence stands under the table"
    (words,) = [each for each in app.expander if each.label == "The picture in words"]
    assert words.markdown[0].value
    columns = json.loads(table.proto.columns)
    for metric in METRICS.values():
        assert columns[metric.title]["help"]


def test_both_tables_have_one_help_for_one_figure() -> None:
    numbers, texts = (figure_columns(images=True, as_text=as_text) for as_text in (False, True))
    assert list(numbers) == list(texts) == [metric.title for metric in METRICS.values()]
    for title, column in numbers.items():
        assert column["help"] == texts[title]["help"]
    assert numbers["mean cosine"]["type_config"]["type"] == "number"
    assert texts["mean cosine"]["type_config"]["type"] == "text"
