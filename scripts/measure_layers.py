"""Train a small vision transformer on the bundled MNIST, write its layers to a file, and print how near blocks come.

    python scripts/measure_layers.py layers.npz

The file is what the explorer plays: the mean over the patches of an image, before the first layer and after each, for
images that were not trained on. Beside the trained network stand the same one before its training, and the model itself
(α = 30, η = 0.4) on the same tokens. Some minutes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dr_transformer import Config, load, unroll
from dr_transformer.theory.nearest_block import nearest_block
from dr_transformer.training.models import VisionTransformer, initialise
from dr_transformer.training.settings import ViTSettings

SETTINGS = ViTSettings(n_layer=6, n_head=4, n_embd=64, patch_size=7, dropout=0.0)
N_SHOWN = 1000


def states(model: VisionTransformer, images: Tensor) -> np.ndarray:
    """The hidden states (layers + 1, n, d): the mean over the patches of each image."""
    found: list[Tensor] = []
    hooks = [model.h[0].register_forward_pre_hook(lambda _, given: found.append(given[0]))]
    hooks += [block.register_forward_hook(lambda _, __, result: found.append(result)) for block in model.h]
    with torch.no_grad():
        model(images)
    for hook in hooks:
        hook.remove()
    return torch.stack([X[:, 1:].mean(dim=1) for X in found]).numpy()


def train(model: nn.Module, images: Tensor, labels: Tensor, iterations: int) -> None:
    """AdamW on batches of 64, with a rate that falls to 0 as a cosine does."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, iterations)
    generator = torch.Generator().manual_seed(1)
    for iteration in range(iterations):
        rows = torch.randint(len(images), (64,), generator=generator)
        loss = nn.functional.cross_entropy(model(images[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if iteration % 200 == 0:
            print(f"iteration {iteration}: loss {loss.item():.3f}", file=sys.stderr)


def table(name: str, trajectory: np.ndarray) -> None:
    """Print a line for each layer."""
    for layer in range(1, len(trajectory)):
        fit = nearest_block(trajectory[layer - 1], trajectory[layer])
        numbers = f"{fit.alpha:.3g} | {fit.eta:.2g} | {fit.left:.3f} | {fit.unmoved:.3f}"
        print(f"| {name} | {layer} | {numbers} | {max(0.0, 1 - fit.left / fit.unmoved):.0%} |")


def main() -> None:
    """Train, write the file and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path, help="the .npz file to write")
    parser.add_argument("--iterations", type=int, default=1500)
    options = parser.parse_args()
    data = load("mnist", 10_000)
    assert data.labels is not None
    images = torch.tensor(data.Y.reshape(-1, 1, 28, 28) / np.float32(255))
    labels = torch.tensor(data.labels)
    shown = slice(len(images) - N_SHOWN, None)
    model = VisionTransformer(SETTINGS, 1, 28, 10, "standard")
    initialise(model, SETTINGS, torch.Generator().manual_seed(0))
    before = states(model, images[shown])
    train(model, images[:-N_SHOWN], labels[:-N_SHOWN], options.iterations)
    with torch.no_grad():
        accuracy = (model(images[shown]).argmax(dim=1) == labels[shown]).float().mean()
    print(f"accuracy on the {N_SHOWN} images that were not trained on: {accuracy:.1%}\n")
    trained = states(model, images[shown])
    np.savez(options.out, trajectory=trained, labels=data.labels[shown], images=data.Y[shown].reshape(-1, 28, 28))
    print("| network | layer | α | η | left over | if nothing moved | explained |\n|---|---|---|---|---|---|---|")
    table("trained", trained)
    table("before training", before)
    own = [step.X.numpy() for step in unroll(data.Y[shown], Config(n_blocks=2, n_components=64)) if step.ends_block]
    table("the model", np.stack(own))


if __name__ == "__main__":
    main()
