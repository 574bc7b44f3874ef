"""More classes than colours: it is said wherever a picture is saved, for there is no legend to say it."""

from pathlib import Path

import numpy as np
import pytest

from dr_transformer import Config, Dataset, load
from dr_transformer.cli.commands import main
from dr_transformer.config import ViewConfig
from dr_transformer.engine.run import Run
from dr_transformer.export.figure_config import AnimationConfig, FigureConfig
from dr_transformer.export.job import FigureJob, FilmJob
from dr_transformer.palette import PETROFF10, TAB10, class_colours, shared_colours

SAID = "12 classes, 10 colours: class 11 has the colour of class 1 again, and so on."
LOOK = {"frame_width": 160, "frame_height": 160, "fps": 2, "seconds_per_block": 0.5, "hold": 0.0}


def table(folder: Path, n_classes: int) -> Path:
    rows = np.random.RandomState(0).randn(4 * n_classes, 4)
    lines = [",".join(map(str, row)) + f",c{i % n_classes:02d}" for i, row in enumerate(rows)]
    path = folder / "table.csv"
    path.write_text("a,b,c,d,label\n" + "\n".join(lines))
    return path


def run_of(dataset: Dataset) -> Run:
    made = Run(dataset, Config(n_components=4, n_blocks=1))
    made.owners.add("test")
    made.work()
    assert made.done.is_set()
    return made


@pytest.mark.parametrize("palette", [TAB10, PETROFF10])
def test_the_sentence_is_there_when_two_classes_have_one_colour(palette: tuple[str, ...]) -> None:
    names = [f"class {i}" for i in range(25)]
    for n_classes in range(25):
        shared = len(set(class_colours(names[:n_classes], palette))) < n_classes
        assert bool(shared_colours(names[:n_classes], palette)) == shared
    assert class_colours(names[:11], palette)[10] == palette[0]
    assert shared_colours(names[:12], palette) == SAID


@pytest.mark.parametrize("n_classes", [10, 12])
def test_a_job_and_the_terminal_say_it(n_classes: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = table(tmp_path, n_classes)
    run, view = run_of(load(source)), ViewConfig()
    jobs = [
        FigureJob(run, view, options=FigureConfig(dpi=30)),
        FigureJob(run, view, options=FigureConfig("strip", dpi=30)),
        FigureJob(run, view, options=FigureConfig("strip", dpi=30), kind="svg"),
        FigureJob(run, view, options=FigureConfig("attention", dpi=30)),
        FilmJob(run, view, options=AnimationConfig(**LOOK)),
    ]
    notes = []
    for job in jobs:
        job.owners.add("test")
        job.work()
        assert job.complete, job.error
        notes.append(job.note)
    many = n_classes > 10
    points = f"All {8 * n_classes} points are vectors."
    assert notes == [
        SAID if many else "",
        f"{SAID} There is no legend." if many else "",
        f"{points} {SAID} There is no legend." if many else points,
        "",  # it has no colours of classes
        f"1.0 s at 2 frames a second. {SAID}" if many else "1.0 s at 2 frames a second.",
    ]
    capsys.readouterr()
    small = ["--dataset", str(source), "--n-components", "4", "--n-blocks", "1"]
    assert main(["figure", str(tmp_path / "a.png"), *small, "--template", "strip", "--dpi", "30"]) == 0
    assert (f"{SAID} There is no legend.\n" in capsys.readouterr().err) == many
    flags = [text for name, number in LOOK.items() for text in (f"--{name.replace('_', '-')}", str(number))]
    assert main(["animate", str(tmp_path / "a.gif"), *small, *flags]) == 0
    assert (f"{SAID}\n" in capsys.readouterr().err) == many
