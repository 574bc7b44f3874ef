"""Which device computes what: on this machine, and on machines with other accelerators.

Where there is no Apple GPU, `apple_gpu` stands in for one.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from dr_transformer import Config, InputError, LaplacianEigenmaps, TransformerDR, load, unroll
from dr_transformer.bench.cases import cases
from dr_transformer.bench.large import large_cases
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.adjacency import AdjacencyRun, MatrixImage
from dr_transformer.engine.alpha import AlphaTuning
from dr_transformer.engine.inside import InsideRun, Reparametrisation, VariantRun
from dr_transformer.engine.run import Run
from dr_transformer.engine.spectrum import SpectrumRun
from dr_transformer.estimators.baselines import PCA
from dr_transformer.hardware import devices
from dr_transformer.methods.graph import knn_graph
from dr_transformer.methods.graph_store import GraphStore
from dr_transformer.model.cost import cost
from dr_transformer.model.unroll import resolve_device, resolve_dtype, resolve_precision
from dr_transformer.quality.words import device_deviation, laplacian_on, pca_on
from dr_transformer.theory.variants import Variant
from dr_transformer.training.optimisation import resolve_device as training_device
from dr_transformer.training.optimisation import resolve_precision as training_precision
from dr_transformer.training.settings import RunConfig
from tests.helpers.apple_gpu import MPS, OnGPU, apple_gpu
from tests.helpers.machine import DEVICES, pretend
from tests.helpers.oracle import relative_error
from tests.helpers.plain_landmarks import unroll_landmarks

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
SMALL = Config(n_components=16, n_blocks=2)


@pytest.fixture
def apple(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine with an Apple GPU: this one, or a stand-in."""
    with nullcontext() if "mps" in DEVICES else apple_gpu(monkeypatch):
        yield


def digits(n: int = 200) -> Dataset:
    return load("digits", n)


# --- which accelerator there is ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("built_for", "there", "found"),
    [("cuda", True, "cuda"), ("mps", True, "mps"), ("xpu", True, None), ("mps", False, None), (None, False, None)],
)
def test_torch_is_asked(built_for: str | None, there: bool, found: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """By `torch.accelerator`, which also knows what nothing here was tried on."""
    device = None if built_for is None else torch.device(built_for)
    asked = SimpleNamespace(current_accelerator=lambda: device, is_available=lambda: there)
    monkeypatch.setattr(torch, "accelerator", asked, raising=False)
    assert devices.accelerator() == found


@pytest.mark.parametrize(("cuda", "mps", "found"), [(True, False, "cuda"), (False, True, "mps"), (False, False, None)])
def test_an_older_torch_is_asked(cuda: bool, mps: bool, found: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch, "accelerator", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert devices.accelerator() == found


def test_words() -> None:
    assert [devices.spoken(kind) for kind in ("cpu", "cuda", "mps")] == ["CPU", "GPU", "GPU"]
    assert devices.gpu_name(torch.device("cpu")) is None
    assert devices.gpu_name(MPS) == "Apple GPU"
    assert devices.out_of_memory(torch.cuda.OutOfMemoryError("CUDA out of memory."))
    assert devices.out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 18.00 GB)"))
    assert not devices.out_of_memory(RuntimeError("something else"))


# --- which device computes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "asked", "precision", "data", "device", "used"),
    [
        (None, "auto", "auto", F32, "cpu", "float32"),
        ("cuda", "auto", "auto", F32, "cuda", "float32"),
        ("cuda", "auto", "auto", F64, "cuda", "float64"),
        ("cuda", "cpu", "auto", F32, "cpu", "float32"),
        ("mps", "auto", "auto", F32, "mps", "float32"),
        ("mps", "auto", "float32", F64, "mps", "float32"),
        ("mps", "auto", "auto", F64, "cpu", "float64"),  # exactness before speed, where both are left open
        ("mps", "auto", "float64", F32, "cpu", "float64"),
        ("mps", "mps", "auto", F64, "mps", "float32"),  # what is said decides what is left open
        ("mps", "mps", "bfloat16", F32, "mps", "float32"),
        ("mps", "cpu", "auto", F32, "cpu", "float32"),
    ],
)
def test_what_runs_where(
    there: str | None,
    asked: str,
    precision: str,
    data: np.dtype[Any],
    device: str,
    used: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pretend(monkeypatch, there)
    config = Config(device=asked, precision=precision)
    assert resolve_device(config, data).type == device
    assert resolve_precision(config, data, 100) == used
    assert resolve_dtype(config, data) == (torch.float64 if used == "float64" else torch.float32)


@pytest.mark.parametrize(
    ("there", "settings", "sentence"),
    [
        (
            None,
            {"device": "cuda"},
            "device = 'cuda', but PyTorch finds no CUDA GPU on this machine; use 'auto' or 'cpu'.",
        ),
        (
            None,
            {"device": "mps"},
            "device = 'mps', but PyTorch finds no Apple GPU on this machine; use 'auto' or 'cpu'.",
        ),
        ("mps", {"device": "cuda"}, "device = 'cuda', but PyTorch finds no CUDA GPU on this machine"),
        ("mps", {"device": "mps", "precision": "float64"}, "an Apple GPU cannot compute in float64; set precision to"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    there: str | None, settings: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, there)
    for refuse in (lambda: resolve_device(Config(**settings), F32), lambda: training_device(RunConfig(**settings))):
        with pytest.raises(InputError) as refused:
            refuse()
        assert sentence in str(refused.value)
        assert "\n" not in str(refused.value)


def test_several_processes_share_no_apple_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither gloo nor NCCL carries its tensors."""
    pretend(monkeypatch, "mps")
    assert resolve_device(Config(), F32, shared=True).type == "cpu"
    assert training_device(RunConfig(), shared=True).type == "cpu"
    with pytest.raises(InputError, match="cannot be shared by several processes; start one process, or set device to"):
        resolve_device(Config(device="mps"), F32, shared=True)
    pretend(monkeypatch, "cuda")
    assert resolve_device(Config(), F32, shared=True).type == "cuda"


def test_training_there_is_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "mps")
    assert training_device(RunConfig()) == MPS
    assert training_device(RunConfig(precision="float64")).type == "cpu"
    assert [training_precision(RunConfig(precision=p), MPS) for p in ("auto", "bfloat16")] == ["float32", "float32"]


def test_what_a_run_costs_there(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "mps")
    assert cost(10**5, Config()) == cost(10**5, Config(device="mps"))
    assert cost(10**5, Config(), F64) == cost(10**5, Config(device="cpu"), F64)


def test_an_apple_gpu_is_measured_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch tells no peak of its memory, and PCA, in float64, stays on the CPU."""
    pretend(monkeypatch, "mps")
    sides = {case.name: case.ours for case in [*cases(1000), *large_cases(500, (), 50)] if case.ours.gpu}
    assert list(sides) == ["8 blocks, n = 1000, float32, GPU", "8 blocks, n = 500, float32, GPU"]
    assert not any(side.measured for side in sides.values())


# --- what it computes -------------------------------------------------------------------------------------------------


def test_the_stand_in_refuses_what_the_gpu_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with apple_gpu(monkeypatch):
        X = torch.ones(3, 4).to("mps")
        assert (X.device, type(X @ X.T)) == (MPS, OnGPU)
        assert torch.equal((X + 1).cpu(), torch.full((3, 4), 2.0))
        wide = torch.ones(3, 4, dtype=torch.float64)
        for refuse in (X.double, lambda: X.sum(dtype=torch.float64), lambda: wide.to("mps"), X.numpy):
            with pytest.raises(TypeError):
                refuse()
        with pytest.raises(RuntimeError, match="same device"):
            X + torch.ones(3, 4)


@pytest.mark.parametrize(
    "changed",
    [{}, {"n_heads": 4, "mask_self": False}, {"activation": "relu"}, {"alpha": 300}, {"graph_diffusion": True}],
)
@pytest.mark.parametrize("device", ["mps", "auto"])
@pytest.mark.usefixtures("apple")
def test_the_model_is_that_of_the_cpu(device: str, changed: dict[str, Any]) -> None:
    Y = digits(400).Y
    config = Config.from_dict(SMALL.to_dict() | changed | {"device": device})
    exact = Config.from_dict(config.to_dict() | {"device": "cpu", "precision": "float64"})
    for step, reference in zip(unroll(Y.astype(np.float32), config), unroll(Y, exact), strict=True):
        assert step.X.device.type == "mps"
        assert step.X.dtype == torch.float32
        assert relative_error(step.X.cpu(), reference.X) < 1e-4


@pytest.mark.usefixtures("apple")
def test_estimators_and_landmarks_are_those_of_the_cpu() -> None:
    Y = digits(300).Y.astype(np.float32)
    model, reference = (TransformerDR(16, n_blocks=2, device=device).fit(Y[:250]) for device in ("mps", "cpu"))
    np.testing.assert_allclose(model.trajectory_, reference.trajectory_, atol=1e-5)
    np.testing.assert_allclose(model.transform(Y[200:]), reference.transform(Y[200:]), atol=1e-5)
    np.testing.assert_array_equal(model.transform(Y[:250]).dtype, np.float32)
    *_, step = unroll_landmarks(Y, SMALL, np.arange(0, 300, 3))
    assert step.X.device.type == "mps"
    for estimator in (PCA, LaplacianEigenmaps):
        np.testing.assert_array_equal(
            estimator(device="mps").fit_transform(Y), estimator(device="cpu").fit_transform(Y)
        )
    np.testing.assert_array_equal(knn_graph(Y, 5, device="mps").indices, knn_graph(Y, 5).indices)
    for method in (pca_on(2), laplacian_on(2, 5, 42)):
        assert device_deviation(method, Y, "mps") == 0


def of(kind: str, run: Run, config: Config) -> Any:
    """A job of the theory pages."""
    dataset, graphs = run.dataset, GraphStore()
    made: dict[str, Callable[[], Any]] = {
        "inside": lambda: InsideRun(run),
        "adjacency": lambda: AdjacencyRun(run, 5, graphs),
        "image": lambda: MatrixImage(run, 1, "class", 5, graphs),
        "alpha": lambda: AlphaTuning(dataset, config, 5, True, graphs),
        "spectrum": lambda: SpectrumRun(dataset, config, 4, 5, graphs),
        "gradient": lambda: VariantRun(dataset, config, Variant(attention="gradient", regulariser="exact")),
        "reparametrisation": lambda: Reparametrisation(dataset, config, 0.3),
    }
    return made[kind]()


@pytest.mark.parametrize("device", ["mps", "auto"])
@pytest.mark.usefixtures("apple")
def test_a_run_and_what_is_measured_of_it(device: str) -> None:
    """All that is in float64, or needs it to be right, is computed on the CPU, whatever the device of the run."""
    config = Config.from_dict(SMALL.to_dict() | {"device": device, "mask_self": False})
    run = Run(digits(), config, owners={"me"})
    run.work()
    assert run.error is None
    assert (run.device, run.precision) == ("mps", "float32")
    assert run.deviation is not None
    assert run.deviation < 1e-4
    for kind in ("inside", "adjacency", "image", "alpha", "spectrum", "gradient", "reparametrisation"):
        job = of(kind, run, config)
        job.owners = {"me"}
        job.work()
        assert job.error is None, kind
        assert job.complete, kind
