"""The tokens: data sets, where they come from, users' files, drawings, and data without structure."""

from dr_transformer.data.dataset import Dataset, load, load_bytes

__all__ = ["Dataset", "load", "load_bytes"]
