"""The page "Graph diffusion" by AppTest: what it says and draws is what the rows say; bad files are sentences."""

import base64
import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dr_transformer.errors import InputError
from dr_transformer.training.outcome import sentences
from dr_transformer.training.pairs import compare, group_rows
from dr_transformer.training.results import Row
from dr_transformer.training.text import load_text
from dr_transformer.ui import session
from dr_transformer.ui.diffusion import source
from dr_transformer.ui.diffusion.training import _for_the_page
from tests.helpers.training_rows import row, rows

PAGE = Path(__file__).parents[3] / "pages" / "6_Graph_diffusion.py"
STANDARD = [2.0, 2.1, 2.2, 2.15, 2.05, 2.3]
LAPLACIAN = [2.05, 2.12, 2.31, 2.2, 2.04, 2.41]
WHOLE = rows(standard=STANDARD, laplacian=LAPLACIAN)


@pytest.fixture(autouse=True)
def folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No shipped files but those a test puts here, and a cache of its own."""
    (tmp_path / "results").mkdir()
    asset = source.asset
    monkeypatch.setattr(source, "asset", lambda name: tmp_path / name if name == "results" else asset(name))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def opened(origin: str = "This project's runs") -> AppTest:
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    app.session_state["diffusion_from"] = origin
    return app.run()


def lines(runs: Sequence[Row]) -> bytes:
    return "".join(run.to_json() + "\n" for run in runs).encode()


def with_files(*contents: bytes) -> AppTest:
    app = opened("Results files")
    files = [(f"r{i}.jsonl", content, "application/jsonl") for i, content in enumerate(contents)]
    return app.file_uploader(key="diffusion_upload").set_value(files).run()


def said(app: AppTest) -> str:
    return " ".join(element.value for kind in (app.markdown, app.caption, app.info) for element in kind)


def chart(app: AppTest, key: str) -> list[dict[str, object]]:
    """The traces of one chart."""
    found = [each.proto for each in app.get("plotly_chart") if each.proto.id.endswith(key)]
    assert len(found) == 1, [each.proto.id for each in app.get("plotly_chart")]
    return json.loads(found[0].spec)["data"]


def numbers(values: object) -> np.ndarray:
    """Plotly sends an array as base64."""
    if isinstance(values, dict):
        return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"])
    return np.array(values)


def test_without_files_it_says_so() -> None:
    app = opened()
    assert "No results files come with this copy" in app.info[0].value
    assert said(app).count("*Measured by this project:* not run.") == 3
    assert not app.exception


def test_shipped_runs_stand_beside_what_the_paper_reports(folders: Path) -> None:
    (folders / "results" / "minute-lm.jsonl").write_bytes(lines(WHOLE))
    app = opened()
    cards = [m.value for m in app.markdown if m.value.startswith("*Measured by this project:*")]
    comparison = compare(group_rows(WHOLE)[0])[0]
    assert "A − I is worse than A (6 pairs)" in cards[0]
    assert (
        f"{comparison.statistics.mean:.4f} nats higher (preset minute, not the paper's, on tiny Shakespeare)"
        in cards[0]
    )
    assert cards[1:] == ["*Measured by this project:* not run."] * 2
    assert "100 runs of each" in said(app)
    assert " ".join(sentences(comparison)) in [m.value for m in app.markdown]


@pytest.mark.parametrize("sign", [1, -1])
def test_the_sentence_and_the_charts_come_from_the_file(sign: int) -> None:
    runs = rows(standard=STANDARD, laplacian=(STANDARD + sign * np.subtract(LAPLACIAN, STANDARD)).tolist())
    app = with_files(lines(runs))
    assert not app.exception
    assert not app.error
    comparison = compare(group_rows(runs)[0])[0]
    (outcome,) = [m.value for m in app.markdown if m.value.startswith("**A − I is ")]
    assert outcome == " ".join(sentences(comparison))
    assert f"A − I is {'worse' if sign > 0 else 'better'} than A over 6 paired seeds" in outcome
    pairs, mean = chart(app, "diffusion_differences")
    np.testing.assert_allclose(numbers(pairs["x"]), comparison.differences)
    assert numbers(mean["x"])[0] == comparison.statistics.mean
    table = app.dataframe[1].value
    assert table["p, t"][0] == comparison.statistics.t_p
    assert table["p, Wilcoxon"][0] == comparison.statistics.wilcoxon_p
    variants = app.dataframe[0].value
    assert variants["best validation loss, nats"][0] == f"{np.mean(STANDARD):.4f} ± {np.std(STANDARD, ddof=1):.4f}"
    assert "a processor (1 thread), float32" in said(app).replace("\\", "")
    assert "made for a test" in said(app)


def test_several_files_and_groups_are_one_choice() -> None:
    images = [
        row(a, s, 2.0 + s / 10, task="vit", accuracy=0.3 + s / 50) for a in ("standard", "laplacian") for s in range(3)
    ]
    app = with_files(lines(WHOLE[:6]), lines(WHOLE[6:]), lines(images))
    choice = app.selectbox(key="diffusion_group")
    assert [option.split(" · ")[0] for option in choice.options] == ["Language model", "Vision transformer"]
    choice.select_index(1).run()
    assert "best validation accuracy, %" in app.dataframe[0].value.columns
    assert "The best validation accuracy is the same in every pair" in said(app)
    app.button_group(key="diffusion_metric").set_value("best validation loss").run()
    assert "The best validation loss is the same in every pair" in said(app)
    assert not app.exception


def test_files_are_kept_when_the_page_is_left() -> None:
    app = with_files(lines(WHOLE))
    app.file_uploader(key="diffusion_upload").set_value(None).run()
    assert "In use: r0.jsonl." in said(app)
    assert "6 paired seeds" in said(app)


def test_one_run_each_says_nothing() -> None:
    app = with_files(lines(rows(standard=[2.0], laplacian=[1.0])))
    assert "One pair of runs says nothing" in said(app)
    assert "is better" not in said(app)
    assert not app.exception


DAMAGED = lines(WHOLE[:1]) + b'{"schema": 1, "task"\n' + lines(WHOLE[1:])
OTHER_SCHEMA = lines(WHOLE).replace(b'"schema": 1', b'"schema": 2')
WRONG_VALUE = lines([dataclasses.replace(WHOLE[0], best_val_loss="low")])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (DAMAGED, "Line 2 of r0.jsonl is no JSON"),
        (OTHER_SCHEMA, "schema 2, but this version reads and writes 1"),
        (WRONG_VALUE, "Row 1 of r0.jsonl has no valid value of best_val_loss"),
        (b"\x80\x04\x95 a pickle\n", "Line 1 of r0.jsonl is no JSON"),
        (b"[1, 2]\n", "Line 1 of r0.jsonl is no row of results"),
        (b"", "r0.jsonl has no rows"),
    ],
)
def test_a_bad_file_is_one_sentence_and_the_others_stay(content: bytes, sentence: str) -> None:
    app = with_files(content, lines(WHOLE))
    assert not app.exception
    (warning,) = [w.value.replace("\\", "") for w in app.warning]
    assert sentence in warning
    assert "6 paired seeds" in said(app)


def test_a_torn_file_is_read_up_to_its_tear() -> None:
    app = with_files(lines(WHOLE) + b'{"task": "lm", "pre')
    assert "The last 19 bytes of r0.jsonl are no whole row" in app.warning[0].value.replace("\\", "")
    assert "6 paired seeds" in said(app)


def test_what_makes_no_comparison_is_a_sentence() -> None:
    app = opened("Train now")
    assert "Press Start" in app.info[0].value
    app.button_group(key="diffusion_attentions").set_value(["laplacian"]).run()
    assert "Choose A and at least one other attention" in app.error[0].value
    assert app.button(key="diffusion_start").disabled
    app.button_group(key="diffusion_attentions").set_value(["standard", "learned"]).run()
    assert not app.error
    assert not app.toggle(key="diffusion_a_per_layer").disabled


WORDS = b"to be or not to be, that is the question\n" * 40


def tiny(app: AppTest, content: bytes = WORDS) -> AppTest:
    """A comparison of seconds: two seeds of a model of one block."""
    app.file_uploader(key="diffusion_text").set_value([("words_1.txt", content, "text/plain")])
    for name, value in (("seeds", 2), ("iters", 10), ("n_layer", 1)):
        app.number_input(key=f"diffusion_{name}").set_value(value)
    app.selectbox(key="diffusion_n_embd").set_value(16)
    app.run()
    return app.button(key="diffusion_start").click().run()


def until(app: AppTest, condition: Callable[[AppTest], bool], seconds: float = 120) -> AppTest:
    """Rerun, as the page does by itself."""
    deadline = time.monotonic() + seconds
    while not condition(app):
        assert time.monotonic() < deadline, said(app)
        assert not app.exception
        time.sleep(0.2)
        app.run()
    return app


def test_offline_the_way_out_is_one_of_this_page(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    with pytest.raises(InputError) as caught:
        load_text(None, lambda _: None)
    sentence = _for_the_page(str(caught.value))
    assert sentence.startswith("tiny Shakespeare could not be downloaded (no network); choose a text file above")
    assert "--" not in sentence


def test_the_rule_about_the_last_tenth_is_said_before_and_after() -> None:
    app = opened("Train now")
    uploader = app.file_uploader(key="diffusion_text")
    assert "Its last tenth validates, and may have no character that the rest does not have." in uploader.proto.help
    app = until(tiny(app, WORDS + b"42?!"), lambda app: bool(app.error))
    assert "4 characters are in the last tenth of" in app.error[0].value
    assert "'!', '2', '4', '?'; take them out" in app.error[0].value.replace("\\", "")
    session.runner().release((app.session_state["session_name"], "training"))


@pytest.mark.parametrize("iters", [10, 19, 2000])
def test_no_comparison_of_the_page_ends_in_its_warm_up(iters: int) -> None:
    def script() -> None:
        import streamlit

        from dr_transformer.ui.diffusion.controls import controls

        streamlit.session_state["request"] = controls()

    app = AppTest.from_function(script, default_timeout=60).run()
    settings = app.number_input(key="diffusion_iters").set_value(iters).run().session_state["request"].settings
    assert (settings.max_iters, settings.warmup_iters) == (iters, min(100, iters // 10))
    settings.check_warmup(1000)


@pytest.mark.slow
def test_a_bad_text_is_said_and_a_good_one_is_trained_on() -> None:
    app = until(tiny(opened("Train now"), b"a" * 99), lambda app: bool(app.error))
    assert "too few for a context of 64" in app.error[0].value
    app = until(tiny(app), lambda app: "All 4 runs are done" in said(app))
    assert not app.error
    job = app.session_state["diffusion_job"]
    comparison = compare(group_rows(job.rows)[0])[0]
    assert comparison.seeds == (0, 1)
    assert " ".join(sentences(comparison)) in [m.value for m in app.markdown]
    np.testing.assert_allclose(numbers(chart(app, "diffusion_differences")[0]["x"]), comparison.differences)
    assert "words_1.txt" in said(app).replace("\\", "")
    assert job.rows[0].settings["max_iters"] == 10
    assert job.rows[0].settings["warmup_iters"] == 1  # the terminal refuses the preset's 100 of 10
    session.runner().release((app.session_state["session_name"], "training"))
