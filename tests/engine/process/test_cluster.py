"""A Dask cluster that exists, of two workers in processes of their own, computes what the app's own process does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from dr_transformer.canvas.picture import Drawing, picture
from dr_transformer.cli.commands import main
from dr_transformer.config import Config, ViewConfig
from dr_transformer.data.dataset import load
from dr_transformer.engine.jobs import Runner
from dr_transformer.engine.process.remote import DIED, Engine
from dr_transformer.engine.run import Run
from dr_transformer.errors import InputError
from tests.helpers.remote_jobs import Counting, Patient, refuse, until
from tests.helpers.servers import free_port

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 120.0


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a scheduler and two workers, by the commands that the README names."""
    folder, port = tmp_path_factory.mktemp("dask"), free_port()
    found = f"tcp://127.0.0.1:{port}"
    dask = [sys.executable, "-m", "dask"]
    scheduler = [*dask, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-show"]
    worker = [*dask, "worker", found, "--nworkers", "2", "--nthreads", "1", "--no-dashboard"]
    with (folder / "log").open("w") as log:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        options = {"cwd": folder, "stdout": log, "stderr": log, "env": environment, "start_new_session": True}
        started = [subprocess.Popen(command, **options) for command in (scheduler, worker)]
        yield found
        for process in reversed(started):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


@pytest.fixture(scope="module")
def engine(address: str) -> Iterator[Engine]:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            made = Engine(address)
            if made._where.n_workers == 2:
                break
            made.close()
        except InputError:
            assert time.monotonic() < deadline
        time.sleep(0.2)
    with closing(made):
        yield made


@pytest.mark.slow
def test_a_run_there_is_the_run_here(runner: Runner) -> None:
    data, config = load("mnist", 400), Config(n_components=16, n_blocks=3)
    run = runner.submit("run", lambda: Run(data, config), "me")
    drawing = runner.submit("drawing", lambda: Drawing(run, ViewConfig()), "me too")
    until(lambda: run.finished and drawing.finished)
    assert run.error is drawing.error is None
    here = Run(data, config)
    here.owners.add("me")
    here.work()
    drawn = Drawing(here, ViewConfig())
    drawn.grow()
    there, expected = picture(drawing, 3.0), picture(drawn, 3.0)
    assert there is not None
    assert expected is not None
    for mine, theirs in zip(there.panels, expected.panels, strict=True):
        np.testing.assert_allclose(mine.frames, theirs.frames, rtol=0, atol=1e-5 * np.abs(theirs.frames).max())
    assert run.full.latents == []  # they stay there
    assert run.analysis.curves["nmi"] == pytest.approx(here.analysis.curves["nmi"], abs=1e-3)


@pytest.mark.slow
def test_what_can_wait_has_a_worker_of_its_own_and_both_stop(runner: Runner, engine: Engine) -> None:
    count, patient = (runner.submit(kind, kind, kind.__name__) for kind in (Counting, Patient))
    until(lambda: count.count > 10 and patient.count > 10)
    assert len({count.pid, patient.pid, os.getpid()}) == 3
    for kind in (Counting, Patient):
        runner.release(kind.__name__)
    until(lambda: not (count.working or patient.working))
    with pytest.raises(InputError, match="no, thank you"):
        engine.ask(refuse, "no, thank you")


@pytest.mark.slow
def test_a_worker_that_dies_is_said_and_another_computes(runner: Runner) -> None:
    first = runner.submit("first", Counting, "me")
    until(lambda: first.pid)
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: first.error is not None)
    assert first.error == DIED
    second = runner.submit("second", lambda: Counting(to=20), "me")
    until(lambda: second.finished)
    assert second.error is None
    assert second.pid != first.pid


def test_no_scheduler_is_a_sentence(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dr_transformer.engine.process.cluster._TIMEOUT", 0.5)
    assert main(["app", "--scheduler", f"tcp://127.0.0.1:{free_port()}"]) == 2
    assert "no Dask scheduler answers" in capsys.readouterr().err
