"""The settings that every saved file carries, as JSON: written by `files.settings`, read back and validated here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dr_transformer.config import BaselineConfig, Config, DataConfig, ViewConfig
from dr_transformer.errors import InputError
from dr_transformer.export.figure_config import AnimationConfig, FigureConfig
from dr_transformer.parameters import Declared

FORMAT = "dr-transformer"
SCHEMA = 1
"""Of the JSON. A change that an older version would misread counts it up."""
MAX_BYTES = 1_000_000  # of settings; a thousandth of it is usual

D = TypeVar("D", bound=Declared)


@dataclass(frozen=True)
class SavedSettings:
    """What a saved file was made with. What the file does not say is the default.

    `data` names a user's file by its name alone. `data_key` is `Dataset.key`, a hash of the tokens; "" if unknown.
    """

    config: Config = field(default_factory=Config)
    data: DataConfig = field(default_factory=DataConfig)
    view: ViewConfig = field(default_factory=ViewConfig)
    baselines: BaselineConfig = field(default_factory=BaselineConfig)
    figure: FigureConfig | None = None
    animation: AnimationConfig | None = None
    data_key: str = ""
    version: str = ""

    @property
    def values(self) -> dict[str, Any]:
        """Return all values by parameter name, the figure's and the film's left out."""
        parts = (self.data, self.config, self.view, self.baselines)
        return {name: value for part in parts for name, value in part.to_dict().items()}


def parse_json(text: str | bytes, where: str, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """The JSON object `text` if it is this project's, of this schema; otherwise an `InputError` about `where`."""
    damaged = InputError(f"{where} holds settings that cannot be read; the file is damaged, so save it again.")
    if len(text) > max_bytes:
        raise InputError(f"{where} holds more than {max_bytes // 1000} kB of settings; it is not one of this app's.")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        raise damaged from None
    if not isinstance(found, dict):
        raise damaged
    if found.get("format") != FORMAT:
        raise InputError(f"{where} holds no settings of this app; give a file that this app saved.")
    if (schema := found.get("schema")) != SCHEMA or isinstance(schema, bool):
        raise InputError(
            f"{where} was saved by another version of this app (settings of kind {str(schema)[:20]}, not {SCHEMA}); "
            "open it with that version."
        )
    return found


def from_json(text: str | bytes, where: str) -> SavedSettings:
    """The validated settings in JSON `text`; `where` names the file in the sentence of an `InputError`."""
    return from_dict(parse_json(text, where), where)


def from_dict(found: Mapping[str, Any], where: str) -> SavedSettings:
    """The validated settings of an object that `parse_json` returned."""
    try:
        data = _mapping(found, "data")
        versions = _mapping(found, "versions")
        return SavedSettings(
            _section(found, "config", Config),
            DataConfig(
                str(data.get("name", "mnist")),
                DataConfig.parameters()["n_samples"].check(data["n_samples"]),
                _text(data.get("label", "auto")),
                _text(data.get("drop", "")),
            )
            if data
            else DataConfig(),
            _section(found, "view", ViewConfig),
            _section(found, "baselines", BaselineConfig),
            _section(found, "figure", FigureConfig) if "figure" in found else None,
            _section(found, "animation", AnimationConfig) if "animation" in found else None,
            _text(data.get("key", "")),
            _text(versions.get("dr-transformer", "")),
        )
    except InputError as error:
        raise InputError(f"{where} cannot be restored: {error}") from None
    except KeyError as error:
        raise InputError(f"{where} cannot be restored: its settings lack {error.args[0]!r}.") from None


def _section(found: Mapping[str, Any], name: str, declared: type[D]) -> D:
    return declared.from_dict(_mapping(found, name))


def _mapping(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = found.get(name, {})
    if not isinstance(value, dict):
        raise InputError(f"its settings have no proper {name!r}; the file is damaged.")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 1000:
        raise InputError("its settings hold no text where text must be; the file is damaged.")
    return value
