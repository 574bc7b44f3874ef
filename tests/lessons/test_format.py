"""Lessons: what a file may hold, what is wrong with one is said, and what the shipped ones claim is true."""

import contextlib
import json
import re
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dr_transformer import Config, load
from dr_transformer.engine.jobs import Runner
from dr_transformer.engine.run import Run
from dr_transformer.errors import InputError
from dr_transformer.lessons.format import lesson_name, read_folder, read_lesson, shipped_lessons
from dr_transformer.methods.graph import knn_graph
from dr_transformer.methods.graph_store import GraphStore
from dr_transformer.model.unroll import unroll
from dr_transformer.quality.metrics import knn_accuracy
from dr_transformer.theory.attention_graph import attention_graph
from tests.helpers.plain_scores import kmeans_nmi

RULE = "a rule inside a step's text is written ***, as three dashes begin a block."
GOOD = """---
title: T
about: A
minutes: 3
---

---
step: One
settings: {alpha: 5, depth: 0}
show: [alpha]
lock: [alpha]
question: What?
options: [A, B]
answer: 2
reveal: {alpha: 30}
explanation: So.
---

Text *one*.

---
step: Two
panel: compare
---

Text two.
"""


def test_a_lesson_is_read() -> None:
    lesson = read_lesson("l", GOOD)
    assert (lesson.name, lesson.title, lesson.about, lesson.minutes) == ("l", "T", "A", 3)
    one, two = lesson.steps
    assert (one.title, one.text, one.settings, one.depth) == ("One", "Text *one*.", {"alpha": 5.0}, 0)
    assert (one.show, one.lock, one.options, one.answer) == (("alpha",), ("alpha",), ("A", "B"), 1)
    assert (one.reveal, one.reveal_depth, one.explanation, one.panel) == ({"alpha": 30.0}, None, "So.", "explorer")
    assert (two.panel, two.show, two.settings, two.depth, two.question) == ("compare", None, {}, None, "")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("---\ntitle", "title", "must begin with a block"),
        ("title: T", "title: ", "needs a text for title"),
        ("minutes: 3", "minutes: soon", "minutes must be a whole number from 1, but is 'soon'"),
        ("about: A", "abuot: A", "'abuot' is not known here"),
        ("step: One", "step: [One", "step 1 is not valid YAML"),
        ("alpha: 5,", "alpha: -5,", "step 1: alpha must be greater than 0, but is -5"),
        ("alpha: 5,", "alfa: 5,", "step 1: there is no setting 'alfa'"),
        ("alpha: 5,", "eta: 0.5,", "step 1: eta must not be exactly 0.5"),
        ("depth: 0", "depth: deep", "depth must be a number from 0"),
        ("alpha: 5,", "dataset: cats,", "dataset must be one of mnist"),
        ("show: [alpha]", "show: alpha", "show must be a list"),
        ("show: [alpha]", "show: [alfa]", "there is no control 'alfa'"),
        ("answer: 2", "answer: 3", "answer must be the number of an option, 1 to 2"),
        ("question: What?\n", "", "has options but no question"),
        ("reveal: {alpha: 30}\nexplanation: So.\n", "", "asks a question but reveals nothing"),
        ("panel: compare", "panel: cinema", "step 2: panel must be explorer, attention or compare"),
        ("options: [A, B]", "options: [1, B]", "quote what looks like a number"),
        (
            "options: [A, B]",
            "options: [They stay, as they were., B]",
            "the option 'as they were.' begins in lower case",
        ),
        ("options: [A, B]", "options: [A, été]", "the option 'été' begins in lower case"),
        ("Text *one*.", "Text *one*.\n\n---\n\nMore.", f"step 2 must hold lines of the form key: value; {RULE}"),
        ("Text *one*.", "A\n\n---\n\nB: c\n\n---\n\nD", f"step 2 needs a text for step; {RULE}"),
        ("Text *one*.", "A\n\n---\n\nB: c: d\n\n---\n\nD", f"colons, brackets and quotes; {RULE}"),
        ("Text two.", "Heading\n---\nText.", f"step 3 must hold lines of the form key: value; {RULE}"),
        ("Text two.", "Text.\n---\nstep: Three\n", f"step 3 has no line of three dashes at its end; {RULE}"),
    ],
)
def test_what_is_wrong_is_said(old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(InputError, match=re.escape(said)):
        read_lesson("l", GOOD.replace(old, new, 1))


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_newlines_are_those_of_any_system(newline: str) -> None:
    assert read_lesson("l", GOOD.replace("\n", newline)) == read_lesson("l", GOOD)


def test_a_rule_in_a_text_is_three_stars() -> None:
    assert read_lesson("l", GOOD.replace("Text two.", "Text\n\n***\n\ntwo.")).steps[1].text == "Text\n\n***\n\ntwo."


@given(st.text(max_size=300) | st.integers(0, len(GOOD)).map(lambda n: GOOD[:n] + GOOD[n + 3 :]))
def test_any_text_is_a_lesson_or_a_sentence(text: str) -> None:
    with contextlib.suppress(InputError):
        assert read_lesson("l", text).steps


def test_a_lesson_cannot_make_python_objects() -> None:
    with pytest.raises(InputError, match="it has a tag"):
        read_lesson("l", GOOD.replace("title: T", "title: !!python/object/apply:os.getcwd []"))
    with pytest.raises(InputError, match="larger than 1000 kB"):
        read_lesson("l", GOOD + "x" * 1_000_000)


def test_a_folder_is_read_in_order(tmp_path) -> None:
    (tmp_path / "2-b.md").write_text(GOOD, encoding="utf-8")
    (tmp_path / "10 a.md").write_text(GOOD.replace("title: T", "title: first"), encoding="utf-8")
    lessons, problems = read_folder(tmp_path)
    assert [lesson.name for lesson in lessons] == ["a", "b"]
    assert problems == []
    assert [lesson_name(file) for file in ("10 a.md", "2-b.md", "c.md", "3.md")] == ["a", "b", "c", "3"]
    (tmp_path / "3.md").write_bytes(b"\xff\xfe\xff")
    (tmp_path / "4.md").write_text("no lesson", encoding="utf-8")
    (tmp_path / "5.md").write_text(GOOD, encoding="utf-8")
    lessons, problems = read_folder(tmp_path)
    assert [lesson.name for lesson in lessons] == ["a", "b", "5"], "one that is none does not hide the others"
    assert [re.findall(r"3\.md|'4'", problem) for problem in problems] == [["3.md"], ["'4'"]]


BOMB = "[" + ", ".join(["&a0 [x, x]"] + [f"&a{i} [" + ", ".join([f"*a{i - 1}"] * 9) + "]" for i in range(1, 9)]) + "]"


@pytest.mark.parametrize(
    "minutes",
    [
        BOMB,
        "&again [*again]",
        "!!int x",
        "!!python/name:os.system",
        "2001-99-99",
        "2001-01-01",
        "1" * 5_000,
        "0x" + "f" * 5_000,
        "[" * 500 + "]" * 500,
        "{[a]: b}",
        "{? {a: b} : c}",
        ".inf",
        "1:" * 400 + "1",
        "x" * 10_000,
    ],
    ids=lambda text: text[:12],
)
@pytest.mark.parametrize("where", ["minutes: 3", "alpha: 5", "answer: 2", "options: [A, B]", "step: One"])
def test_whatever_yaml_allows_is_a_lesson_or_one_short_sentence(where: str, minutes: str) -> None:
    said = "lesson 'l'"
    begun = time.monotonic()
    try:
        read_lesson("l", GOOD.replace(where, f"{where.partition(':')[0]}: {minutes}"))
    except InputError as error:
        said = str(error)
    assert time.monotonic() - begun < 5
    assert "lesson 'l'" in said
    assert len(said) < 600


@given(
    block=st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=30,
    )
)
def test_any_value_of_any_field_is_read_or_refused(block: object) -> None:
    for field in ("settings", "show", "options", "answer", "question", "reveal"):
        text = GOOD.replace("step: One", f"step: One\n{field}: {json.dumps(block)}", 1)
        with contextlib.suppress(InputError):
            read_lesson("l", re.sub(rf"\n{field}: (?!{re.escape(json.dumps(block))}).*", "", text))


def test_the_tour_and_five_lessons_ship_and_none_overruns_the_model() -> None:
    lessons = shipped_lessons()
    assert [lesson.title for lesson in lessons] == [
        "Two-minute tour",
        "A transformer that was never trained",
        "What α does",
        "Why η stops at one half",
        "Collapse: clusters against neighbours",
        "Attention is a graph",
    ]
    for step in (step for lesson in lessons for step in lesson.steps):
        Config(**{k: v for k, v in step.settings.items() if k in Config.parameters()})
        assert step.text


# --- what they claim ---


def said(lesson: str) -> str:
    [found] = [one for one in shipped_lessons() if one.name == lesson]
    return " ".join(f"{step.text} {step.explanation}" for step in found.steps).replace("\n", " ")


@pytest.fixture(scope="module")
def curves():
    runner, graphs, data = Runner(), GraphStore(), load("mnist", 2000, 42)

    def of(**settings) -> dict[str, dict[int, float]]:
        config = Config(device="cpu", **settings)
        run = runner.submit(config, lambda: Run(data, config, graphs), "test")
        while not run.finished:
            time.sleep(0.05)
        assert not run.error
        return {name: dict(enumerate(curve)) for name, curve in run.analysis.curves.items()}

    yield of
    runner.close()


@pytest.mark.slow
def test_the_first_and_the_fourth_lesson_tell_the_truth(curves) -> None:
    deep = curves(n_blocks=32)
    nmi, accuracy, rank = deep["nmi"], deep["accuracy"], deep["effective_rank"]
    assert f"rises from {nmi[0]:.2f} to {nmi[8]:.2f}" in said("a-transformer-that-was-never-trained")
    text = said("two-minute-tour")
    assert f"{nmi[0]:.2f} at block 0, {nmi[8]:.2f} after block 8" in text
    assert f"effective rank of {rank[32]:.1f}, where block 0 had {rank[0]:.1f}" in text
    text = said("collapse")
    assert f"At block 0 they are {nmi[0]:.2f} and {accuracy[0]:.2f}" in text
    assert f"NMI rises from {nmi[0]:.2f} to {nmi[8]:.2f} while accuracy falls from {accuracy[0]:.2f}" in text
    assert f"to {accuracy[8]:.2f}. Depth" in text
    assert 0 < max(nmi, key=nmi.__getitem__) < 16, "its peak at a middle depth"
    # So deep the tokens of a cluster differ by little more than rounding, which processors do differently.
    assert nmi[32] == pytest.approx(0.4, abs=0.1)
    assert accuracy[32] == pytest.approx(0.7, abs=0.06)
    assert f"falls to about 0.4; accuracy falls to about 0.7; the effective rank goes to {rank[32]:.1f}" in text
    local = curves(n_blocks=32, alpha=100.0)
    numbers = re.search(r"accuracy is (0\.\d+) and the effective rank (\d+\.\d)", text)
    assert numbers is not None
    assert float(numbers[1]) == pytest.approx(local["accuracy"][32], abs=0.015)
    assert float(numbers[2]) == pytest.approx(local["effective_rank"][32], abs=0.15)


def test_what_the_fourth_lesson_says_of_other_seeds_is_true() -> None:
    falls = []
    for seed in (0, 1, 2):
        data = load("mnist", 2000, seed)
        steps = unroll(data.Y, Config(n_blocks=32, random_state=seed, device="cpu"))
        latents = {step.block: step.X.numpy() for step in steps if step.ends_block and step.block in (0, 8, 32)}
        start, middle, end = (kmeans_nmi(X, data.labels, seed) for X in latents.values())
        assert middle > max(start, end)
        assert 0.2 <= end <= 0.6
        falls.append(knn_accuracy(latents[0], data.labels) - knn_accuracy(latents[32], data.labels))
    text = said("collapse")
    assert "with seeds 0, 1 and 2 NMI ends between 0.2 and 0.6. Each time that is less" in " ".join(text.split())
    assert 0.05 < min(falls) <= max(falls) < 0.25
    assert "accuracy ends 0.1 to 0.2 lower than it began" in text


@pytest.mark.slow
def test_the_lessons_on_alpha_and_eta_tell_the_truth(curves) -> None:
    uniform, single, paper = curves(alpha=1.0), curves(alpha=300.0), curves()
    text = said("what-alpha-does")
    assert f"two tokens is {uniform['mean_cosine'][8]:.2f}, and the effective rank has fallen from" in text
    rank = uniform["effective_rank"]
    assert f"from {rank[0]:.1f} to {rank[8]:.1f}" in text
    assert f"it is still {uniform['accuracy'][8]:.2f}" in text
    ranks = (single["effective_rank"][8], paper["effective_rank"][8])
    assert f"effective rank {ranks[0]:.1f} after eight blocks, where α = 30 has {ranks[1]:.1f}" in text
    small = curves(eta=0.1)["effective_rank"]
    text = said("why-eta-stops-at-one-half")
    assert f"the effective rank is {small[8]:.1f} (it begins at {small[0]:.1f})" in text
    assert f"With the paper's 0.4 it is {ranks[1]:.1f}" in text


def test_what_lessons_say_of_attention_is_true() -> None:
    data = load("mnist", 2000, 42)
    graph = knn_graph(data.Y, 15)

    def attention(alpha: float, depth: int):
        latents = [step.X for step in unroll(data.Y, Config(device="cpu", alpha=alpha)) if step.ends_block]
        return attention_graph(latents[depth], graph, alpha=alpha)

    first, last, single = attention(30.0, 0), attention(30.0, 8), attention(300.0, 0)
    text, other = said("what-alpha-does"), said("attention-is-a-graph")
    assert f"listens to about **{np.median(first.effective):.0f}** of 2 000" in text
    assert f"is {np.median(single.effective):.1f} in the median, in the first block" in text
    assert f"{first.mass.mean():.0%}".replace("%", " %") in text
    assert f"**{first.mass.mean() * 100:.0f} %** of the attention lies on these" in other
    assert f"it is **{last.mass.mean() * 100:.0f} %**" in other
    told = [step for lesson in shipped_lessons() for step in lesson.steps if "62 %" in step.text]
    assert [step.depth for step in told] == [0, 0], "the page shows what the text says"


def test_an_options_comma_does_not_move_the_right_answer() -> None:
    [lesson] = [one for one in shipped_lessons() if one.name == "a-transformer-that-was-never-trained"]
    (step,) = [step for step in lesson.steps if len(step.options) > 2]
    assert len(step.options) == 3
    assert step.answer is not None
    assert step.options[step.answer] == "Points of the same digit come together."


def test_an_option_may_begin_with_a_symbol_or_hold_a_quoted_comma() -> None:
    lesson = read_lesson("l", GOOD.replace("[A, B]", '["No, none.", α grows., 2 000.]'))
    assert lesson.steps[0].options == ("No, none.", "α grows.", "2 000.")
