"""The three variants differ in exactly one term, and their gradients are right."""

import math

import pytest
import torch
from torch.func import functional_call

from dr_transformer.training.data import init_generator
from dr_transformer.training.loop import train
from dr_transformer.training.models import SelfAttention, initialise, learned_a
from dr_transformer.training.settings import ATTENTIONS, PRESETS, RunConfig
from dr_transformer.training.trainer import cross_entropy, make_model
from tests.training.tiny import SETTINGS, changed, data, image_data, text_data

FLOAT64 = RunConfig(device="cpu", precision="float64")


def numbers(row):
    return torch.tensor(row.train["loss"] + row.curve["val_loss"], dtype=torch.float64)


@pytest.mark.parametrize("task", ["lm", "vit"])
@pytest.mark.parametrize(("a", "attention"), [(0.0, "standard"), (1.0, "laplacian")])
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_a_fixed_to_0_is_standard_and_to_1_the_laplacian(task: str, a: float, attention: str, dropout: float) -> None:
    """The whole run: losses of every iteration and evaluations; so the gradients of all steps, too."""
    content, run = data(task), RunConfig(device="cpu")
    ours = train(changed(task, a_start=a, a_learned=False, dropout=dropout), "learned", 3, data=content, run=run)
    theirs = train(changed(task, dropout=dropout), attention, 3, data=content, run=run)
    assert len(ours.train["loss"]) == 12
    torch.testing.assert_close(numbers(ours), numbers(theirs), rtol=0, atol=1e-6)
    assert ours.curve["a"] == [a] * len(ours.curve["step"])
    other = train(changed(task, dropout=dropout), {"standard": "laplacian"}.get(attention, "standard"), 3, data=content)
    assert (numbers(other) - numbers(theirs)).abs().max() > 1e-4


@pytest.mark.parametrize("task", ["lm", "vit"])
@pytest.mark.parametrize(("a", "attention"), [(0.0, "standard"), (1.0, "laplacian")])
def test_a_fixed_gives_the_gradients_of_the_other_variant(task: str, a: float, attention: str) -> None:
    content, settings = data(task), changed(task, a_start=a)
    gradients = []
    for variant in ("learned", attention):
        model = make_model(settings, variant, 5, content).double()
        loss_of(model, content, settings).backward()
        gradients.append({n: p.grad for n, p in model.named_parameters() if not n.endswith(".a")})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], rtol=0, atol=1e-6)


def loss_of(model, content, settings):
    x, y = content.batch(settings, 5, 0, 0)
    return cross_entropy(model(x.double() if x.is_floating_point() else x), y)


@pytest.mark.parametrize("per_layer", [False, True])
@pytest.mark.parametrize("task", ["lm", "vit"])
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_gradients_against_finite_differences(task: str, attention: str, per_layer: bool) -> None:
    """Every entry of every parameter, in float64, by central differences."""
    size = {"n_layer": 2, "n_head": 2, "n_embd": 4, "batch_size": 3, "a_per_layer": per_layer, "bias": True}
    settings = changed(task, block_size=3, **size) if task == "lm" else changed(task, patch_size=2, **size)
    content = text_data(60) if task == "lm" else image_data(side=4)
    model = make_model(settings, attention, 0, content).double()
    with torch.no_grad():
        for p in model.parameters():  # larger than initial weights, so that nothing is nearly 0
            p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(1), dtype=p.dtype), alpha=0.3)
    names, values = zip(*model.named_parameters(), strict=True)
    assert sum(name.endswith(".a") for name in names) == {"learned": 1 + per_layer}.get(attention, 0)
    x, y = content.batch(settings, 0, 0, 0)
    x = x.double() if x.is_floating_point() else x

    def loss(*parameters):
        return cross_entropy(functional_call(model, dict(zip(names, parameters, strict=True)), (x,)), y)

    exact = torch.autograd.grad(loss(*values), values)
    step, worst = 1e-5, 0.0
    for number, (parameter, gradient) in enumerate(zip(values, exact, strict=True)):
        flat = parameter.detach().clone().view(-1)
        others = [p.detach() for p in values]
        for i in range(flat.numel()):
            sides = []
            for sign in (1, -1):
                moved = flat.clone()
                moved[i] += sign * step
                others[number] = moved.view(parameter.shape)
                with torch.no_grad():
                    sides.append(loss(*others).item())
            worst = max(worst, abs((sides[0] - sides[1]) / (2 * step) - gradient.view(-1)[i].item()))
    assert worst < 1e-8
    assert max(gradient.abs().max().item() for gradient in exact) > 1e-2


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("a", [None, 1.0, 0.3])
def test_attention_is_the_formula(a: float | None, causal: bool) -> None:
    """(softmax(q kᵀ / √d) − a I) v, head by head, with the matrix held whole."""
    term = torch.nn.Parameter(torch.tensor(a)) if a == 0.3 else a
    module = SelfAttention(SETTINGS["lm"], term, causal=causal).double()
    x = torch.randn(3, 7, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    q, k, v = (x @ module.c_attn.weight.T).split(16, dim=2)
    heads = []
    for h in range(2):
        own = slice(8 * h, 8 * h + 8)
        logits = q[..., own] @ k[..., own].mT / math.sqrt(8)
        if causal:
            logits = logits.masked_fill(torch.ones(7, 7).triu(1).bool(), -math.inf)
        matrix = logits.softmax(-1) - (a or 0.0) * torch.eye(7)
        heads.append(matrix @ v[..., own])
    expected = torch.cat(heads, dim=2) @ module.c_proj.weight.T
    torch.testing.assert_close(module(x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("task", ["lm", "vit"])
def test_one_scalar_for_the_model_or_one_for_each_block(task: str) -> None:
    content = data(task)
    one = make_model(SETTINGS[task], "learned", 0, content)
    each = make_model(changed(task, a_per_layer=True), "learned", 0, content)
    assert learned_a(one) == [0.5]
    assert learned_a(each) == [0.5, 0.5]
    for model, n in ((one, 1), (each, 2)):
        assert len({id(module.a) for module in model.modules() if isinstance(module, SelfAttention)}) == n
    assert learned_a(make_model(SETTINGS[task], "laplacian", 0, content)) is None


def test_gpt2_has_124_million_parameters() -> None:
    settings = PRESETS["lm"]["gpt2"]
    with torch.device("meta"):
        model = text_data().model(settings, "standard")
    n = sum(p.numel() for p in model.parameters())
    # The parameters of GPT-2 small (124 439 808) less its biases, with the vocabulary of nanoGPT, padded from 50257.
    biases = 12 * (2 * 768 + 768 * 3 + 768 + 768 * 4 + 768) + 768
    assert n == 124_439_808 - biases + (50304 - 50257) * 768


def test_initial_weights_are_gpt2s() -> None:
    settings = changed("lm", n_embd=256, n_layer=8)
    model = text_data().model(settings, "standard")
    initialise(model, settings, init_generator(0))
    weights = dict(model.named_parameters())
    assert weights["h.0.attn.c_attn.weight"].std().item() == pytest.approx(0.02, rel=0.01)
    assert weights["h.7.mlp.c_proj.weight"].std().item() == pytest.approx(0.02 / 4, rel=0.01)
    assert weights["h.3.ln_1.weight"].eq(1).all()
