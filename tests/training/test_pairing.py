"""For one seed every variant starts from the same weights and sees the same batches; nothing global is touched."""

import numpy as np
import pytest
import torch

from dr_transformer.training.data import TextData
from dr_transformer.training.loop import train
from dr_transformer.training.parallel import ALONE
from dr_transformer.training.settings import ATTENTIONS, RunConfig
from dr_transformer.training.trainer import Trainer, make_model
from tests.training.tiny import DEVICES, RUNS, SETTINGS, changed, data


@pytest.mark.parametrize("task", ["lm", "vit"])
def test_initial_weights_are_the_same_for_all_variants_and_differ_by_seed(task: str) -> None:
    content = data(task)
    models = {
        attention: dict(make_model(SETTINGS[task], attention, 7, content).named_parameters())
        for attention in ATTENTIONS
    }
    learned = {name: p for name, p in models["learned"].items() if not name.endswith(".a")}
    for other in (models["laplacian"], learned):
        assert other.keys() == models["standard"].keys()
        assert all(torch.equal(other[name], p) for name, p in models["standard"].items())
    another = dict(make_model(SETTINGS[task], "standard", 8, content).named_parameters())
    drawn = [name for name, p in another.items() if p.std() > 0]
    assert len(drawn) >= 9
    assert not any(torch.equal(another[name], models["standard"][name]) for name in drawn)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("task", ["lm", "vit"])
def test_all_variants_are_given_the_same_batches(task: str, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = data(task)
    settings = changed(task, gradient_accumulation_steps=2, batch_size=4)
    seen: dict[tuple[str, int], list[torch.Tensor]] = {}
    kind, batch = type(content), type(content).batch

    def watched(self, *arguments):
        x, y = batch(self, *arguments)
        now.extend([x, y])
        return x, y

    monkeypatch.setattr(kind, "batch", watched)
    for seed in (0, 1):
        for attention in ATTENTIONS:
            now = seen[attention, seed] = []
            train(settings, attention, seed, data=content, run=RUNS[device])
    first = seen["standard", 0]
    assert len(first) == 2 * 2 * 12
    for attention in ATTENTIONS:
        assert all(torch.equal(a, b) for a, b in zip(first, seen[attention, 0], strict=True))
        assert not any(torch.equal(a, b) for a, b in zip(first[::2], seen[attention, 1][::2], strict=True))
    micro_batches = {part.numpy().tobytes() for part in first[::2]}
    assert len(micro_batches) == 24  # no two are the same


@pytest.mark.parametrize("task", ["lm", "vit"])
def test_validation_is_the_same_whole_set_for_everybody(task: str) -> None:
    content, settings = data(task), SETTINGS[task]
    batches = list(content.validation(settings, 0, 1))
    y = torch.cat([part.reshape(-1) for _, part in batches]).numpy()
    if isinstance(content, TextData):
        n = (len(content.val) - 1) // 8 * 8
        np.testing.assert_array_equal(y, content.val[1 : n + 1])
        x = torch.cat([part.reshape(-1) for part, _ in batches]).numpy()
        np.testing.assert_array_equal(x, content.val[:n])
    else:
        np.testing.assert_array_equal(y, content.val_labels)
    shares = [torch.cat([part for _, part in content.validation(settings, rank, 3)]) for rank in range(3)]
    assert sum(share.numel() for share in shares) == y.size
    assert sorted(torch.cat(shares).reshape(-1).tolist()) == sorted(y.tolist())


def test_evenly_spread_validation_windows() -> None:
    content, settings = data("lm"), changed("lm", eval_windows=3)
    (x, _), *more = content.validation(settings, 0, 1)
    n = (len(content.val) - 1) // 8
    assert not more
    for window, place in zip(x.numpy(), (0, n // 3, 2 * n // 3), strict=True):
        np.testing.assert_array_equal(window, content.val[8 * place : 8 * place + 8])


@pytest.mark.parametrize("device", DEVICES)
def test_the_validation_loss_is_that_of_all_tokens(device: str) -> None:
    """Batches of the validation set of unequal size weigh as many tokens as they have."""
    content = data("lm")
    settings = changed("lm", max_iters=1, warmup_iters=0)
    run = RunConfig(device=device, precision="float32", compile="no")
    row = train(settings, "laplacian", 0, data=content, run=run)
    model = make_model(settings, "laplacian", 0, content).double()
    n = (len(content.val) - 1) // 8 * 8
    tokens = torch.from_numpy(content.val[: n + 1].astype(np.int64))
    with torch.no_grad():
        each = torch.nn.functional.cross_entropy(
            model(tokens[:-1].view(-1, 8)).view(n, -1), tokens[1:], reduction="none"
        )
    assert row.curve["val_loss"][0] == pytest.approx(each.mean().item(), abs=1e-6 if device == "cpu" else 1e-4)
    assert row.curve["step"] == [0, 1]


def test_accuracy_is_the_share_of_images_that_are_right() -> None:
    content = data("vit")
    settings = changed("vit", max_iters=60, learning_rate=3e-3, min_lr=0, eval_interval=60)
    row = train(settings, "learned", 0, data=content, run=RunConfig(device="cpu"))
    assert row.curve["step"] == [0, 60]
    assert row.final_val_accuracy == row.best_val_accuracy
    assert row.final_val_accuracy is not None
    assert 0.9 < row.final_val_accuracy <= 1
    assert row.final_val_accuracy * 40 == pytest.approx(round(row.final_val_accuracy * 40), abs=1e-12)
    trainer = Trainer(settings, "learned", 0, content, RunConfig(device="cpu"), ALONE)
    (x, y), *_ = content.validation(settings, 0, 1)
    assert row.curve["val_accuracy"][0] == (trainer.model(x).argmax(1) == y).double().mean().item()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("task", ["lm", "vit"])
def test_torch_and_numpys_own_random_states_are_left_alone(task: str, device: str) -> None:
    content, run = data(task), RUNS[device]
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    gpu_before = torch.cuda.get_rng_state_all()  # empty without a GPU
    first = train(changed(task, dropout=0.3), "learned", 1, data=content, run=run)
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert all(torch.equal(a, b) for a, b in zip(torch.cuda.get_rng_state_all(), gpu_before, strict=True))
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_before)
    torch.rand(5, device=device)  # whatever somebody else draws makes no difference
    again = train(changed(task, dropout=0.3), "learned", 1, data=content, run=run)
    torch.rand(1, device=device)
    off = 0 if device == "cpu" else 1e-2  # a GPU's sums come in any order, in bfloat16 there; other masks are 0.1 off
    assert again.train["loss"] == pytest.approx(first.train["loss"], abs=off)
    assert again.curve["val_loss"] == pytest.approx(first.curve["val_loss"], abs=off)


def test_images_are_seen_once_in_each_pass() -> None:
    content, settings = data("vit"), SETTINGS["vit"]  # 80 images in batches of 8
    places = {image.tobytes(): i for i, image in enumerate(content.train)}
    mean, std = content._scale
    for seed in (0, 1):
        passes = []
        for epoch in range(2):
            batches = [content.batch(settings, seed, 10 * epoch + i, 0)[0] for i in range(10)]
            pixels = (torch.cat(batches) * std + mean).round().to(torch.uint8).numpy()
            passes.append([places[image.tobytes()] for image in pixels])
            assert sorted(passes[-1]) == list(range(80))
        assert passes[0] != passes[1]


def test_pixels_are_scaled_to_mean_0_and_variance_1() -> None:
    content = data("vit")
    scaled = content._scaled(content.train)
    assert scaled.double().mean().item() == pytest.approx(0, abs=1e-6)
    assert scaled.double().std(correction=0).item() == pytest.approx(1, abs=1e-6)
