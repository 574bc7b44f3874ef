"""The sentences under the picture."""

import dataclasses

import pytest

from dr_transformer import Config, load
from dr_transformer.graph_store import GraphStore
from dr_transformer.jobs import Runner
from dr_transformer.run import Run
from dr_transformer.ui.summary import notes


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
