"""Every parameter, declared once: default, range, help.

Widgets (`ui/sidebar.py`), terminal flags (`cli.py`) and validation all read these declarations, so a parameter has one
name, one range and one sentence of help wherever it appears. The defaults are the paper's values (arXiv 2507.21040,
section 4.1).
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from dr_transformer.errors import InputError

PROJECTIONS = ("gaussian", "pca")
ACTIVATIONS = ("none", "relu")
DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "float32", "float64")
VIEWS = ("axes", "pca", "fixed-pca", "aligned-pca")
SCALES = ("frame", "final")
DATASETS = ("mnist", "fashion-mnist", "kmnist", "digits")


@dataclass(frozen=True)
class Parameter:
    """One parameter as people meet it.

    `minimum` and `maximum` bound what is valid at all (`exclusive_minimum` excludes the lower end itself);
    `widget_range` is the part of it that a slider offers.
    """

    name: str
    type: type
    default: Any
    label: str
    help: str
    group: str
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: bool = False
    widget_range: tuple[float, float] | None = None
    step: float | None = None
    choices: tuple[str, ...] | None = None
    optional: bool = False

    def parse(self, text: str) -> Any:
        """Turn the text of a flag or of a link into a valid value, or raise `InputError`."""
        text = text.strip()
        if self.type is bool:
            if text.lower() not in ("true", "false"):
                raise InputError(f"{self.name} must be true or false, but is {text!r}.")
            return text.lower() == "true"
        if self.optional and text.lower() in ("none", "all"):
            return None
        try:
            value = int(text) if self.type is int else float(text) if self.type is float else text
        except ValueError:
            kind = "a whole number" if self.type is int else "a number"
            raise InputError(f"{self.name} must be {kind}, but is {text!r}.") from None
        return self.check(value)

    def check(self, value: Any) -> Any:
        """Return `value` as this parameter's type, or raise `InputError` with one sentence."""
        if value is None and self.optional:
            return None
        if self.type is str:
            return self._check_choice(value)
        if self.type is bool:
            if type(value).__name__ not in ("bool", "bool_"):  # numpy's bool is as good as Python's
                raise InputError(f"{self.name} must be true or false, but is {value!r}.")
            return bool(value)
        return self._check_number(value)

    def _check_choice(self, value: Any) -> str:
        if not isinstance(value, str) or (self.choices is not None and value not in self.choices):
            allowed = " or ".join(repr(choice) for choice in self.choices or ())
            raise InputError(f"{self.name} must be {allowed}, but is {value!r}.")
        return value

    def _check_number(self, value: Any) -> int | float:
        try:
            number = float(value)
            valid = not isinstance(value, (str, bytes, bool)) and math.isfinite(number)
        except (TypeError, ValueError, OverflowError):
            valid = False
        if not valid or (self.type is int and number != int(number)):
            kind = "a whole number" if self.type is int else "a finite number"
            raise InputError(f"{self.name} must be {kind}, but is {value!r}.")
        low, high = self.minimum, self.maximum
        if low is not None and (number <= low if self.exclusive_minimum else number < low):
            bound = "greater than" if self.exclusive_minimum else "at least"
            raise InputError(f"{self.name} must be {bound} {low:g}, but is {value}.")
        if high is not None and number > high:
            raise InputError(f"{self.name} must be at most {high:g}, but is {value}.")
        return int(value) if self.type is int else number


def _parameter(default: Any, label: str, help: str, group: str, **declared: Any) -> Any:
    return field(default=default, metadata={"label": label, "help": help, "group": group, **declared})


class _Declared:
    """What the settings classes share: their parameters, validation, and plain-dict form."""

    @classmethod
    def parameters(cls) -> dict[str, Parameter]:
        """All parameters by name, in the order of declaration."""
        hints = typing.get_type_hints(cls)
        return {f.name: _declaration(f, hints[f.name]) for f in dataclasses.fields(cls)}  # type: ignore[arg-type]

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; an unknown name is an `InputError`."""
        unknown = set(settings) - set(cls.parameters())
        if unknown:
            raise InputError(f"unknown setting {sorted(unknown)[0]!r}: it is not a parameter of this version.")
        return cls(**settings)

    def to_dict(self) -> dict[str, Any]:
        """Plain values by name, ready for JSON."""
        return dataclasses.asdict(self)  # type: ignore[call-overload]

    def __post_init__(self) -> None:
        for name, parameter in self.parameters().items():
            object.__setattr__(self, name, parameter.check(getattr(self, name)))


def _declaration(declared: dataclasses.Field[Any], hint: Any) -> Parameter:
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    kind = next(k for k in kinds if k is not type(None))
    return Parameter(declared.name, kind, declared.default, optional=type(None) in kinds, **dict(declared.metadata))


@dataclass(frozen=True)
class DataConfig(_Declared):
    """Which tokens. One row of the data (one flattened image) is one token."""

    dataset: str = _parameter(
        "mnist",
        "Data set",
        f"Whose images become tokens: {', '.join(DATASETS)}, or a .npy, .npz, .csv or .parquet file (paper: mnist).",
        "data",
    )
    n_samples: int | None = _parameter(
        None,
        "Tokens n",
        "How many images take part: the first 10 000 as in the paper, fewer for a class-balanced subset, or more.",
        "data",
        minimum=2,
        widget_range=(500, 10_000),
        step=500,
    )


@dataclass(frozen=True)
class Config(_Declared):
    """The hand-initialised transformer (paper, sections 3 and 4.1). Frozen: weights are a function of it.

    Raises `InputError` for a value outside its range, for η = ½ without an activation, and for an `n_components` that
    `n_heads` does not divide.
    """

    n_blocks: int = _parameter(
        8,
        "Blocks L",
        "Depth: how many transformer blocks the latents pass through (paper: 8).",
        "model",
        minimum=1,
        maximum=1024,
        widget_range=(1, 32),
        step=1,
    )
    alpha: float = _parameter(
        30.0,
        "Logit diagonal α",
        "Every diagonal entry of the pre-softmax attention matrix: larger means fewer, nearer neighbours (paper: 30).",
        "model",
        minimum=0,
        exclusive_minimum=True,
        widget_range=(1, 300),
        step=1,
    )
    eta: float = _parameter(
        0.4,
        "Learning rate η",
        "Step size: attention adds 2ηAX to the latents X (paper: 0.4, below ½).",
        "model",
        minimum=0,
        maximum=1,
        exclusive_minimum=True,
        widget_range=(0.01, 1),
        step=0.01,
    )
    n_components: int = _parameter(
        128,
        "Latent dimension q",
        "Number of latent dimensions the images are projected to (paper: 128).",
        "model",
        minimum=2,
        maximum=4096,
        widget_range=(2, 256),
        step=1,
    )
    random_state: int = _parameter(
        42,
        "Seed",
        "Seed of the random projection and of the subset of images (paper: 42).",
        "model",
        minimum=0,
        maximum=2**32 - 1,
    )
    mask_self: bool = _parameter(
        True, "Mask self-attention", "No token attends to itself, as a graph has no self-loops (paper: on).", "model"
    )
    graph_diffusion: bool = _parameter(
        False,
        "Graph diffusion A − I",
        "Replace A by the negative graph Laplacian A − I: X + 2η(A − I)X (paper's figure: off).",
        "model",
    )
    projection: str = _parameter(
        "gaussian",
        "Projection",
        "How pixels become the first latents: a random Gaussian matrix (paper) or PCA.",
        "more",
        choices=PROJECTIONS,
    )
    n_heads: int = _parameter(
        1,
        "Heads",
        "Attention heads, each on its own slice of the latent dimensions; must divide q (paper: 1).",
        "more",
        minimum=1,
        maximum=4096,
        widget_range=(1, 16),
        step=1,
    )
    activation: str = _parameter(
        "none",
        "Activation",
        "Feed-forward activation: none (paper's figure) or relu (the paper's sparsity prior).",
        "more",
        choices=ACTIVATIONS,
    )
    device: str = _parameter(
        "auto",
        "Device",
        "Where to compute: auto takes a CUDA GPU if there is one, otherwise the CPU.",
        "more",
        choices=DEVICES,
    )
    precision: str = _parameter(
        "auto",
        "Precision",
        "Floating-point format: auto is float64 for float64 input and float32 (as in the paper) for everything else.",
        "more",
        choices=PRECISIONS,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.eta == 0.5 and self.activation == "none":
            raise InputError(
                "eta must not be exactly 0.5: the feed-forward step then subtracts each token from itself and "
                "LayerNorm would divide 0 by 0; choose a value beside it."
            )
        if self.n_components % self.n_heads:
            raise InputError(
                f"n_heads = {self.n_heads} must divide n_components = {self.n_components}, so that every head gets a "
                "slice of the same width."
            )
        if self.n_components == self.n_heads:
            raise InputError(
                f"n_heads must be smaller than n_components, but both are {self.n_heads}: one dimension a head is too "
                "few."
            )

    def notes(self) -> Iterator[str]:
        """Sentences on what to expect of these settings where it is not what the paper shows."""
        if self.activation == "none" and self.eta > 0.5:
            yield (
                f"η = {self.eta:g} is above ½: each feed-forward step now turns every latent into its mirror image, so "
                "the picture flips through the origin at every block; clusters and distances are those of the "
                "un-flipped run, because attention sees only inner products."
            )
        if self.activation == "none" and 0 < abs(self.eta - 0.5) < 0.005:
            yield (
                f"η = {self.eta:g} is so near ½ that the feed-forward step all but cancels the latents, and "
                "LayerNorm's ε = 1e-10 becomes visible in their norms."
            )


@dataclass(frozen=True)
class ViewConfig(_Declared):
    """Which plane of the latent space the explorer's picture shows, and how it is scaled."""

    view: str = _parameter(
        "axes",
        "View",
        "Which plane of the latent space is drawn: two latent axes (paper), or two principal components.",
        "view",
        choices=VIEWS,
    )
    first_axis: int = _parameter(
        0, "Horizontal latent axis", "Latent axis drawn to the right (paper: 0).", "view", minimum=0, maximum=4095
    )
    second_axis: int = _parameter(
        1, "Vertical latent axis", "Latent axis drawn upwards (paper: 1).", "view", minimum=0, maximum=4095
    )
    view_block: int = _parameter(
        8,
        "Block of the PCA",
        "The block whose principal axes all blocks are drawn in.",
        "view",
        minimum=0,
        maximum=1024,
    )
    scale: str = _parameter(
        "frame",
        "Scale",
        "Fit the picture to every block as it passes, or keep the scale of the last block throughout.",
        "view",
        choices=SCALES,
    )
