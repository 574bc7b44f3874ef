"""A run with landmarks as the definition has it: all tokens take each step together."""

from collections.abc import Iterator

import numpy as np
import torch

from dr_transformer.config import Config
from dr_transformer.model import landmarks as module
from dr_transformer.model.landmarks import Landmarks
from dr_transformer.model.unroll import Step


def unroll_landmarks(Y: np.ndarray, config: Config, index: np.ndarray) -> Iterator[Step]:
    """As `unroll`, the latents (n, q) of all tokens after every sub-step, but with the rows `index` as landmarks."""
    landmarks = Landmarks.of(Y, index, config)
    masked, size = landmarks.masked(len(Y)), module._CHUNK
    chunks = [slice(first, min(first + size, len(Y))) for first in range(0, len(Y), size)]
    walks = [landmarks.steps(Y[c], None if masked is None else masked[c]) for c in chunks]
    for steps in zip(*walks, strict=True):
        yield Step(steps[0].block, steps[0].name, torch.cat([step.X for step in steps]))
