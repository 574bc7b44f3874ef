"""Every parameter that a person can set in the app, by name."""

from __future__ import annotations

from dr_transformer.config import BaselineConfig, Config, DataConfig, ViewConfig
from dr_transformer.parameters import Parameter

PARAMETERS: dict[str, Parameter] = {
    name: parameter
    for declared in (DataConfig, Config, ViewConfig, BaselineConfig)
    for name, parameter in declared.parameters().items()
}
"""Those of data, model, view and baselines, in the order of declaration."""
