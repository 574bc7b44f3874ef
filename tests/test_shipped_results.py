"""The runs that come with the app: complete pairs, and the README says of them what they say."""

import re
from pathlib import Path

import pytest

from dr_transformer.paths import asset
from dr_transformer.training import pairs
from dr_transformer.training.results import read_results

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def group(task: str) -> pairs.Group:
    path = asset(f"results/minute-{task}.jsonl")
    [only] = pairs.group_rows(read_results(path).rows)
    return only


@pytest.mark.parametrize("task", ["lm", "vit"])
def test_ten_pairs_of_the_unchanged_preset_without_paths(task: str) -> None:
    path = asset(f"results/minute-{task}.jsonl")
    assert not re.search(r'"/(usr|tmp|home|root|work)', path.read_text(encoding="utf-8"))
    rows = read_results(path).rows
    for attention in ("standard", "laplacian", "learned"):
        assert sorted(row.seed for row in rows if row.attention == attention) == list(range(10))
    assert {row.preset for row in rows} == {"minute"}
    assert len({row.settings_hash for row in rows}) == 1
    assert {comparison.n_unlike for comparison in pairs.compare(group(task))} == {0}
    for row in rows:
        assert row.curve["val_loss"][-1] < 0.6 * row.curve["val_loss"][0], "it learned"


@pytest.mark.parametrize(
    ("task", "metric", "factor", "digits"), [("lm", "val_loss", 1, 4), ("vit", "val_accuracy", 100, 2)]
)
def test_the_readme_says_what_the_runs_say(task: str, metric: str, factor: int, digits: int) -> None:
    compared = {c.attention: c for c in pairs.compare(group(task)) if c.metric.name == metric}
    assert f"{compared['learned'].needed} runs would be needed" in README
    found = {attention: comparison.statistics for attention, comparison in compared.items()}
    unit = "nats" if task == "lm" else "points"
    for attention, name in (("laplacian", "A − I"), ("learned", "A − aI")):
        statistics = found[attention]
        sign = "+" if statistics.mean > 0 else "−"
        said = f"| {name} | {statistics.n} | {'loss' if task == 'lm' else 'accuracy'} {sign} "
        said += f"{abs(factor * statistics.mean):.{digits}f} {unit}"
        assert said in README
        low, high = (f"{factor * end:.{digits}f}".replace("-", "−") for end in statistics.interval)
        assert f"{low} … {high}" in README
