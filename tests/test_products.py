"""In which format products are taken: what "auto" chooses, what the processor can, what a run says of it."""

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from dr_transformer import model, products
from dr_transformer.config import Config
from dr_transformer.data import Dataset, load
from dr_transformer.model import resolve_precision, resolve_products, unroll
from dr_transformer.products import Products, multiplies_bfloat16
from dr_transformer.run import Run, deviation_from_float64
from dr_transformer.ui.summary import status_line
from tests.machine import WITH_FLOAT64

CPU = torch.device("cpu")


def test_auto_is_bfloat16_where_it_is_worth_it_and_right(monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(n: int, latents: torch.dtype = torch.float32, **settings: object) -> str:
        return str(resolve_products(Config(**settings), latents, n, CPU)).removeprefix("torch.")

    monkeypatch.setattr(model, "multiplies_bfloat16", lambda _: True)
    assert chosen(20_001) == "bfloat16"
    assert chosen(20_000) == "float32"
    assert chosen(20_001, torch.float64) == "float64"
    assert chosen(20_001, alpha=31) == chosen(20_001, n_heads=2) == chosen(20_001, precision="float32") == "float32"
    assert chosen(100, precision="bfloat16") == "bfloat16"
    monkeypatch.setattr(model, "multiplies_bfloat16", lambda _: False)
    assert chosen(20_001) == "float32"
    assert chosen(100, precision="bfloat16") == "bfloat16"


def test_latents_stay_float32_between_steps() -> None:
    Y = np.abs(np.random.default_rng(0).normal(size=(50, 9)))
    for step in unroll(Y, Config(n_components=4, precision="bfloat16")):
        assert step.X.dtype == torch.float32
    assert resolve_precision(Config(precision="bfloat16"), Y.dtype, 50) == "bfloat16"
    assert resolve_precision(Config(), Y.dtype, 10**6) == "float64"


@pytest.fixture
def large_run(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Run, Dataset]]:
    """A run that counts as large, on a processor that multiplies bfloat16."""
    monkeypatch.setattr(model, "LARGE", 600)
    monkeypatch.setattr(model, "multiplies_bfloat16", lambda _: True)
    dataset = load("mnist", 700)
    run = Run(dataset, Config(n_components=16, n_blocks=3, device="cpu"))
    run.owners.add("a")
    yield run, dataset
    run.owners.clear()


def test_a_bfloat16_run_says_so(large_run: tuple[Run, Dataset]) -> None:
    """The deviation is that of bfloat16, though "auto" would take float32 for the subsample itself."""
    run, dataset = large_run
    run.work()
    assert run.error is None
    assert run.precision == "bfloat16"
    assert run.full.latents[-1].dtype == np.float32
    assert run.deviation == deviation_from_float64(dataset, Config(**run.config.to_dict() | {"precision": "bfloat16"}))
    assert (run.deviation or 0) > 20 * deviation_from_float64(dataset, Config(n_components=16, precision="float32"))
    assert f"bfloat16 products on CPU, {run.deviation:.0e} from float64 on a subsample of 500" in status_line(
        run, False
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({}, False),
        ({"avx512_f": True}, False),
        ({"avx512_f": True, "avx512_bf16": True}, True),
        ({"amx_bf16": True}, True),
    ],
)
def test_bfloat16_is_the_processors_own(
    found: dict[str, bool], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "_capabilities", lambda: found)
    assert multiplies_bfloat16(CPU) is expected
    assert products._onednn_is_faster(torch.bfloat16) is expected


def test_onednn_multiplies_float32_on_amd_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, expected in (("AMD EPYC 9655", True), ("Intel(R) Xeon(R)", False)):
        monkeypatch.setattr(products, "_capabilities", lambda name=name: {"cpu_name": name, "avx512_f": True})
        assert products._onednn_is_faster(torch.float32) is expected
        assert products._onednn_is_faster(torch.float64) is False


def test_older_versions_of_pytorch_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """No list of capabilities, no oneDNN product: plain products."""
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert multiplies_bfloat16(CPU) is False
    assert products._onednn_is_faster(torch.float32) is False
    monkeypatch.setattr(torch.ops, "mkldnn", object())
    assert products._onednn_linear.__wrapped__() is None


@pytest.mark.parametrize("device", WITH_FLOAT64)
def test_a_gpus_partial_products_are_not_rounded(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """4 099 ones and a half: no such number is in bfloat16. The CPU stands in for a GPU where there is none."""
    asked = []

    def mm(left: Tensor, right: Tensor, *, out_dtype: torch.dtype) -> Tensor:
        asked.append(out_dtype)
        return left.to(out_dtype) @ right.to(out_dtype)

    E, values = (torch.ones(shape, dtype=torch.bfloat16, device=device) for shape in [(3, 4099), (4099, 2)])
    multiply = Products(torch.bfloat16, torch.device(device))
    assert multiply._widens is (device == "cuda")
    if device == "cpu":
        multiply._linear, multiply._widens = None, True
        monkeypatch.setattr(torch, "mm", mm)
    total = torch.full((3, 2), 0.5, device=device)
    multiply.add(total, E, values)
    assert total.tolist() == [[4099.5] * 2] * 3
    assert asked == ([torch.float32] if device == "cpu" else [])


def test_pytorch_multiplies_into_float32_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The argument is there and means what we take it for; without it, as before PyTorch 2.8, we do without."""
    E = torch.empty(3, 5, dtype=torch.bfloat16, device="meta")
    if hasattr(torch.ops.aten.mm, "dtype"):
        assert torch.mm(E, E.T, out_dtype=torch.float32).dtype == torch.float32
        assert products._multiplies_into_float32(torch.device("cuda"))
    assert not products._multiplies_into_float32(CPU)
    monkeypatch.setattr(torch.ops.aten, "mm", SimpleNamespace(out=None))
    assert not products._multiplies_into_float32(torch.device("cuda"))
