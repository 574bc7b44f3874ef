"""In which format products are taken: what "auto" chooses, what the processor can, what a run says of it."""

import math
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from dr_transformer.bench.cases import left_out, precisions
from dr_transformer.cli.commands import main
from dr_transformer.config import Config
from dr_transformer.data.dataset import Dataset, load
from dr_transformer.engine.run import Run, deviation_from_float64
from dr_transformer.hardware import products
from dr_transformer.hardware.products import Products, multiplies_bfloat16
from dr_transformer.model import unroll as model
from dr_transformer.model.unroll import resolve_precision, resolve_products, unroll
from dr_transformer.ui.link import read_link
from dr_transformer.ui.text import status_line
from tests.helpers.machine import WITH_FLOAT64

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
    assert chosen(100, precision="bfloat16") == "float32"


def test_latents_stay_float32_between_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "multiplies_bfloat16", lambda _: True)
    monkeypatch.setattr(model, "multiplies_bfloat16", lambda _: True)
    monkeypatch.setattr(products, "_onednn_is_faster", lambda _: False)
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
    monkeypatch.setattr(model, "without_bfloat16", lambda _: None)
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
    same = deviation_from_float64(dataset, Config(**run.config.to_dict() | {"precision": "bfloat16"}))
    assert run.deviation == pytest.approx(same, rel=1e-9)  # float64 sums differ in the last digit by where arrays lie
    assert (run.deviation or 0) > 20 * deviation_from_float64(dataset, Config(n_components=16, precision="float32"))
    assert f"bfloat16 products on CPU, {run.deviation:.0e} from float64 on a subsample of 500" in status_line(run, None)


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
    monkeypatch.setattr(products, "_onednn_limit", lambda: "all")
    assert multiplies_bfloat16(CPU) is expected
    assert products._onednn_is_faster(torch.bfloat16) is expected


def test_without_bfloat16_a_run_is_float32s_and_one_sentence_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """In Python a warning, in the terminal a line; the app does not offer it, and a link that asks for it is mended."""
    monkeypatch.setattr(products, "_capabilities", dict)
    Y = np.abs(np.random.default_rng(0).normal(size=(50, 9))).astype(np.float32)
    asked = Config(n_components=4, precision="bfloat16", device="cpu")
    with pytest.warns(UserWarning, match="bfloat16") as said:
        found = list(unroll(Y, asked))[-1].X
    assert len(said) == 1
    assert torch.equal(found, list(unroll(Y, Config(n_components=4, precision="float32", device="cpu")))[-1].X)
    assert resolve_precision(asked, Y.dtype, 50) == "float32"
    flags = ["--dataset", "digits", "--n-samples", "60", "--precision", "bfloat16", "--device", "cpu"]
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # as in the terminal
        assert main(["embed", str(tmp_path / "latents.npz"), *flags]) == 0
    assert capsys.readouterr().err.count("bfloat16") == 1
    values, problems = read_link({"precision": "bfloat16"})
    assert "precision" not in values
    assert len(problems) == 1
    assert precisions("cpu") == ("float32",)
    assert "bfloat16" in (left_out() or "")


_CHOICE = """
import torch
from dr_transformer.config import Config
from dr_transformer.model.unroll import resolve_products
from dr_transformer.hardware.products import Products, multiplies_bfloat16, _capabilities
cpu, found = torch.device("cpu"), _capabilities()
wide = found.get("avx512_bf16") or found.get("amx_bf16")
amd = str(found.get("cpu_name", "")).startswith("AMD") and found.get("avx2")
assert multiplies_bfloat16(cpu) == bool(wide and {bfloat16})
assert (Products(torch.float32, cpu)._linear is not None) == bool(amd and {onednn})
of = resolve_products(Config(precision="bfloat16"), torch.float32, 10, cpu)
assert of == (torch.bfloat16 if wide and {bfloat16} else torch.float32)
X = torch.randn(900, 16)
for dtype in {{torch.float32, of}}:
    multiply = Products(dtype, cpu)
    own, total = X.to(dtype), multiply.total(X)
    E = multiply.exponentials(own / 9, own / 9, own.new_zeros(900))
    multiply.add(total, E, multiply.values(own))
    multiply.add(total, E.T, multiply.values(own))
    right = 2 * torch.exp(X.double() / 9 @ X.double().T / 9)
    bound = 2e-6 if dtype == torch.float32 else 3e-2
    assert (total.sums - right.sum(1)).abs().max() < bound * right.sum(1).max()
    assert (total.weighted - right @ X.double()).abs().max() < bound * (right @ X.double()).abs().max()
"""


@pytest.mark.parametrize(
    ("switches", "onednn", "bfloat16"),
    [
        ({"DNNL_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}, True, False),
        ({"DNNL_MAX_CPU_ISA": "AVX"}, False, False),
        ({"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}, True, False),
        ({"ATEN_CPU_CAPABILITY": "avx2"}, True, True),
    ],
)
def test_the_choice_follows_onednns_switch(switches: dict[str, str], onednn: bool, bfloat16: bool) -> None:
    """In a process of its own, for both libraries read their switches once; what is chosen gives the right products."""
    others = {k: v for k, v in os.environ.items() if not k.endswith(("_MAX_CPU_ISA", "_CPU_CAPABILITY"))}
    code = _CHOICE.format(onednn=onednn, bfloat16=bfloat16)
    subprocess.run([sys.executable, "-c", code], check=True, env=others | switches)


def test_onednn_multiplies_float32_on_amd_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_onednn_limit", lambda: "all")
    for name, expected in (("AMD EPYC 9655", True), ("Intel(R) Xeon(R)", False)):
        monkeypatch.setattr(products, "_capabilities", lambda name=name: {"cpu_name": name, "avx2": True})
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
        multiply._upright = False
    total = multiply.total(torch.empty(3, 2, device=device))
    total.weighted.add_(0.5)
    multiply.add(total, E, multiply.values(values))
    assert total.weighted.tolist() == [[4099.5] * 2] * 3
    assert total.sums.tolist() == [4099] * 3
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_exponentials_beyond_the_normal_numbers_are_zero(dtype: torch.dtype) -> None:
    """Products of denormal numbers take ten times as long: α = 300 took twelve times as long as 30."""
    smallest = math.log(torch.finfo(dtype).tiny)
    logits = torch.linspace(2 * smallest, 0, 700, dtype=dtype)
    multiply = Products(dtype, torch.device("cpu"))
    E = multiply.exponentials(logits[:, None], torch.ones(3, 1, dtype=dtype), torch.zeros(3, dtype=dtype), 2 * smallest)
    plain = logits.exp()[:, None].expand(-1, 3)
    normal = plain >= torch.finfo(dtype).tiny
    assert not normal.all()
    torch.testing.assert_close(E[normal], plain[normal])
    assert (E[~normal] == 0).all()
