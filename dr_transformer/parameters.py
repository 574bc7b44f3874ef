"""What a parameter is: its default, range and help, and how text and values become valid ones."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from dr_transformer.errors import InputError, quoted


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
                raise InputError(f"{self.name} must be true or false, but is {quoted(text)}.")
            return text.lower() == "true"
        if self.optional and text.lower() in ("none", "all"):
            return None
        try:
            value = int(text) if self.type is int else float(text) if self.type is float else text
        except ValueError:
            kind = "a whole number" if self.type is int else "a number"
            raise InputError(f"{self.name} must be {kind}, but is {quoted(text)}.") from None
        return self.check(value)

    def check(self, value: Any) -> Any:
        """Return `value` as this parameter's type, or raise `InputError` with one sentence."""
        if value is None and self.optional:
            return None
        if self.type is str:
            return self._check_choice(value)
        if self.type is bool:
            if type(value).__name__ not in ("bool", "bool_"):  # numpy's bool is as good as Python's
                raise InputError(f"{self.name} must be true or false, but is {quoted(value)}.")
            return bool(value)
        return self._check_number(value)

    def _check_choice(self, value: Any) -> str:
        if not isinstance(value, str) or (self.choices is not None and value not in self.choices):
            allowed = " or ".join(repr(choice) for choice in self.choices or ())
            raise InputError(f"{self.name} must be {allowed}, but is {quoted(value)}.")
        return value

    def _check_number(self, value: Any) -> int | float:
        try:
            number = float(value)
            valid = not isinstance(value, (str, bytes, bool)) and math.isfinite(number)
        except (TypeError, ValueError, OverflowError):
            valid = False
        if not valid or (self.type is int and number != int(number)):
            kind = "a whole number" if self.type is int else "a finite number"
            raise InputError(f"{self.name} must be {kind}, but is {quoted(value)}.")
        low, high = self.minimum, self.maximum
        if low is not None and (number <= low if self.exclusive_minimum else number < low):
            bound = "greater than" if self.exclusive_minimum else "at least"
            raise InputError(f"{self.name} must be {bound} {low:g}, but is {value}.")
        if high is not None and number > high:
            raise InputError(f"{self.name} must be at most {high:g}, but is {value}.")
        return int(value) if self.type is int else number


def declare(default: Any, label: str, help: str, group: str, **declared: Any) -> Any:
    """A dataclass field that is a `Parameter`; `declared` are its further fields."""
    return field(default=default, metadata={"label": label, "help": help, "group": group, **declared})


class Declared:
    """What the settings classes share: their parameters, validation, and plain-dict form."""

    @classmethod
    def parameters(cls) -> dict[str, Parameter]:
        """Return all parameters by name, in the order of declaration."""
        hints = typing.get_type_hints(cls)
        return {f.name: _declaration(f, hints[f.name]) for f in dataclasses.fields(cls)}  # type: ignore[arg-type]

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; an unknown name is an `InputError`."""
        unknown = set(settings) - set(cls.parameters())
        if unknown:
            raise InputError(f"unknown setting {quoted(sorted(unknown)[0])}: it is not a parameter of this version.")
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
