"""Figures on disk: whole or not at all, bounded, and never in the way."""

import hashlib
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from dr_transformer.quality import sweep_cache
from dr_transformer.quality.scores import Quality, Reference, quality
from dr_transformer.quality.sweep_cache import SweepCache

X = np.random.default_rng(0).normal(size=(40, 3))
FOUND = quality(X, Reference.of(X))


def test_it_gives_what_it_got(tmp_path: Path) -> None:
    cache = SweepCache(tmp_path / "deep" / "folder")
    settings = {"b": 1.5, "a": {"x": "ü"}}
    assert cache.get(settings) is None
    cache.put(settings, FOUND)
    assert cache.get(settings) == FOUND
    assert FOUND.missing  # and with it the reasons
    assert cache.get({"b": 1.5}) is None
    assert cache.get({"a": {"x": "ü"}, "b": 1.5}) == FOUND  # the order of settings is none
    (path,) = (tmp_path / "deep" / "folder").iterdir()
    canonical = json.dumps(settings, sort_keys=True)
    assert path.name == hashlib.sha256(canonical.encode()).hexdigest() + ".json"


def test_by_default_it_lies_beside_the_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert SweepCache().folder == tmp_path / "dr_transformer" / "sweep"


def test_the_environment_names_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(sweep_cache.CACHE_VARIABLE, str(tmp_path / "elsewhere"))
    assert SweepCache().folder == tmp_path / "elsewhere" / "sweep"
    SweepCache().put({}, FOUND)
    assert SweepCache().get({}) == FOUND
    assert not (tmp_path / "home").exists()


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(sweep_cache, "cache_folder", homeless)
    cache = SweepCache()
    assert cache.folder is None
    cache.put({}, FOUND)
    assert cache.get({}) is None
    (tmp_path / "file").write_text("in the way")
    blocked = SweepCache(tmp_path / "file")
    blocked.put({}, FOUND)
    assert blocked.get({}) is None
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = SweepCache(tmp_path)

    def full(self: Path, target: Path) -> Path:
        assert self.suffix == ".part"
        assert json.loads(self.read_bytes())["n_samples"] == 40  # written before it is named
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        cache.put({}, FOUND)
    assert list(tmp_path.iterdir()) == []
    cache.put({}, FOUND)
    assert cache.get({}) == FOUND


def test_the_longest_unused_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_cache, "_TRIM_EVERY", 1)
    cache = SweepCache(tmp_path, max_files=3)
    for number in range(3):
        cache.put({"number": number}, FOUND)
        path = cache.path({"number": number})
        assert path is not None
        os.utime(path, (1000 + number, 1000 + number))
    assert cache.get({"number": 0}) == FOUND  # used now, so 1 is the oldest
    cache.put({"number": 3}, FOUND)
    assert [cache.get({"number": number}) is not None for number in range(4)] == [True, False, True, True]
    stale, fresh = tmp_path / "old.part", tmp_path / "new.part"
    for path in (stale, fresh):
        path.write_text("half")
    os.utime(stale, (time.time() - 4000,) * 2)
    cache.put({"number": 4}, FOUND)
    assert not stale.exists()
    assert fresh.exists()
    assert len(list(tmp_path.glob("*.json"))) == 3


def test_every_figure_survives_to_the_last_bit(tmp_path: Path) -> None:
    figures = dict(zip(FOUND.figures, np.random.default_rng(1).normal(size=len(FOUND.figures)).tolist(), strict=True))
    exact = Quality(figures, {}, 40, 40, 42)
    SweepCache(tmp_path).put({}, exact)
    assert SweepCache(tmp_path).get({}) == exact


def test_what_is_damaged_or_of_others_is_not_believed(tmp_path: Path) -> None:
    cache = SweepCache(tmp_path)
    cache.put({"n": 60}, FOUND)
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    good = json.loads(content)
    figures = good["figures"]
    for changed in (
        good | {"settings": {"n": 61}},
        good | {"figures": figures | {"recall": "0.5"}},
        good | {"figures": figures | {"recall": None}},
        good | {"figures": figures | {"recall": float("nan")}},
        good | {"figures": {"recall": 0.5}},
        good | {"missing": {"recall": "no reason"}},
        good | {"missing": dict.fromkeys(good["missing"], 1)},
        good | {"n_samples": 0.5},
        {name: value for name, value in good.items() if name != "missing"},
        [],
        None,
    ):
        path.write_text(json.dumps(changed))
        assert cache.get({"n": 60}) is None
    for raw in (b"", content[:-20], b"\xff\xfe\x00", b"[" * 100_000):
        path.write_bytes(raw)
        assert cache.get({"n": 60}) is None
    path.write_bytes(content)
    assert cache.get({"n": 60}) == FOUND
