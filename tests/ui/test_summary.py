"""The sentences under the picture."""

import dataclasses

import numpy as np
import pytest

from dr_transformer import Config, load
from dr_transformer.engine.jobs import Runner
from dr_transformer.engine.run import Run
from dr_transformer.engine.run_cost import admitted
from dr_transformer.engine.waiting import time_note
from dr_transformer.methods.graph_store import GraphStore
from dr_transformer.ui.text import notes


@pytest.mark.parametrize(("n_classes", "expected"), [(10, 0), (12, 1)])
def test_colours_that_repeat_are_said(n_classes: int, expected: int) -> None:
    data = load("digits", 60)
    assert data.labels is not None
    names = tuple(f"class {i}" for i in range(n_classes))
    data = dataclasses.replace(data, class_names=names)
    runner = Runner()
    run = runner.submit("run", lambda: Run(data, Config(n_components=8, n_blocks=1), GraphStore()), "test")
    run.done.wait(60)
    said = [note for note in notes(run) if "colours repeat" in note]
    runner.close()
    assert len(said) == expected
    assert all("There are 12 classes and 10 colours" in note for note in said)


def test_a_run_of_hours_says_so_first() -> None:
    data = dataclasses.replace(load("digits", 60), Y=np.broadcast_to(np.ones(1, np.uint8), (10**6, 1)))
    run = Run(data, Config(eta=0.6, device="cpu"))
    run.expected = admitted(1000, run.config, np.uint8)._replace(seconds=10_000.0)
    assert next(notes(run)) == time_note(run)
    run.block, run.seconds = 2, 3000.0
    first, second, *_ = notes(run)
    assert first.startswith("2 of 8 blocks of 1 000 000 tokens took 50 minutes; the others need about 2.5 hours more.")
    assert second.startswith("η = 0.6 is above ½")
    run.done.set()
    assert next(notes(run)) == second


def test_who_waits_for_others_is_told_so() -> None:
    run = Run(load("digits", 60), Config(n_components=8, n_blocks=1))
    run.ahead = 3
    assert next(notes(run)) == "The server computes for 3 other visitors first; this goes on by itself."
    run.ahead = 0
    assert time_note(run) is None
