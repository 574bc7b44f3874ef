"""The schedule, what decays, and the precisions."""

import itertools
import math
import statistics
from dataclasses import replace

import pytest
import torch

from dr_transformer.errors import InputError
from dr_transformer.paths import asset
from dr_transformer.training.loop import train
from dr_transformer.training.optimisation import learning_rate, make_optimizer
from dr_transformer.training.results import read_results
from dr_transformer.training.settings import PRESETS, TASKS, RunConfig, parse_seeds, preset, settings_hash
from dr_transformer.training.trainer import make_model
from tests.helpers.machine import WITH_FLOAT64
from tests.training.tiny import RUNS, changed, data


def test_the_schedule_is_nanogpts() -> None:
    settings = changed("lm", warmup_iters=10, learning_rate=1.0, min_lr=0.1)
    rates = [learning_rate(settings, i, 110) for i in range(111)]
    assert rates[:11] == pytest.approx([(i + 1) / 11 for i in range(11)])
    assert rates[10] == 1
    assert rates[60] == pytest.approx(0.55)
    assert rates[110] == pytest.approx(0.1)
    assert all(a > b for a, b in itertools.pairwise(rates[10:]))
    assert learning_rate(changed("lm", warmup_iters=0), 0, 1) == changed("lm").learning_rate


def test_a_and_vectors_do_not_decay_and_a_fixed_a_is_not_trained() -> None:
    settings, content = changed("vit", weight_decay=0.7), data("vit")
    model = make_model(settings, "learned", 0, content)
    decayed, free = make_optimizer(model, settings).param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.7, 0)
    assert all(p.dim() == 2 for p in decayed["params"])
    assert any(p.shape == () for p in free["params"])
    assert len(decayed["params"]) + len(free["params"]) == len(list(model.parameters()))
    fixed = make_optimizer(make_model(changed("vit", a_learned=False), "learned", 0, content), settings)
    assert not any(p.shape == () for group in fixed.param_groups for p in group["params"])


def test_the_optimiser_is_adamw_with_clipping() -> None:
    """Two iterations by hand, from the formulas, in float64."""
    settings, content = changed("lm", max_iters=2, warmup_iters=0, grad_clip=0.5, weight_decay=0.3), data("lm")
    row = train(settings, "learned", 0, data=content, run=RunConfig(device="cpu", precision="float64"))
    model = make_model(settings, "learned", 0, content).double()
    moments = {name: (torch.zeros_like(p), torch.zeros_like(p)) for name, p in model.named_parameters()}
    for t in (1, 2):
        x, y = content.batch(settings, 0, t - 1, 0)
        loss = torch.nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten())
        assert row.train["loss"][t - 1] == pytest.approx(loss.item(), rel=1e-7)
        gradients = dict(zip(moments, torch.autograd.grad(loss, list(model.parameters())), strict=True))
        norm = math.sqrt(sum(g.square().sum().item() for g in gradients.values()))
        rate = learning_rate(settings, t - 1, 2)
        for name, p in model.named_parameters():
            g = gradients[name] * min(1, 0.5 / (norm + 1e-6))
            m, v = moments[name]
            m.mul_(0.9).add_(g, alpha=0.1)
            v.mul_(0.99).addcmul_(g, g, value=0.01)
            step = (m / (1 - 0.9**t)) / ((v / (1 - 0.99**t)).sqrt() + 1e-8)
            p.data -= rate * (step + (0.3 * p.data if p.dim() == 2 else 0))
    windows = (
        torch.cat([x for x, _ in content.validation(settings, 0, 1)]),
        torch.cat([y for _, y in content.validation(settings, 0, 1)]),
    )
    with torch.no_grad():
        val_loss = torch.nn.functional.cross_entropy(model(windows[0]).flatten(0, 1), windows[1].flatten())
    assert row.final_val_loss == pytest.approx(val_loss.item(), rel=1e-7)
    (a,) = row.curve["a_layers"][-1]
    assert a == pytest.approx(dict(model.named_parameters())["h.0.attn.a"].item(), abs=1e-9)
    assert a != 0.5


@pytest.mark.parametrize("device", WITH_FLOAT64)
@pytest.mark.parametrize("task", ["lm", "vit"])
def test_precisions_agree(task: str, device: str) -> None:
    rows = {
        precision: train(changed(task), "learned", 0, data=data(task), run=replace(RUNS[device], precision=precision))
        for precision in ("float64", "float32", "bfloat16")
    }
    exact = torch.tensor(rows["float64"].train["loss"])
    assert (torch.tensor(rows["float32"].train["loss"]) - exact).abs().max() < (1e-5 if device == "cpu" else 1e-4)
    rough = (torch.tensor(rows["bfloat16"].train["loss"]) - exact).abs().max()
    assert 1e-5 < rough < 3e-2
    assert {row.device["precision"] for row in rows.values()} == set(rows)
    assert all((row.device["gpu"] is not None) == (device == "cuda") for row in rows.values())


def test_micro_batches_are_one_batch() -> None:
    """Gradients are averaged: learning from k micro-batches is learning from all of them at once."""
    content, settings = data("lm"), changed("lm", batch_size=4, gradient_accumulation_steps=3, max_iters=6)

    class Joined:
        info, classify = content.info, False
        check, model, validation = content.check, content.model, content.validation

        def batch(self, settings, seed, iteration, micro):
            assert micro == 0
            parts = [content.batch(settings, seed, iteration, k) for k in range(3)]
            return torch.cat([x for x, _ in parts]), torch.cat([y for _, y in parts])

    ours = train(settings, "laplacian", 0, data=content, run=RunConfig(device="cpu"))
    theirs = train(changed("lm", batch_size=4, max_iters=6), "laplacian", 0, data=Joined(), run=RunConfig(device="cpu"))
    assert ours.curve["val_loss"] == pytest.approx(theirs.curve["val_loss"], abs=1e-6)
    assert ours.train["loss"] == pytest.approx(theirs.train["loss"], abs=1e-6)


def test_presets_are_what_they_are_named_after() -> None:
    """nanoGPT's config/train_shakespeare_char.py and config/train_gpt2.py, and what the paper says of its ViT."""
    shakespeare, gpt2, vit = PRESETS["lm"]["shakespeare"], PRESETS["lm"]["gpt2"], PRESETS["vit"]["imagenet16"]
    assert shakespeare.to_dict() | {
        "n_layer": 6, "n_head": 6, "n_embd": 384, "block_size": 256, "batch_size": 64, "dropout": 0.2, "beta2": 0.99,
        "learning_rate": 1e-3, "min_lr": 1e-4, "max_iters": 5000, "warmup_iters": 100, "gradient_accumulation_steps": 1,
        "weight_decay": 0.1, "beta1": 0.9, "grad_clip": 1.0, "bias": False, "eval_interval": 250,
    } == shakespeare.to_dict()  # fmt: skip
    assert gpt2.to_dict() | {
        "n_layer": 12, "n_head": 12, "n_embd": 768, "block_size": 1024, "batch_size": 12, "dropout": 0.0, "beta2": 0.95,
        "learning_rate": 6e-4, "min_lr": 6e-5, "max_iters": 600_000, "warmup_iters": 2000, "vocab_size": 50304,
        "gradient_accumulation_steps": 5 * 8, "weight_decay": 0.1, "beta1": 0.9, "grad_clip": 1.0, "bias": False,
    } == gpt2.to_dict()  # fmt: skip
    assert vit.to_dict() | {
        "patch_size": 4, "n_layer": 12, "n_embd": 256, "n_head": 4, "dropout": 0.1, "learning_rate": 1e-3, "epochs": 50,
    } == vit.to_dict()  # fmt: skip
    assert {p.a_start for presets in PRESETS.values() for p in presets.values()} == {0.5}


def test_the_minute_presets_are_those_of_the_shipped_results() -> None:
    """Rows of other settings are other experiments: a change here needs new runs."""
    assert settings_hash("lm", PRESETS["lm"]["minute"], "") == "529d9783935d9e8a"
    assert settings_hash("vit", PRESETS["vit"]["minute"], "") == "4090eb9a2d60fdfa"


def test_a_schedule_that_does_not_come_down_is_refused() -> None:
    with pytest.raises(InputError, match=r"min_lr = 0\.002 is above learning_rate = 0\.001"):
        changed("lm", min_lr=2e-3)
    assert changed("lm", min_lr=1e-3).min_lr == 1e-3  # constant after the warm-up
    with pytest.raises(InputError, match=r"warmup_iters = 100 is not below the number of iterations, 50, .* max_iters"):
        preset("lm", "shakespeare", {"max_iters": "50"}).check_warmup(1_003_854)
    epoch = preset("vit", "imagenet16", {"epochs": "1"})
    with pytest.raises(InputError, match=r"warmup_iters = 5000 is not below .*, 2502, .* or more epochs\."):
        epoch.check_warmup(1_281_167)
    replace(epoch, epochs=2).check_warmup(1_281_167)  # 5004
    for task, n_train in (("lm", 1000), ("vit", 80)):
        with pytest.raises(InputError, match="warmup_iters = 12 is not below the number of iterations, 12"):
            train(changed(task, warmup_iters=12), "standard", 0, data=data(task), run=RunConfig(device="cpu"))
        changed(task, warmup_iters=11).check_warmup(n_train)


@pytest.mark.parametrize(("task", "name"), [(task, name) for task, presets in PRESETS.items() for name in presets])
def test_presets_leave_their_warm_up(task: str, name: str) -> None:
    settings, n_train = PRESETS[task][name], 1_281_167 if name == "imagenet16" else 8000
    settings.check_warmup(n_train)
    assert settings.iterations(n_train) >= 10 * settings.warmup_iters
    assert settings.min_lr < settings.learning_rate


@pytest.mark.parametrize("task", ["lm", "vit"])
def test_how_long_a_run_of_minute_takes(task: str) -> None:
    """Some three minutes, as `dr-transformer train --help` says."""
    seconds = [row.seconds for row in read_results(asset(f"results/minute-{task}.jsonl")).rows]
    assert 2 < statistics.median(seconds) / 60 < 4


def test_single_values_can_be_changed() -> None:
    settings = preset("lm", "shakespeare", {"n_layer": "2", "eval_windows": "7", "bias": True, "vocab_size": "none"})
    assert (settings.n_layer, settings.bias, settings.n_embd) == (2, True, 384)
    assert settings.to_dict()["eval_windows"] == 7
    assert TASKS["lm"].from_dict(settings.to_dict()) == settings
    with pytest.raises(InputError, match="unknown setting 'patch_size' of lm; there are n_layer"):
        preset("lm", "minute", {"patch_size": "2"})
    with pytest.raises(InputError, match="the task must be lm or vit, but is 'asr'"):
        preset("asr", "minute")


@pytest.mark.parametrize(
    ("text", "seeds"), [("0-3", (0, 1, 2, 3)), ("5", (5,)), ("0,3, 5-6,3", (0, 3, 5, 6)), ("4294967295", (2**32 - 1,))]
)
def test_seeds(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "3-1", "1,,2", "1.5", "0-9999999", "4294967296", "²", "1 2"])
def test_malformed_seeds(text: str) -> None:
    with pytest.raises(InputError, match="the seeds"):
        parse_seeds(text)
