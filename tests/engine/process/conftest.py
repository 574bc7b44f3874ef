"""Fixtures of both places: the runner of an app that computes where the module's `engine` does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dr_transformer.engine.jobs import Runner
from dr_transformer.engine.process.remote import Engine


@pytest.fixture
def runner(engine: Engine) -> Iterator[Runner]:
    made = Runner(execute=engine.work)
    engine.died = made.forget
    yield made
    made.close()
