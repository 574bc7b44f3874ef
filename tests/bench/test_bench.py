"""The bench measures what it says: medians in turns, ratios, errors against the truth, memory."""

import dataclasses
import functools
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from dr_transformer import Config, load
from dr_transformer.bench import bench
from dr_transformer.bench import cases as bench_cases
from dr_transformer.bench.bench import Case, Result, as_json, run_cases, table
from dr_transformer.bench.cases import BenchJob, blocks, cases, first_latents, plain_transformer
from dr_transformer.bench.large import large_cases, repeated
from dr_transformer.bench.peaks import PeakMemory, PeakMeter, Side
from dr_transformer.engine.jobs import Cancelled, Runner
from dr_transformer.model.unroll import unroll
from tests.helpers.machine import WITH_FLOAT64, has_bfloat16, pretend

_nothing = Side.of(lambda data: data, None, measured=False)


def measured(case: Case) -> Result:
    *_, (share, result) = run_cases([case])
    assert share == 1
    assert isinstance(result, Result)
    return result


def test_both_sides_are_called_in_turn_and_the_first_call_of_each_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    passed = [0.0]
    monkeypatch.setattr(bench, "time", SimpleNamespace(perf_counter=lambda: passed[-1]))

    def side(name: str, seconds: float) -> Side:
        def call(data: str) -> str:
            calls.append(data)
            later = {5: 16, 6: 8}.get(len(calls), 1)  # what takes long once does not change the median
            passed.append(passed[-1] + (seconds * later if len(calls) > 2 else 64))
            return data

        return Side.of(call, name, measured=False)

    case = Case("c", side("ours", 0.25), "theirs", side("theirs", 1.5), lambda a, b: {"both": len(a + b)}, repeats=3)
    result = measured(case)
    assert calls == ["ours", "theirs"] * 4
    assert (result.seconds, result.reference_seconds, result.ratio) == (0.25, 1.5, 6)
    assert result.errors == {"both": 10}


def test_a_case_without_a_reference_has_no_ratio() -> None:
    result = measured(Case("alone", _nothing, repeats=1, of_seconds=lambda seconds: {"positive": float(seconds > 0)}))
    assert result.errors == {"positive": 1}
    assert result.ratio is result.reference_seconds is result.reference_peak_bytes is None
    assert table([result]).splitlines()[1].startswith("alone")


def hold(rows: np.ndarray, megabytes: int) -> int:
    """Hold as much for a moment, a little less the second time."""
    return int(np.ones(megabytes * 125_000).sum() + np.ones(megabytes * 100_000).sum() + len(rows))


def die(rows: np.ndarray) -> None:
    if len(rows) > 200:
        os.kill(os.getpid(), signal.SIGKILL)


def wait_for_ever(rows: np.ndarray, folder: Path) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(600)


def test_peak_memory_sees_what_was_held_and_given_back() -> None:
    with PeakMemory() as peak:
        hold(np.ones(1), 160)
    assert peak.n_bytes is not None
    assert 150e6 < peak.n_bytes < 200e6
    with PeakMemory() as nothing:
        pass
    assert nothing.n_bytes is not None
    assert nothing.n_bytes < 20e6


def test_memory_that_is_used_again_is_seen() -> None:
    """Once 30 MB were given back, the C library keeps as much for the next that asks."""
    for megabytes in (30, 20, 20):
        np.ones(megabytes * 125_000).sum()
    with PeakMemory() as peak:
        np.ones(20 * 125_000).sum()
    assert peak.n_bytes is not None
    assert 18e6 < peak.n_bytes < 40e6


@pytest.mark.slow
def test_each_side_begins_anew_with_its_data() -> None:
    """The second sees as much as the first, though memory was freed in between; data are not counted, nor a few's."""
    rows = np.ones((300, 10_000))  # 24 MB
    with PeakMeter([__name__]) as meter:
        peaks = [meter.peak(Side.of(functools.partial(hold, megabytes=size), rows)) for size in (160, 160, 40)]
        assert meter.peak(Side.of(die, rows)) is None
        peaks.append(meter.peak(Side(functools.partial(hold, megabytes=160), functools.partial(np.ones, 300))))
        assert meter.peak(Side.of(die, rows, measured=False)) is None
    for peak, expected in zip(peaks, (160e6, 160e6, 40e6, 160e6), strict=True):
        assert peak is not None
        assert expected * 0.9 < peak < expected + 15e6


def test_the_page_that_asks_does_not_run_in_the_process_that_measures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streamlit puts a page's script where Python looks for the main module."""
    page = ModuleType("__main__")
    page.__file__ = str(tmp_path / "page.py")
    (tmp_path / "page.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w'); raise SystemExit(1)")
    monkeypatch.setitem(sys.modules, "__main__", page)
    with PeakMeter() as meter:
        peak = meter.peak(Side.of(functools.partial(hold, megabytes=100), np.ones(201)))
    assert peak is not None
    assert 90e6 < peak < 150e6
    assert not (tmp_path / "ran").exists()
    assert sys.modules["__main__"] is page


def test_nothing_is_left_of_a_measurement_that_was_cancelled(tmp_path: Path) -> None:
    def check() -> None:
        if list(tmp_path.iterdir()):
            raise Cancelled

    with PeakMeter([__name__]) as meter, pytest.raises(Cancelled):
        meter.peak(Side.of(functools.partial(wait_for_ever, folder=tmp_path), np.ones(1)), check)
    (child,) = tmp_path.iterdir()
    until = time.monotonic() + 10
    while _runs(int(child.name)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _runs(int(child.name))


def _runs(process: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


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


@pytest.mark.slow
def test_every_case_is_as_near_to_the_truth_as_it_says(results: list[Result]) -> None:
    by_name = {result.name: result for result in results}
    exact = by_name["8 blocks, n = 600, float32"].errors
    assert ("8 blocks, n = 600, bfloat16" in by_name) == has_bfloat16()
    assert 0 < exact["relative error"] < 1e-5
    assert 0 < exact["theirs"] < 1e-5
    assert exact["relative error"] < exact["largest coordinate's"] < 1e-4
    assert exact["5-NN accuracy, change"] == 0
    if has_bfloat16():
        assert 1e-5 < by_name["8 blocks, n = 600, bfloat16"].errors["relative error"] < 5e-3
    landmarks = by_name["8 blocks, n = 600, 120 landmarks"].errors
    assert 0.1 < landmarks["Procrustes distance"] < 0.8
    assert abs(landmarks["5-NN accuracy, change"]) < 0.2
    assert by_name["15-NN graph, n = 600"].errors["neighbours that differ"] < 0.01
    assert by_name["Laplacian Eigenmaps, n = 600"].errors["1 − cosine"] < 1e-3
    assert by_name["PCA, n = 600"].errors["1 − cosine"] < 1e-6
    umap = by_name.pop("UMAP, n = 600")
    assert umap.peak_bytes is None
    for result in by_name.values():
        assert result.peak_bytes is not None
        assert result.reference_peak_bytes is not None
        assert 0 < result.peak_bytes < 150e6, result.name
    assert umap.errors["5-NN accuracy"] == pytest.approx(umap.errors["theirs"], abs=0.06)
    assert umap.errors["5-NN accuracy"] > 0.7


@pytest.mark.slow
def test_the_large_cases_are_called_once_and_tell_the_growth() -> None:
    found = [said for _, said in run_cases(list(large_cases(500, (300, 600), 50))) if isinstance(said, Result)]
    assert [result.name for result in found] == [
        f"8 blocks, n = 500, {'bfloat16' if has_bfloat16() else 'float32'}",
        "50 landmarks, n = 300 (repeated with noise)",
        "50 landmarks, n = 600 (repeated with noise)",
    ]
    assert has_bfloat16() == (1e-5 < found[0].errors.get("relative error", 0) < 1e-2)
    assert found[1].errors == {}
    growth = np.log(found[2].seconds / found[1].seconds) / np.log(2)
    assert found[2].errors["exponent of growth"] == pytest.approx(growth)
    assert found[2].errors["of the last step"] == pytest.approx(growth)
    assert [result.repeats for result in found] == [1, 1, 1]


def test_with_a_gpu_there_are_more_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both precisions, small and large, each with the peak of the GPU's memory; and how far from the CPU's result."""
    pretend(monkeypatch, "cuda")
    monkeypatch.setattr(bench_cases, "multiplies_bfloat16", lambda _: True)
    small, large = list(cases(1000)), list(large_cases(500, (), 50))
    assert [case.name for case in [*small, *large] if case.ours.gpu] == [
        "8 blocks, n = 1000, float32, GPU",
        "8 blocks, n = 1000, bfloat16, GPU",
        "PCA, n = 1000",
        "8 blocks, n = 500, float32, GPU",
        "8 blocks, n = 500, bfloat16, GPU",
    ]
    assert not any(case.reference.gpu for case in [*small, *large] if case.reference)
    first, second, _ = large
    assert first.errors is not None
    assert second.errors is not None
    theirs = np.ones((4, 2), np.float32)
    assert first.errors(theirs * np.float32(1.5), theirs) == {"relative error": 0.5}
    ours = theirs * np.float32(1.25)
    assert second.errors(ours, ours) == {"relative error, from the CPU's float32": 0.25}


@pytest.mark.parametrize("device", WITH_FLOAT64)
def test_the_peak_of_a_gpu_is_of_its_own_memory(device: str) -> None:
    first, config = np.random.default_rng(0).normal(size=(2000, 64)).astype(np.float32), Config(n_blocks=1)
    side = Side.of(functools.partial(blocks, config=config), first, gpu=device == "cuda")
    with PeakMeter([__name__]) as meter:
        peak = meter.peak(side)
    assert peak is not None
    assert first.nbytes < peak < 100e6


def test_repeated_images_are_near_their_originals_and_all_different() -> None:
    Y = repeated(20_050)
    sample = load("mnist", 10_000).Y.astype(int)
    assert np.abs(Y[10_000:20_000].astype(int) - sample).max() <= 20
    assert (Y[:50] != Y[20_000:]).any(axis=1).all()


def test_what_a_case_opened_is_closed_also_when_it_fails() -> None:
    closed = []
    with pytest.raises(ZeroDivisionError):
        list(run_cases([Case("c", Side.of(lambda data: 1 / data, 0, measured=False), close=lambda: closed.append(1))]))
    assert closed == [1]


@pytest.mark.slow
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
        list(run_cases([Case("c", Side.of(calls.append, 1, measured=False), repeats=9)], check))
    assert len(calls) == 2
    runner = Runner()
    job = runner.submit("bench", lambda: BenchJob(600), "me")
    runner.close()
    assert not job.complete
    assert job.error is None


def test_the_job_of_the_app_ends_with_all_results(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [Case(name, Side.of(np.sqrt, 4.0, measured=False), repeats=1) for name in ("first", "second")]
    monkeypatch.setattr(bench_cases, "cases", lambda n: made if n == 600 else pytest.fail("another n"))
    job = BenchJob(600)
    job.owners.add("me")
    job.work()
    assert job.complete
    assert job.error is None
    assert (job.progress, [result.name for result in job.results]) == (1.0, ["first", "second"])
