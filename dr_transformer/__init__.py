"""A transformer, at initialisation, does dimensionality reduction (Ravuri & Lawrence, arXiv 2507.21040)."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from dr_transformer.moved import MovedModules

if TYPE_CHECKING:
    from dr_transformer import quality
    from dr_transformer.config import Config, DataConfig
    from dr_transformer.data.dataset import Dataset, load
    from dr_transformer.errors import InputError
    from dr_transformer.estimators.baselines import PCA, UMAP
    from dr_transformer.estimators.laplacian import LaplacianEigenmaps
    from dr_transformer.estimators.transformer import TransformerDR
    from dr_transformer.export.pages.notebook import show
    from dr_transformer.model.unroll import Step, unroll

__version__ = "0.1.0"

# Looked up on first use, so that `dr-transformer --help` does not wait seconds for torch.
_HOMES = {
    "Config": "config",
    "DataConfig": "config",
    "Dataset": "data.dataset",
    "InputError": "errors",
    "LaplacianEigenmaps": "estimators.laplacian",
    "PCA": "estimators.baselines",
    "Step": "model.unroll",
    "TransformerDR": "estimators.transformer",
    "UMAP": "estimators.baselines",
    "load": "data.dataset",
    "show": "export.pages.notebook",
    "unroll": "model.unroll",
}

_MODULES = ("quality",)  # public as a whole: a function of the module's own name would hide it, or be hidden

__all__ = [
    "PCA",
    "UMAP",
    "Config",
    "DataConfig",
    "Dataset",
    "InputError",
    "LaplacianEigenmaps",
    "Step",
    "TransformerDR",
    "load",
    "quality",
    "show",
    "unroll",
]


sys.meta_path.append(MovedModules())  # asked last, for what is not found elsewhere


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"dr_transformer.{_HOMES[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"dr_transformer.{name}")
    raise AttributeError(f"module 'dr_transformer' has no attribute {name!r}")
