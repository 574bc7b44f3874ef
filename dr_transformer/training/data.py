"""What the two tasks learn from, and the batches they see.

A batch is a function of the seed and the numbers of the iteration and micro-batch alone. So all variants see the same
batches, whoever computes them (one process or several), and a run that goes on after a break goes on with the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from dr_transformer.errors import InputError
from dr_transformer.training.models import LanguageModel, VisionTransformer
from dr_transformer.training.settings import LMSettings, Settings, ViTSettings

_INIT, _BATCH, _ORDER, _DROPOUT = range(4)  # what a random stream of a run is for
_EVAL_TOKENS = 8192  # tokens, about, that are evaluated at once


def stream(seed: int, *number: int) -> int:
    """The seed of one random stream of run `seed`: streams with other numbers are independent of it."""
    return int(np.random.SeedSequence([seed, *number]).generate_state(1, np.uint64)[0])


def init_generator(seed: int) -> torch.Generator:
    """Draws the initial weights."""
    return torch.Generator().manual_seed(stream(seed, _INIT))


def dropout_seed(seed: int, iteration: int, micro: int) -> int:
    """Return the seed of the dropout masks of one micro-batch."""
    return stream(seed, _DROPOUT, iteration, micro)


@dataclass(frozen=True)
class DataInfo:
    """What a row of results says of its data: no path, but what the content was, and where it came from.

    `n_train` and `n_val` count tokens of text, or images. `sha256` is of `sha256_of`.
    """

    name: str
    source: str
    sha256: str
    sha256_of: str
    n_train: int
    n_val: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return dict(vars(self))


class TaskData(Protocol):
    """What `loop.train` asks of text and of images."""

    @property
    def info(self) -> DataInfo:
        """Return what a row of results holds of it."""
        ...

    @property
    def classify(self) -> bool:
        """Tell whether there is an accuracy."""
        ...

    def check(self, settings: Settings) -> None:
        """Raise `InputError` unless the data are enough for these settings."""

    def model(self, settings: Settings, attention: str) -> nn.Module:
        """The model, without values."""
        ...

    def batch(self, settings: Settings, seed: int, iteration: int, micro: int) -> tuple[Tensor, Tensor]:
        """One micro-batch to learn from, on the CPU: inputs, and targets as int64."""
        ...

    def validation(self, settings: Settings, rank: int, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The fixed validation set in batches, as `batch`; of `size` processes each gets its share."""
        ...


@dataclass(frozen=True, eq=False)
class TextData:
    """Tokens (n,) of unsigned integers below `vocab_size` to learn from and to validate on."""

    train: npt.NDArray[np.unsignedinteger[Any]]
    val: npt.NDArray[np.unsignedinteger[Any]]
    vocab_size: int
    info: DataInfo
    classify: bool = field(default=False, init=False)

    def check(self, settings: Settings) -> None:
        """Both parts must hold one context, and the next token; and training must outlast its warm-up."""
        assert isinstance(settings, LMSettings)
        settings.check_warmup(self.info.n_train)
        for part, tokens in (("training", self.train), ("validation", self.val)):
            if len(tokens) < settings.block_size + 1:
                raise InputError(
                    f"the {part} part of {self.info.name} has {len(tokens)} tokens, too few for a context of "
                    f"{settings.block_size}; give a longer text or a smaller block_size."
                )
        if settings.vocab_size is not None and settings.vocab_size < self.vocab_size:
            raise InputError(
                f"{self.info.name} has {self.vocab_size} different tokens, but vocab_size is {settings.vocab_size}."
            )

    def model(self, settings: Settings, attention: str) -> nn.Module:
        """A `LanguageModel`."""
        assert isinstance(settings, LMSettings)
        return LanguageModel(settings, settings.vocab_size or self.vocab_size, attention)

    def batch(self, settings: Settings, seed: int, iteration: int, micro: int) -> tuple[Tensor, Tensor]:
        """Contexts (batch_size, block_size) at random places, and the same one token on."""
        assert isinstance(settings, LMSettings)
        random = np.random.default_rng([seed, _BATCH, iteration, micro])
        starts = random.integers(len(self.train) - settings.block_size, size=settings.batch_size)
        return self._windows(self.train, starts, settings)

    def validation(self, settings: Settings, rank: int, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Contexts one after the other: all there are, or `eval_windows` of them, evenly spread.

        Fewer than block_size tokens at the end are left out.
        """
        assert isinstance(settings, LMSettings)
        n = (len(self.val) - 1) // settings.block_size
        windows = np.arange(n)
        if settings.eval_windows is not None and settings.eval_windows < n:
            windows = np.arange(settings.eval_windows) * n // settings.eval_windows
        at_once = max(1, _EVAL_TOKENS // settings.block_size)
        own = windows[rank::size] * settings.block_size
        for first in range(0, len(own), at_once):
            yield self._windows(self.val, own[first : first + at_once], settings)

    def _windows(
        self, tokens: npt.NDArray[np.unsignedinteger[Any]], starts: npt.NDArray[np.intp], settings: LMSettings
    ) -> tuple[Tensor, Tensor]:
        windows = tokens[starts[:, None] + np.arange(settings.block_size + 1)].astype(np.int64)
        if (largest := int(windows.max())) >= (vocab_size := settings.vocab_size or self.vocab_size):
            raise InputError(
                f"{self.info.name} has a token {largest}, but vocab_size is {vocab_size}; is it of this vocabulary?"
            )
        both = torch.from_numpy(windows)
        return both[:, :-1].contiguous(), both[:, 1:].contiguous()


@dataclass(frozen=True, eq=False)
class ImageData:
    """Images, uint8 (n, channels, side, side), with labels, int64 (n,), from 0, to learn from and to validate on."""

    train: npt.NDArray[np.uint8]
    train_labels: npt.NDArray[np.int64]
    val: npt.NDArray[np.uint8]
    val_labels: npt.NDArray[np.int64]
    n_classes: int
    info: DataInfo
    classify: bool = field(default=True, init=False)
    _scale: tuple[Tensor, Tensor] = field(init=False)
    _orders: dict[tuple[int, int], npt.NDArray[np.intp]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_scale", _mean_and_std(self.train))

    def check(self, settings: Settings) -> None:
        """There must be images for one iteration, and training must outlast its warm-up."""
        needed = settings.batch_size * settings.gradient_accumulation_steps
        if len(self.train) < needed:
            raise InputError(
                f"{self.info.name} has {len(self.train)} training images, fewer than one batch of {needed}; choose a "
                "smaller batch_size."
            )
        if not len(self.val):
            raise InputError(f"{self.info.name} has no images left to validate on; take at least 5.")
        settings.check_warmup(self.info.n_train)

    def model(self, settings: Settings, attention: str) -> nn.Module:
        """A `VisionTransformer`."""
        assert isinstance(settings, ViTSettings)
        _, channels, side, _ = self.train.shape
        return VisionTransformer(settings, channels, side, self.n_classes, attention)

    def batch(self, settings: Settings, seed: int, iteration: int, micro: int) -> tuple[Tensor, Tensor]:
        """Images (batch_size, channels, side, side); each pass over them is in a new order, and leaves out the rest."""
        per_iteration = settings.batch_size * settings.gradient_accumulation_steps
        epoch, place = divmod(iteration, len(self.train) // per_iteration)
        first = place * per_iteration + micro * settings.batch_size
        index = self._order(seed, epoch)[first : first + settings.batch_size]
        return self._scaled(self.train[index]), torch.from_numpy(self.train_labels[index])

    def validation(self, settings: Settings, rank: int, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Return all validation images."""
        assert isinstance(settings, ViTSettings)
        at_once = max(1, _EVAL_TOKENS // (1 + (self.val.shape[2] // settings.patch_size) ** 2))
        own = np.arange(len(self.val))[rank::size]
        for first in range(0, len(own), at_once):
            index = own[first : first + at_once]
            yield self._scaled(self.val[index]), torch.from_numpy(self.val_labels[index])

    def _order(self, seed: int, epoch: int) -> npt.NDArray[np.intp]:
        if (seed, epoch) not in self._orders:
            self._orders.clear()
            self._orders[seed, epoch] = np.random.default_rng([seed, _ORDER, epoch]).permutation(len(self.train))
        return self._orders[seed, epoch]

    def _scaled(self, images: npt.NDArray[np.uint8]) -> Tensor:
        mean, std = self._scale
        return (torch.from_numpy(images).float() - mean) / std


def _mean_and_std(images: npt.NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    """Return those of each channel, (channels, 1, 1) in float32, from counts of the 256 values: exact in any order."""
    values = np.arange(256)
    counts = np.stack([np.bincount(images[:, c].ravel(), minlength=256) for c in range(images.shape[1])])
    n = counts.sum(axis=1)
    mean = counts @ values / n
    std = np.sqrt(counts @ values**2 / n - mean**2)
    std[std == 0] = 1  # a channel of one value
    scale = [torch.from_numpy(part.astype(np.float32)).view(-1, 1, 1) for part in (mean, std)]
    return scale[0], scale[1]
