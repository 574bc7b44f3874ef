"""The page "Graph diffusion" in a browser: what is drawn is in the file; a comparison is trained, stopped, ended."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from dr_transformer.data.mnist import cache_folder
from dr_transformer.training.outcome import sentences
from dr_transformer.training.pairs import compare, group_rows
from dr_transformer.training.results import Row, parse_results, read_results
from tests.e2e.explorer.explorer_page import APP
from tests.helpers.training_rows import row, rows

STANDARD = [2.0, 2.1, 2.2, 2.15, 2.05, 2.3]
LAPLACIAN = [1.95, 2.12, 2.11, 2.1, 2.01, 2.2]
LEARNED = [1.98, 2.09, 2.23, 2.1, 2.0, 2.27]
WORDS = "to be or not to be, that is the question\n"


@pytest.fixture
def diffusion(page: Page, streamlit_server: Callable[[Path], str]) -> Page:
    page.goto(f"{streamlit_server(APP)}/Graph_diffusion")
    expect(page.get_by_text("The runs", exact=True)).to_be_visible()
    return page


@pytest.fixture
def no_traces() -> Iterator[None]:
    """What a training leaves in the cache folder is taken away again."""
    folder = cache_folder() / "training"
    before = set(folder.rglob("*"))
    yield
    for path in sorted(set(folder.rglob("*")) - before, reverse=True):
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()


def upload(page: Page, *paths: Path) -> None:
    page.get_by_test_id("stButtonGroup").get_by_text("Results files").click()
    expect(page.get_by_text("Results files (.jsonl)")).to_be_visible()
    page.locator("input[type=file]").first.set_input_files([str(path) for path in paths])


def written(path: Path, runs: list[Row]) -> Path:
    path.write_text("".join(run.to_json() + "\n" for run in runs), encoding="utf-8")
    return path


def drawn(page: Page, key: str, name: str, what: str) -> list[float]:
    """Numbers of the trace of this name."""
    read = f"""([key, name]) => {{
      const plot = document.querySelector(`.st-key-${{key}} .js-plotly-plot:not([data-copy])`);
      const trace = plot?._fullData?.find((trace) => trace.name === name);
      return trace ? Array.from({what}) : null;
    }}"""
    page.wait_for_function(read, arg=[key, name])
    found: list[float] = page.evaluate(read, [key, name])
    return found


def plain(markdown: str) -> str:
    return markdown.replace("**", "")


def test_what_is_drawn_is_what_the_file_says(diffusion: Page, tmp_path: Path) -> None:
    runs = rows(standard=STANDARD, laplacian=LAPLACIAN, learned=LEARNED)
    upload(diffusion, written(tmp_path / "a.jsonl", runs))
    first, second = compare(group_rows(runs)[0])
    for comparison, name in ((first, "A − I"), (second, "A − aI")):
        expect(diffusion.get_by_text(plain(" ".join(sentences(comparison))))).to_be_visible()
        pairs = drawn(diffusion, "diffusion_differences", f"{name}, pairs", "trace.x")
        np.testing.assert_allclose(pairs, comparison.differences)
        (mean,) = drawn(diffusion, "diffusion_differences", f"{name}, mean", "trace.x")
        assert mean == pytest.approx(comparison.statistics.mean)
        (reach,) = drawn(diffusion, "diffusion_differences", f"{name}, mean", "trace.error_x.array")
        assert comparison.statistics.interval is not None
        assert mean + reach == pytest.approx(comparison.statistics.interval[1])
    assert drawn(diffusion, "diffusion_runs", "A", "trace.y")[:6] == STANDARD
    assert drawn(diffusion, "diffusion_a", "mean", "trace.y")[-1] == pytest.approx(0.3 + np.arange(6).mean() / 100)
    with diffusion.expect_download() as download:
        diffusion.get_by_role("button", name="Save these rows").click()
    download.value.save_as(tmp_path / "saved.jsonl")
    key = {run.key: run for run in runs}
    assert {run.key: run for run in read_results(tmp_path / "saved.jsonl").rows} == key


def test_the_smoothing_is_that_of_the_slider(diffusion: Page, tmp_path: Path) -> None:
    runs = rows(standard=STANDARD, laplacian=LAPLACIAN)
    random = np.random.default_rng(0)
    for run in runs:
        run.train["loss"] = random.normal(3, 0.1, 40).round(4).tolist()
    upload(diffusion, written(tmp_path / "a.jsonl", runs))
    group = group_rows(runs)[0]
    plain_mean = np.mean([np.subtract(a.train["loss"], b.train["loss"]) for a, b in group.pairs("laplacian")], axis=0)
    np.testing.assert_allclose(
        drawn(diffusion, "diffusion_loss_difference", "A − I", "trace.y"),
        [plain_mean[:2].mean(), *np.convolve(plain_mean, np.ones(3) / 3, "valid"), plain_mean[-2:].mean()],
        atol=1e-9,
    )
    slider = diffusion.get_by_role("slider", name="Smoothing, % of the run")
    slider.press("Home")
    expect(diffusion.get_by_text("6 pairs, not smoothed")).to_be_visible()
    np.testing.assert_allclose(drawn(diffusion, "diffusion_loss_difference", "A − I", "trace.y"), plain_mean, atol=1e-9)


def test_a_bad_file_is_one_sentence(diffusion: Page, tmp_path: Path) -> None:
    bad = tmp_path / "b.jsonl"
    bad.write_bytes(b"\x80\x04 no JSON\n")
    good = written(tmp_path / "a.jsonl", rows(standard=STANDARD, laplacian=LAPLACIAN))
    upload(diffusion, bad, good)
    expect(diffusion.get_by_test_id("stAlert")).to_have_count(1)
    expect(diffusion.get_by_text(re.compile("Line 1 of b.jsonl is no JSON"))).to_be_visible()
    expect(diffusion.get_by_text("6 paired seeds").first).to_be_visible()
    expect(diffusion.get_by_test_id("stException")).to_have_count(0)


def test_images_are_compared_by_accuracy_first(diffusion: Page, tmp_path: Path) -> None:
    runs = [
        row(name, seed, 2.0 + seed / 10, task="vit", accuracy=0.2 + shift * (1 + seed / 10) + seed / 100)
        for name, shift in (("standard", 0.0), ("laplacian", 0.05))
        for seed in range(6)
    ]
    upload(diffusion, written(tmp_path / "a.jsonl", runs))
    expect(diffusion.get_by_text(re.compile("best validation accuracy is .* percentage points higher"))).to_be_visible()
    expected = 5 * (1 + np.arange(6) / 10)
    np.testing.assert_allclose(drawn(diffusion, "diffusion_differences", "A − I, pairs", "trace.x"), expected)
    diffusion.get_by_test_id("stButtonGroup").get_by_text("best validation loss").click()
    expect(diffusion.get_by_text("The best validation loss is the same in every pair")).to_be_visible()
    diffusion.set_viewport_size({"width": 390, "height": 844})
    diffusion.wait_for_timeout(500)
    main = "document.querySelector('[data-testid=stMain]')"
    assert diffusion.evaluate(f"{main}.scrollWidth <= {main}.clientWidth")


@pytest.mark.slow
def test_a_comparison_is_trained_stopped_and_ended(diffusion: Page, no_traces: None, tmp_path: Path) -> None:
    text = tmp_path / "words.txt"
    text.write_text(WORDS * 60 + f"{uuid.uuid4()}\n" * 4 + WORDS * 20)  # trained on by no earlier test
    diffusion.get_by_test_id("stButtonGroup").get_by_text("Train now").click()
    start = diffusion.get_by_role("button", name="Start", exact=True)
    expect(start).to_be_visible()
    diffusion.locator("input[type=file]").first.set_input_files(str(text))
    expect(diffusion.get_by_text("words.txt")).to_be_visible()
    for name, value in (("Seeds", "1"), ("Iterations", "600"), ("Blocks", "1")):
        number = diffusion.get_by_role("spinbutton", name=name, exact=True)
        number.fill(value)
        number.press("Enter")
    expect(diffusion.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    start.click()
    expect(
        diffusion.get_by_text(re.compile(r"Run 1 of 2: A, seed 0, iteration \d+ of 600; about .* left"))
    ).to_be_visible(timeout=120_000)
    expect(diffusion.locator(".st-key-diffusion_live .js-plotly-plot:not([data-copy])")).to_be_visible()
    assert drawn(diffusion, "diffusion_live", "A", "trace.y")
    diffusion.get_by_role("button", name="Cancel", exact=True).click()
    expect(diffusion.get_by_text(re.compile(r"Stopped after \d of 2 runs; Start goes on"))).to_be_visible()
    start.click()
    expect(diffusion.get_by_text("All 2 runs are done.")).to_be_visible(timeout=180_000)
    expect(diffusion.get_by_text("One pair of runs says nothing")).to_be_visible()
    with diffusion.expect_download() as download:
        diffusion.get_by_role("button", name="Save these rows").click()
    download.value.save_as(tmp_path / "saved.jsonl")
    saved = parse_results((tmp_path / "saved.jsonl").read_bytes(), "saved").rows
    assert [(run.attention, run.seed, run.iterations) for run in saved] == [("standard", 0, 600), ("laplacian", 0, 600)]
    (difference,) = drawn(diffusion, "diffusion_differences", "A − I, pairs", "trace.x")
    assert difference == pytest.approx(saved[1].best_val_loss - saved[0].best_val_loss)
    expect(diffusion.get_by_test_id("stException")).to_have_count(0)
