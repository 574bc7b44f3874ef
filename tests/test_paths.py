"""A file takes its place whole, or what was there stays; and nothing is left beside it."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from dr_transformer.paths import in_place_of


def test_a_file_that_is_not_finished_does_not_take_the_place(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt), in_place_of(path) as partial:  # noqa: PT012
        partial.write_text("half")
        assert path.read_text() == "before"
        raise KeyboardInterrupt
    assert [*tmp_path.iterdir()] == [path]
    assert path.read_text() == "before"
    with in_place_of(path) as partial:
        partial.write_text("whole")
    assert [*tmp_path.iterdir()] == [path]
    assert path.read_text() == "whole"


def test_those_who_write_at_the_same_time_do_not_mix(tmp_path: Path) -> None:
    path, together = tmp_path / "a.txt", Barrier(2)

    def write(letter: str) -> None:
        with in_place_of(path) as partial, partial.open("w") as file:
            for _ in range(10):
                together.wait(10)
                file.write(letter)
                file.flush()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, "ab"))
    assert path.read_text() in ("a" * 10, "b" * 10)
    assert [*tmp_path.iterdir()] == [path]


def test_what_a_kill_has_left_goes_after_a_day(tmp_path: Path) -> None:
    code = "import os, pathlib, dr_transformer.paths as p\nwith p.in_place_of(pathlib.Path('a.txt')): os._exit(0)"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    old, young = tmp_path.iterdir()
    other = tmp_path / old.name.replace("a.txt", "b.txt")
    other.touch()
    for left in (old, other):
        os.utime(left, (0, 0))
    with in_place_of(tmp_path / "a.txt"):
        pass
    assert {*tmp_path.iterdir()} == {tmp_path / "a.txt", young, other}


def test_what_cannot_be_written_is_known_before_the_work(tmp_path: Path) -> None:
    for path, error in [(tmp_path, IsADirectoryError), (tmp_path / "no" / "a.txt", FileNotFoundError)]:
        with pytest.raises(error), in_place_of(path):
            raise AssertionError("the work")
