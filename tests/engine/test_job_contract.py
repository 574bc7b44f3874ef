"""What holds of every background job: it starts, tells how far it is, stops, goes on, fails in one sentence."""

import importlib
import pkgutil
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

import dr_transformer
from dr_transformer import InputError
from dr_transformer.bench import cases as bench_cases
from dr_transformer.bench.bench import Case as BenchCase
from dr_transformer.bench.bench import Side
from dr_transformer.engine.jobs import Background, Runner
from dr_transformer.engine.run import Follower, Run
from dr_transformer.engine.theorem import TheoremRun
from dr_transformer.engine.training import TrainingJob
from dr_transformer.export.job import ExportJob
from dr_transformer.methods.umap_worker import UMAPWorker
from tests.helpers.job_cases import CASES, CONFIG, Case, mnist, plain

ELSEWHERE = {TrainingJob}  # a process of its own, which takes seconds to start: tests/engine/test_training.py

every_job = pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind.__name__)


@pytest.fixture(autouse=True)
def _small_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [BenchCase(name, Side.of(np.sqrt, 4.0, measured=False), repeats=1) for name in ("first", "second")]
    monkeypatch.setattr(bench_cases, "cases", lambda _n: made)


class Looks:
    """Counts how often a job looks whether anybody waits, notes how far it says it is, and does `then` at one look."""

    def __init__(self, job: Any, at: int | None = None, then: Callable[[], None] = lambda: None) -> None:
        self.n = 0
        self.progress: list[float] = []
        check, wait = job._check, job._until

        def look() -> None:
            self.n += 1
            if (share := getattr(job, "progress", None)) is not None:
                self.progress.append(share)
            if self.n == at:
                then()

        def counted() -> None:
            look()
            check()

        def counted_while_it_waits(ready: Callable[[], object]) -> None:
            def looks_again() -> object:
                look()
                return ready()

            wait(looks_again)

        job._check, job._until = counted, counted_while_it_waits


def owned(job: Any) -> Any:
    job.owners.add("me")
    return job


@pytest.fixture(scope="module")
def whole(worker: UMAPWorker) -> Callable[[Case], tuple[Any, int]]:
    """What a job that nobody stops finds, and how often it looks meanwhile."""
    known: dict[type, tuple[Any, int]] = {}

    def of(case: Case) -> tuple[Any, int]:
        if case.kind not in known:
            owned(case.make(worker)).work()  # what is shared, as a layout of UMAP, is not waited for again
            job = owned(case.make(worker))
            looks = Looks(job)
            job.work()
            assert job.error is None
            known[case.kind] = plain(case.found(job)), looks.n
        return known[case.kind]

    return of


def assert_same(found: Any, expected: Any) -> None:
    """Assert equality; of float64, to 1e-12 of the largest: OpenBLAS lends its threads to who asks first, and the
    number of threads decides in which order a product is summed.
    """
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name, each in expected.items():
            assert_same(found[name], each)
    elif isinstance(expected, list):
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, (float, np.ndarray)) and np.asarray(expected).dtype == np.float64:
        largest = np.abs(np.nan_to_num(expected, posinf=0, neginf=0)).max(initial=0)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * largest)
    else:
        np.testing.assert_equal(found, expected)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 100
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def test_every_job_of_the_package_has_a_case() -> None:
    for module in pkgutil.walk_packages(dr_transformer.__path__, "dr_transformer."):
        if not module.name.startswith(("dr_transformer.ui", "dr_transformer.__main__", "dr_transformer._app")):
            importlib.import_module(module.name)
    kinds: set[type] = set()
    left = [Background]
    while left:
        kind = left.pop()
        left += kind.__subclasses__()
        if kind.__module__.startswith("dr_transformer.") and kind not in (Background, ExportJob, Follower):
            kinds.add(kind)
    assert {case.kind for case in CASES} | ELSEWHERE == kinds
    assert len(CASES) + len(ELSEWHERE) == len(kinds)


@every_job
def test_it_tells_how_far_it_is_until_it_is_done(case: Case, worker: UMAPWorker) -> None:
    job = owned(case.make(worker))
    assert not job.finished
    looks = Looks(job)
    job.work()
    assert job.finished
    assert job.error is None
    assert job.n_bytes >= 0
    progress = looks.progress
    assert progress == sorted(progress)
    if progress:
        assert 0 <= progress[0] <= progress[-1] <= job.progress <= 1 + 1e-9
        assert job.progress > progress[0] or case.kind is TheoremRun  # whose share is that of its bands, which are done


@every_job
def test_it_does_nothing_that_nobody_waits_for(case: Case, worker: UMAPWorker) -> None:
    job = case.make(worker)
    looks = Looks(job)
    job.work()
    assert not job.finished
    assert job.error is None
    assert looks.n == 1


@pytest.mark.parametrize("share", [0.5, 1.0])
@every_job
def test_stopped_at_a_look_it_goes_on_to_the_same_result(
    case: Case, share: float, worker: UMAPWorker, whole: Callable[[Case], tuple[Any, int]]
) -> None:
    expected, n = whole(case)
    job = owned(case.make(worker))
    Looks(job, max(1, round(share * n)), job.owners.clear)
    job.work()
    assert not job.finished
    assert job.error is None
    kept = list(case.kept(job)) if case.kept else []
    assert kept or share < 1 or not case.kept, "the last look comes after all but the last piece"
    owned(job).work()
    assert job.finished
    assert job.error is None
    assert_same(plain(case.found(job)), expected)
    if case.kept:
        again = case.kept(job)
        assert all(any(one is other for other in again) for one in kept)


@pytest.mark.parametrize("way", ["released", "gone"])
@every_job
def test_a_runner_stops_it_and_takes_it_up_again(
    case: Case, way: str, worker: UMAPWorker, whole: Callable[[Case], tuple[Any, int]]
) -> None:
    """Its owner gives it up and asks for it again, or is away for a while."""
    expected, n = whole(case)
    here: set[Hashable] = {"me"}
    runner = Runner(present=here.__contains__, patience=0)
    reached, go = threading.Event(), threading.Event()

    def pause() -> None:
        reached.set()
        go.wait(100)

    job = case.make(worker)
    Looks(job, (n + 1) // 2, pause)
    try:
        assert runner.submit("key", lambda: job, "me") is job
        assert reached.wait(100)
        assert job.working
        if way == "released":
            runner.release("me")
        else:
            here.clear()
            runner.look()
        assert job.owners == set()
        go.set()
        until(lambda: not job.working)
        assert not job.finished
        if way == "released":
            assert runner.submit("key", lambda: job, "me") is job
        else:
            here.add("me")
            runner.look()
        assert job.owners == {"me"}
        until(lambda: not job.working)
    finally:
        go.set()
        runner.close()
    assert job.finished
    assert job.error is None
    assert_same(plain(case.found(job)), expected)


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (InputError("choose fewer."), "choose fewer."),
        (torch.OutOfMemoryError("CUDA out of memory."), "the GPU has too little memory for th"),
        (RuntimeError("MPS backend out of memory (allocated: 18 GB)"), "the GPU has too little memory for th"),
        (MemoryError(), "this machine has too little memory for th"),
    ],
    ids=["input", "cuda", "mps", "memory"],
)
@every_job
def test_what_goes_wrong_is_a_sentence(case: Case, raised: Exception, said: str, worker: UMAPWorker) -> None:
    def fail() -> None:
        raise raised

    job = owned(case.make(worker))
    job._check = fail
    job.work()
    assert job.finished
    assert (job.error or "").startswith(said)
    assert (job.error or "").endswith(".")


@pytest.mark.parametrize("case", [case for case in CASES if case.bad], ids=lambda case: case.kind.__name__)
def test_what_cannot_be_is_one_sentence(case: Case, worker: UMAPWorker) -> None:
    assert case.bad is not None
    for job, words in case.bad(worker):
        owned(job).work()
        assert job.finished
        assert words in (job.error or "")
        assert (job.error or "").endswith(".")
        assert "\n" not in (job.error or "")


@pytest.fixture
def unfinished() -> Iterator[Run]:
    run = Run(mnist(), CONFIG, owners={"other"})
    yield run
    run.done.set()


@pytest.mark.parametrize("end", ["left", "failed"])
@pytest.mark.parametrize("case", [case for case in CASES if case.waiting], ids=lambda case: case.kind.__name__)
def test_it_waits_for_its_run(case: Case, end: str, unfinished: Run) -> None:
    assert case.waiting is not None
    job = owned(case.waiting(unfinished))
    looks = Looks(job)
    thread = threading.Thread(target=job.work)
    thread.start()
    until(lambda: looks.n > 2)
    if end == "left":
        job.owners.clear()
    else:
        unfinished.error = "a sentence."
        unfinished.done.set()
    thread.join(100)
    assert not thread.is_alive()
    assert job.error == (None if end == "left" else "a sentence.")
    assert not job.complete
