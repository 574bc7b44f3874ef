"""UMAP in its worker process: the library's own layouts, shown epoch by epoch, cancelled, queued, and recovered."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from dr_transformer import InputError, load
from dr_transformer.methods.graph import KNNGraph, knn_graph
from dr_transformer.methods.umap import UMAPSettings, frame_epochs
from dr_transformer.methods.umap_pipe import Child
from dr_transformer.methods.umap_worker import UMAPRun, UMAPWorker
from dr_transformer.model.projection import float64_chunks

LONG = UMAPSettings(n_epochs=10_000)  # nobody waits for it to end
SHORT = UMAPSettings(n_epochs=32)


class Digits:
    """600 of MNIST, scaled and not, and their kNN graph."""

    Y = load("mnist", 600).Y
    X = np.concatenate(list(float64_chunks(Y))).astype(np.float32)
    graph = knn_graph(X, 20)


@pytest.fixture(scope="module")
def direct(umap_learn: Callable[..., Future[np.ndarray]]) -> dict[str, Future[np.ndarray]]:
    """What umap-learn itself gives: at the start, at the end, and at each frame between."""
    near = Digits.graph.first(14)
    indices = np.column_stack([np.arange(600), near.indices])
    distances = np.column_stack([np.zeros(600, dtype=np.float32), near.distances])
    shown = [*(epoch - 1 for epoch in frame_epochs(500)[1:-1]), 500]  # umap-learn counts from 0
    asked = {"start": 0, "whole": None, "shown": shown}
    given = {"precomputed_knn": (indices, distances), "random_state": 42}
    return {name: umap_learn(Digits.X, n_epochs=epochs, **given) for name, epochs in asked.items()}


@pytest.fixture
def submit(worker: UMAPWorker) -> Iterator[Callable[..., UMAPRun]]:
    """Submits the digits; afterwards nobody waits for anything."""
    owners = []

    def submit(settings: UMAPSettings, owner: str = "a", key: str = "digits") -> UMAPRun:
        owners.append(owner)
        return worker.submit(Digits.Y, Digits.graph, settings, key, owner)

    yield submit
    for owner in owners:
        worker.release(owner)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """All that the process says of its runs, also of those that nobody waits for any more."""
    messages: list[dict[str, Any]] = []
    compute = Child.compute

    def listened(*arguments: Any) -> Iterator[tuple[dict[str, Any], list[np.ndarray]]]:
        for message, arrays in compute(*arguments):
            messages.append(message)
            yield message, arrays

    monkeypatch.setattr(Child, "compute", listened)
    return messages


def _until(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")  # a child of another process can be dead before that one has noticed
    return not (stat.exists() and stat.read_text().rpartition(") ")[2].startswith("Z"))


def _result(run: UMAPRun) -> np.ndarray:
    assert run.wait(120)
    assert run.error is None
    assert run.state == "done"
    assert run.epochs[-1] == run.epoch == run.n_epochs
    return run.frames[-1]


def test_a_seeded_layout_is_umap_learns_at_every_frame(
    submit: Callable[..., UMAPRun], direct: dict[str, Future[np.ndarray]], told: list[dict[str, Any]]
) -> None:
    run = submit(UMAPSettings())
    layout = _result(run)
    assert [message["epoch"] for message in told if message["kind"] == "epoch"] == list(range(501))
    assert run.epochs == frame_epochs(500)
    assert run.epochs[:2] == [0, 3]
    assert len(run.epochs) == 33
    assert run.device == "cpu"
    assert run.notes == []
    np.testing.assert_array_equal(layout, direct["whole"].result())
    np.testing.assert_array_equal(run.frames[0], direct["start"].result())
    np.testing.assert_array_equal(run.frames[1:], direct["shown"].result())


def test_without_a_seed_the_layout_is_as_good_but_another(submit: Callable[..., UMAPRun]) -> None:
    seeded = _result(submit(UMAPSettings()))
    free = _result(submit(UMAPSettings(random_state=None)))
    good = trustworthiness(Digits.X, seeded)
    assert good > 0.9
    assert trustworthiness(Digits.X, free) == pytest.approx(good, abs=0.02)
    assert np.abs(free - seeded).max() > 0.01


@pytest.mark.parametrize(
    "settings",
    [
        {"n_components": 3},
        {"n_neighbors": 5},
        {"min_dist": 0.5},
        {"n_epochs": 31},
        {"random_state": 1},
        {"init": "pca"},
        {"init": "random"},
    ],
)
def test_every_setting_reaches_the_layout(settings: dict[str, object], submit: Callable[..., UMAPRun]) -> None:
    plain = _result(submit(SHORT))
    other = _result(submit(UMAPSettings.from_dict(SHORT.to_dict() | settings)))
    assert other.shape == (600, settings.get("n_components", 2))
    assert other.dtype == np.float32
    assert np.abs(other[:, :2] - plain).max() > 0.1


def _stops(run: UMAPRun, worker: UMAPWorker, told: list[dict[str, Any]], owner: str) -> None:
    """Given up, it stops by itself at its next epoch, or before its first: its process computes the next run."""
    worker.release(owner)
    assert run.state == "cancelled"
    assert run.wait(0)
    _until(lambda: told[-1]["kind"] != "epoch")
    assert told[-1]["kind"] == "cancelled"


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process on a busy machine has the time to stop: otherwise it would be killed, which is not what is tested."""
    monkeypatch.setattr("dr_transformer.methods.umap_worker._GRACE", 60)


@pytest.mark.usefixtures("patient")
def test_cancel_stops_the_epochs_and_frees_the_process(
    worker: UMAPWorker, submit: Callable[..., UMAPRun], told: list[dict[str, Any]]
) -> None:
    _result(submit(SHORT))
    pid = worker.pid
    run = submit(LONG)
    _until(lambda: run.epoch > 20)
    _stops(run, worker, told, "a")
    epoch = run.epoch
    assert 20 < epoch < LONG.n_epochs
    assert _result(submit(UMAPSettings(n_epochs=30))).shape == (600, 2)
    assert run.epoch == epoch
    assert worker.pid == pid  # it need not compile again
    assert submit(LONG) is not run


@pytest.mark.usefixtures("patient")
def test_cancel_stops_the_initialisation_too(
    worker: UMAPWorker, submit: Callable[..., UMAPRun], told: list[dict[str, Any]]
) -> None:
    """The eigenvectors of a long ring take minutes; no epoch has begun that could be stopped at its end."""
    _result(submit(SHORT))
    pid = worker.pid
    n = 20_000
    steps = np.array([1, -1, 2, -2, 3, -3, 4, -4])
    ring = KNNGraph((np.arange(n)[:, None] + steps) % n, np.tile(np.abs(steps).astype(np.float32), (n, 1)))
    Y = np.random.default_rng(0).normal(size=(n, 2))
    run = worker.submit(Y, ring, UMAPSettings(n_neighbors=9), "ring", "ring")
    assert not run.wait(1)
    assert run.state == "running"
    assert run.frames == []
    told.append({"kind": "epoch"})  # what was told before is not of this run
    _stops(run, worker, told, "ring")
    assert _result(submit(UMAPSettings(n_epochs=27))).shape == (600, 2)
    assert worker.pid == pid


def test_two_sessions_at_once(
    worker: UMAPWorker, submit: Callable[..., UMAPRun], direct: dict[str, Future[np.ndarray]]
) -> None:
    before = submit(LONG, "before")
    _until(lambda: before.state == "running")
    positions: set[int] = set()
    layouts: list[np.ndarray] = []
    both = threading.Barrier(2)

    def session(name: str) -> None:
        run = submit(UMAPSettings(), name, key=name)
        positions.add(run.queue_position)
        both.wait()
        worker.release("before")
        layouts.append(_result(run))

    threads = [threading.Thread(target=session, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert positions == {1, 2}
    np.testing.assert_array_equal(layouts, [direct["whole"].result()] * 2)


def test_equal_runs_are_shared_and_go_on_while_anybody_waits(
    worker: UMAPWorker, submit: Callable[..., UMAPRun]
) -> None:
    settings = UMAPSettings(n_epochs=1000)
    run = submit(settings, "a")
    assert submit(settings, "b") is run
    assert submit(settings, "c", key="others") is not run
    _until(lambda: run.state == "running")
    worker.cancel(run, "a")
    submit(SHORT, "c")  # gives its earlier run up
    assert run.state == "running"
    _result(run)
    worker.release("b")
    assert submit(settings, "d") is run


def test_results_are_bounded_in_bytes(
    worker: UMAPWorker, submit: Callable[..., UMAPRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_max_bytes", 2**20)
    runs = [submit(UMAPSettings(n_epochs=32, random_state=seed), f"session {seed}") for seed in range(9)]
    for run in runs:
        _result(run)
    assert runs[0].n_bytes == 28 * 600 * 2 * 4
    assert submit(runs[8].settings, "x") is runs[8]
    again = submit(runs[0].settings, "x")
    assert again is not runs[0]  # 9 results are more than 2²⁰ bytes
    np.testing.assert_array_equal(_result(again), runs[0].frames[-1])


def test_torchdr_begins_where_umap_learn_does(submit: Callable[..., UMAPRun]) -> None:
    run = submit(UMAPSettings(backend="torchdr", n_epochs=60))
    layout = _result(run)
    assert run.device in ("cpu", "cuda")
    assert run.epochs == frame_epochs(60)
    start = submit(UMAPSettings(n_epochs=60))
    _result(start)
    np.testing.assert_array_equal(run.frames[0], start.frames[0])
    assert trustworthiness(Digits.X, layout) > 0.9
    assert np.abs(layout - start.frames[-1]).max() > 0.1


def test_a_worker_killed_mid_run_is_replaced_and_its_queue_can_be_left_meanwhile(
    worker: UMAPWorker, submit: Callable[..., UMAPRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = UMAPSettings(n_epochs=800)
    expected = _result(submit(settings, key="once"))
    pid = worker.pid
    assert pid
    compiled = threading.Event()

    class Held(Child):
        def ready(self) -> bool:
            return super().ready() and compiled.wait(60)

    monkeypatch.setattr("dr_transformer.methods.umap_worker.Child", Held)
    run = submit(settings, key="twice")
    _until(lambda: run.epoch > 20)
    os.kill(pid, signal.SIGKILL)
    _until(lambda: worker.pid != pid)
    assert worker.compiling
    first, second, third = (submit(SHORT, owner, key=owner) for owner in "bcd")
    assert [each.queue_position for each in (run, first, second, third)] == [0, 1, 2, 3]
    worker.cancel(second, "c")
    assert second.state == "cancelled"
    assert second.wait(0)
    assert third.queue_position == 2
    compiled.set()
    np.testing.assert_array_equal(_result(run), expected)
    np.testing.assert_array_equal(_result(first), _result(third))
    assert run.epochs == frame_epochs(800)
    assert len(run.frames) == len(run.epochs)
    assert second.frames == []
    assert not worker.compiling
    assert run.seconds_of_compilation > third.seconds_of_compilation > 0
    assert first.seconds > 0
    again = submit(UMAPSettings(n_epochs=31), key="again")
    _result(again)
    assert again.seconds_of_compilation == 0


def test_a_run_whose_process_dies_twice_has_failed() -> None:
    run = UMAPRun(SHORT, 32, state="running", epoch=3)
    run.process_died()
    assert (run.state, run.epoch, run.error) == ("queued", 0, None)
    run.process_died()
    assert run.state == "failed"
    assert run.wait(0)
    assert run.error == "UMAP's process ended twice before its result; use fewer tokens, or try again."


def test_data_that_umap_cannot_take_are_a_sentence(worker: UMAPWorker, submit: Callable[..., UMAPRun]) -> None:
    broken = Digits.X.copy()
    broken[3, 3] = np.nan
    run = worker.submit(broken, Digits.graph, SHORT, "broken", "a")
    assert run.wait(60)
    assert run.state == "failed"
    assert (run.error or "").startswith("UMAP could not lay out these data (ValueError: Input contains NaN.")
    assert worker.submit(broken, Digits.graph, SHORT, "broken", "a") is run  # not tried again and again
    worker.release("a")
    assert worker.submit(broken, Digits.graph, SHORT, "broken", "a") is not run
    _result(submit(SHORT))


def test_that_the_layout_began_at_random_is_said(worker: UMAPWorker) -> None:
    """Five points, twenty times each, and all of one place have the same five neighbours."""
    place, copy = np.divmod(np.arange(100), 20)
    Y = np.random.default_rng(0).normal(size=(5, 4))[place]
    first = np.where(np.arange(5) == copy[:, None], 5, np.arange(5))
    graph = KNNGraph(20 * place[:, None] + first, np.zeros((100, 5), dtype=np.float32))
    run = worker.submit(Y, graph, UMAPSettings(n_neighbors=6, n_epochs=20), "duplicates", "a")
    assert np.isfinite(_result(run)).all()
    assert run.notes[0].startswith("The nearest neighbours of every token are copies of it")
    assert run.notes[1:] == [
        "Eigenvectors to begin with were not found, perhaps for many duplicates; a part began at random."
    ]
    worker.release("a")


def test_a_graph_in_many_parts(worker: UMAPWorker) -> None:
    """UMAP places the parts by their centroids, which is what it needs the data for."""
    generator = np.random.default_rng(0)
    part = np.repeat(np.arange(12), 10)
    Y = (100 * generator.normal(size=(12, 5)))[part] + generator.normal(size=(120, 5))
    run = worker.submit(Y, knn_graph(Y, 9), UMAPSettings(n_neighbors=6, n_epochs=50), "parts", "a")
    layout = _result(run)
    assert trustworthiness(Y, layout, n_neighbors=5) > 0.9
    worker.release("a")


def test_a_process_that_does_not_listen_is_killed(worker: UMAPWorker, submit: Callable[..., UMAPRun]) -> None:
    run = submit(LONG)
    _until(lambda: run.epoch > 20)
    pid = worker.pid
    assert pid
    os.kill(pid, signal.SIGSTOP)
    worker.cancel(run, "a")
    assert run.state == "cancelled"
    _until(lambda: not _runs(pid))
    _until(lambda: worker.pid != pid)  # without being asked to
    _result(submit(SHORT))


def test_close_leaves_no_process() -> None:
    worker = UMAPWorker()
    run = worker.submit(Digits.Y, Digits.graph, SHORT, "digits", "a")
    _until(lambda: worker.pid)
    pid = worker.pid
    assert pid
    assert _runs(pid)
    worker.close()
    assert not _runs(pid)
    assert run.state == "cancelled"
    with pytest.raises(RuntimeError, match="closed"):
        worker.warm()


def test_a_process_that_cannot_start_is_a_sentence() -> None:
    worker = UMAPWorker()
    run = worker.submit(Digits.Y, Digits.graph, SHORT, "digits", "a")
    killed = set()
    while not run.wait(0.005):
        if worker.pid not in killed | {None}:
            killed.add(worker.pid)
            os.kill(worker.pid or 0, signal.SIGKILL)
    worker.close()
    assert run.error == "UMAP's process could not be started; the server's log says why."
    assert len(killed) == 2


def test_the_end_of_the_parent_ends_the_process(tmp_path: Path) -> None:
    """Killed without a chance to tidy up. Its script, which has no __main__ guard, is not run again by the child."""
    script = tmp_path / "parent.py"
    script.write_text(
        "import time\n"
        "from dr_transformer.methods.umap_worker import UMAPWorker\n"
        "worker = UMAPWorker()\n"
        "worker.warm()\n"
        "while worker.pid is None: time.sleep(0.01)\n"
        "with open('pids', 'a') as file: print(worker.pid, file=file, flush=True)\n"
        "while worker.compiling: time.sleep(0.01)\n"
        "with open('pids', 'a') as file: print('ready', file=file, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, script], cwd=tmp_path) as parent:
        pids = tmp_path / "pids"
        _until(lambda: pids.exists() and pids.read_text().endswith("ready\n"))
        (first, _) = pids.read_text().split()  # running the script again would have come before
        pid = int(first)
        assert _runs(pid)
        parent.kill()
    _until(lambda: not _runs(pid), 20)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"n_neighbors": 1}, "n_neighbors must be at least 2"),
        ({"n_components": 1}, "n_components must be at least 2"),
        ({"min_dist": 1.1}, "min_dist must be at most 1"),
        ({"min_dist": -0.1}, "min_dist must be at least 0"),
        ({"n_epochs": 0}, "n_epochs must be at least 1"),
        ({"random_state": -1}, "random_state must be at least 0"),
        ({"init": "tswspectral"}, "init must be 'spectral' or 'pca' or 'random'"),
        ({"backend": "cuml"}, "backend must be 'umap-learn' or 'torchdr'"),
        ({"n_neighbors": 600}, "n_neighbors = 600 must be smaller than the number of tokens, 600; use at most 599"),
        ({"n_neighbors": 22}, "the kNN graph has 20 neighbours of each token, but UMAP with n_neighbors = 22 needs 21"),
    ],
)
def test_bad_settings_are_one_sentence(settings: dict[str, object], sentence: str, worker: UMAPWorker) -> None:
    with pytest.raises(InputError, match=sentence):
        worker.submit(Digits.Y, Digits.graph, UMAPSettings.from_dict(settings), "digits", "a")


def test_data_and_graph_that_do_not_fit_are_one_sentence(worker: UMAPWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="the kNN graph is of 600 tokens, not of these 599; compute it again"):
        worker.submit(Digits.Y[1:], Digits.graph, SHORT, "digits", "a")
    with pytest.raises(InputError, match="a UMAP of 10 tokens has at most 8 dimensions, not n_components = 9"):
        worker.submit(Digits.Y[:10], Digits.graph, UMAPSettings(n_components=9, n_neighbors=5), "digits", "a")
    with pytest.raises(InputError, match="init = 'pca' gives at most 3 dimensions, one for each of the data's; use"):
        worker.submit(Digits.X[:, :3], Digits.graph, UMAPSettings(n_components=4, init="pca"), "digits", "a")
    monkeypatch.setattr("dr_transformer.methods.umap.find_spec", lambda _name: None)
    with pytest.raises(InputError, match=r"run pip install 'dr-transformer\[gpu\]', or choose umap-learn"):
        worker.submit(Digits.Y, Digits.graph, UMAPSettings(backend="torchdr"), "digits", "a")
