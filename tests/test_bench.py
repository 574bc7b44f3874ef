"""The bench measures what it says: medians in turns, ratios, errors against the truth, memory."""

import dataclasses
import json
import time

import numpy as np
import pytest

from dr_transformer import Config, load
from dr_transformer.bench import Case, Result, as_json, run_cases, table
from dr_transformer.bench_cases import cases
from dr_transformer.bench_job import BenchJob
from dr_transformer.bench_large import large_cases, repeated
from dr_transformer.bench_memory import PeakMemory
from dr_transformer.bench_transformer import first_latents, plain_transformer
from dr_transformer.jobs import Cancelled, Runner
from dr_transformer.model import unroll


def measured(case: Case) -> Result:
    *_, (share, result) = run_cases([case])
    assert share == 1
    assert isinstance(result, Result)
    return result


def test_both_sides_are_called_in_turn_and_the_first_call_of_each_is_not_timed() -> None:
    calls: list[str] = []

    def side(name: str, seconds: float):
        def call() -> str:
            calls.append(name)
            time.sleep(seconds if len(calls) > 2 else 0.3)
            return name

        return call

    case = Case("c", side("ours", 0.01), "theirs", side("theirs", 0.05), lambda a, b: {"both": len(a + b)}, repeats=3)
    result = measured(case)
    assert calls == ["ours", "theirs"] * 4
    assert 0.01 <= result.seconds < 0.2
    assert result.reference_seconds is not None
    assert 0.05 <= result.reference_seconds < 0.25
    assert result.ratio == result.reference_seconds / result.seconds
    assert result.errors == {"both": 10}


def test_a_case_without_a_reference_has_no_ratio() -> None:
    result = measured(Case("alone", lambda: None, repeats=1))
    assert result.ratio is result.reference_seconds is result.reference_peak_bytes is None
    assert table([result]).splitlines()[1].startswith("alone")


def test_peak_memory_sees_what_was_held_and_given_back() -> None:
    def work() -> None:
        held = np.ones(20_000_000)
        time.sleep(0.05)
        assert held[-1] == 1

    with PeakMemory() as peak:
        work()
    assert peak.n_bytes is not None
    assert 150e6 < peak.n_bytes < 200e6
    with PeakMemory() as nothing:
        time.sleep(0.02)
    assert nothing.n_bytes is not None
    assert nothing.n_bytes < 20e6


def test_the_plain_reference_is_the_model() -> None:
    config, data = Config(n_components=16, n_blocks=3, device="cpu"), load("mnist", 200)
    *_, last = unroll(data.Y, config)
    np.testing.assert_allclose(plain_transformer(first_latents(data.Y, config), config), last.X.numpy(), atol=1e-6)


@pytest.fixture(scope="module")
def results() -> list[Result]:
    found = [said for _, said in run_cases([_once(case) for case in cases(600)]) if isinstance(said, Result)]
    assert len(found) >= 5
    return found


def _once(case: Case) -> Case:
    return dataclasses.replace(case, repeats=1, warm=False)


def test_every_case_is_as_near_to_the_truth_as_it_says(results: list[Result]) -> None:
    by_name = {result.name: result for result in results}
    exact, coarse = by_name["8 blocks, n = 600, float32"].errors, by_name["8 blocks, n = 600, bfloat16"].errors
    assert 0 < exact["relative error"] < 1e-5
    assert 0 < exact["theirs"] < 1e-5
    assert exact["relative error"] < exact["largest coordinate's"] < 1e-4
    assert exact["5-NN accuracy, change"] == 0
    assert 1e-5 < coarse["relative error"] < 5e-3
    landmarks = by_name["8 blocks, n = 600, 120 landmarks"].errors
    assert 0.1 < landmarks["Procrustes distance"] < 0.8
    assert abs(landmarks["5-NN accuracy, change"]) < 0.2
    assert by_name["15-NN graph, n = 600"].errors["neighbours that differ"] < 0.01
    assert by_name["Laplacian Eigenmaps, n = 600"].errors["1 − cosine"] < 1e-3
    assert by_name["PCA, n = 600"].errors["1 − cosine"] < 1e-6
    umap = by_name["UMAP, n = 600"]
    assert umap.peak_bytes is None
    assert umap.errors["5-NN accuracy"] == pytest.approx(umap.errors["theirs"], abs=0.06)
    assert umap.errors["5-NN accuracy"] > 0.7


def test_the_large_cases_are_called_once_and_tell_the_growth() -> None:
    found = [said for _, said in run_cases(list(large_cases(500, (300, 600), 50))) if isinstance(said, Result)]
    assert [result.name for result in found] == [
        "8 blocks, n = 500, bfloat16",
        "50 landmarks, n = 300 (repeated with noise)",
        "50 landmarks, n = 600 (repeated with noise)",
    ]
    assert 1e-5 < found[0].errors["relative error"] < 1e-2
    assert found[1].errors == {}
    assert found[2].errors["exponent of growth"] == pytest.approx(found[2].errors["of the last step"])
    assert [result.repeats for result in found] == [1, 1, 1]


def test_repeated_images_are_near_their_originals_and_all_different() -> None:
    Y = repeated(20_050)
    sample = load("mnist", 10_000).Y.astype(int)
    assert np.abs(Y[10_000:20_000].astype(int) - sample).max() <= 20
    assert (Y[:50] != Y[20_000:]).any(axis=1).all()


def test_what_a_case_opened_is_closed_also_when_it_fails() -> None:
    closed = []
    with pytest.raises(ZeroDivisionError):
        list(run_cases([Case("c", lambda: 1 / 0, close=lambda: closed.append(1))]))
    assert closed == [1]


def test_the_table_and_the_file_hold_every_result(results: list[Result]) -> None:
    lines = table(results).splitlines()
    assert len(lines) == len(results) + 1
    for line, result in zip(lines[1:], results, strict=True):
        assert line.startswith(result.name)
        assert f"{result.ratio:.2f}" in line
    held = json.loads(as_json(results))
    assert [row["ratio"] for row in held["results"]] == [result.ratio for result in results]
    assert held["machine"]["cores"] >= 1


def test_it_can_be_cancelled_between_calls() -> None:
    calls = []

    def check() -> None:
        if len(calls) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        list(run_cases([Case("c", lambda: calls.append(1), repeats=9)], check))
    assert len(calls) == 2
    runner = Runner()
    job = runner.submit("bench", lambda: BenchJob(600), "me")
    runner.close()
    assert not job.complete
    assert job.error is None
