"""Scores on disk: whole or not at all, bounded, and never in the way."""

import json
import sqlite3
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dr_transformer.quality import sweep_cache
from dr_transformer.quality.scores import Quality, Reference, quality
from dr_transformer.quality.sweep_cache import SweepCache

X = np.random.default_rng(0).normal(size=(40, 3))
FOUND = quality(X, Reference.of(X))


def test_it_gives_what_it_got(tmp_path: Path) -> None:
    cache = SweepCache(tmp_path / "deep" / "sweep.sqlite")
    settings = {"b": 1.5, "a": {"x": "ü"}}
    assert cache.get(settings) is None
    cache.put(settings, FOUND)
    assert cache.get(settings) == FOUND
    assert FOUND.missing  # and with it the reasons
    assert cache.get({"b": 1.5}) is None
    assert cache.get({"a": {"x": "ü"}, "b": 1.5}) == FOUND  # the order of settings is none


def test_by_default_it_lies_beside_the_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert SweepCache().path == tmp_path / "dr_transformer" / "sweep.sqlite"


def test_the_environment_names_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(sweep_cache.CACHE_VARIABLE, str(tmp_path / "elsewhere"))
    assert SweepCache().path == tmp_path / "elsewhere" / "sweep.sqlite"
    SweepCache().put({}, FOUND)
    assert SweepCache().get({}) == FOUND
    assert not (tmp_path / "home").exists()


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(sweep_cache, "cache_folder", homeless)
    cache = SweepCache()
    assert cache.path is None
    cache.put({}, FOUND)
    assert cache.get({}) is None


@pytest.mark.parametrize("below", ["", "sweep.sqlite"])
def test_what_is_in_the_way_stays(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("in the way, and longer than the header of a database by some")
    blocked = SweepCache(tmp_path / "file" / below)
    blocked.put({}, FOUND)
    assert blocked.get({}) is None
    assert (tmp_path / "file").read_text().startswith("in the way")


def test_what_cannot_be_written_is_not_kept(tmp_path: Path) -> None:
    cache = SweepCache(tmp_path / "sweep.sqlite")
    cache.put({"n": 1}, FOUND)
    with closing(sqlite3.connect(tmp_path / "sweep.sqlite")) as full, full:
        full.execute("CREATE TRIGGER full BEFORE INSERT ON cells BEGIN SELECT RAISE(ABORT, 'full'); END")
    cache.put({"n": 2}, FOUND)
    assert cache.get({"n": 2}) is None
    assert cache.get({"n": 1}) == FOUND


def test_the_longest_unused_go_whatever_the_clock_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(100, 0, -1))  # set back each time
    monkeypatch.setattr(time, "time", lambda: float(next(now)))
    cache = SweepCache(tmp_path / "sweep.sqlite", max_cells=3)
    for number in range(3):
        cache.put({"number": number}, FOUND)
    assert cache.get({"number": 0}) == FOUND  # used now, so 1 is the longest unused
    cache.put({"number": 3}, FOUND)
    assert [cache.get({"number": number}) is not None for number in range(4)] == [True, False, True, True]


def test_every_figure_survives_to_the_last_bit(tmp_path: Path) -> None:
    figures = dict(zip(FOUND.figures, np.random.default_rng(1).normal(size=len(FOUND.figures)).tolist(), strict=True))
    exact = Quality(figures, {}, 40, 40, 42)
    SweepCache(tmp_path / "s").put({}, exact)
    assert SweepCache(tmp_path / "s").get({}) == exact


def test_a_damaged_database_is_begun_again(tmp_path: Path) -> None:
    path = tmp_path / "sweep.sqlite"
    cache = SweepCache(path)
    for number in range(30):  # more than a page
        cache.put({"n": number}, FOUND)
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * (len(content) - 100))
    assert cache.get({"n": 3}) is None
    cache.put({"n": 3}, FOUND)
    assert cache.get({"n": 3}) == FOUND
    assert cache.get({"n": 4}) is None


@pytest.mark.parametrize("changed", ["null", "[]", "{", '{"recall": 0.5}', '{"figures": {}, "missing": {}}'])
def test_what_is_of_another_version_is_not_believed(tmp_path: Path, changed: str) -> None:
    cache = SweepCache(tmp_path / "s")
    cache.put({"n": 60}, FOUND)
    with closing(sqlite3.connect(tmp_path / "s")) as cells, cells:
        cells.execute("UPDATE cells SET quality = ?", [changed])
    assert cache.get({"n": 60}) is None


def test_threads_and_processes_share_it(tmp_path: Path) -> None:
    caches = [SweepCache(tmp_path / "s") for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: caches[n % 4].put({"n": n}, FOUND), range(100)))
    assert all(caches[0].get({"n": n}) == FOUND for n in range(100))


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_cache_that_ended_half_way_gives_what_was_kept_or_nothing(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sweep.sqlite"
        cache = SweepCache(path)
        for number in range(8):
            cache.put({"n": number}, replace(FOUND, random_state=number))
        content = bytearray(path.read_bytes())
        if data.draw(st.booleans(), label="cut"):
            del content[data.draw(st.integers(0, len(content) - 1)) :]
        else:  # a part of it is of another time, or of nothing
            start = data.draw(st.integers(0, len(content) - 64))
            content[start : start + 64] = data.draw(st.binary(min_size=64, max_size=64))
        path.write_bytes(content)
        for number in range(8):
            assert cache.get({"n": number}) in (None, replace(FOUND, random_state=number))
        for _ in range(2):  # the first may find that it is damaged
            cache.put({"n": 9}, FOUND)
        assert cache.get({"n": 9}) in (None, FOUND)


def test_figures_of_other_settings_are_not_taken_for_theirs(tmp_path: Path) -> None:
    cache = SweepCache(tmp_path / "sweep.sqlite")
    cache.put({"n": 1}, FOUND)
    with closing(sqlite3.connect(tmp_path / "sweep.sqlite")) as cells, cells:
        cells.execute("UPDATE cells SET settings = ?", [json.dumps({"n": 2})])
    assert cache.get({"n": 2}) is None
