"""What `embed --trajectory` wrote, read back so that new tokens can follow the fitted ones.

The projection is not in the file: it is a function of the settings and, for PCA, of the images. That it is the one that
made these latents is checked.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from dr_transformer.config import Config
from dr_transformer.data.drawing import SIDE
from dr_transformer.data.mnist import FAMILIES
from dr_transformer.data.reading.arrays import read_array
from dr_transformer.data.reading.rows import MAX_BYTES
from dr_transformer.errors import InputError
from dr_transformer.export.settings import SavedSettings, from_json
from dr_transformer.model.landmarks import Landmarks
from dr_transformer.model.magnitude import moderate
from dr_transformer.model.projection import Projection, fit_projection
from dr_transformer.model.unroll import layer_norm
from dr_transformer.types import Floats

_ARRAYS = ("settings", "trajectory", "images", "labels", "landmarks")
_CHECKED = 200  # tokens whose first latents are computed again
_TOLERANCE = 1e-4  # of a coordinate, relative to the largest: rounding is a hundredth of it


@dataclass(frozen=True, eq=False)
class SavedModel:
    """`images` (n, 28, 28), `trajectory` (L + 1, n, q), `labels` (n,) or None, and the landmarks others attend to."""

    settings: SavedSettings
    images: npt.NDArray[np.uint8]
    trajectory: Floats
    labels: npt.NDArray[np.integer] | None
    landmarks: Landmarks

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes that `labels` number."""
        family = FAMILIES.get(self.settings.data.dataset)
        count = 0 if self.labels is None else int(self.labels.max()) + 1
        return family.classes if family and len(family.classes) >= count else tuple(map(str, range(count)))


def read_model(path: Path) -> SavedModel:
    """The model in an .npz file. Raises `InputError` for one that is missing, damaged, foreign, or without images."""
    arrays = _read(path)
    settings = from_json(str(arrays["settings"]), path.name)
    config, trajectory, images = settings.config, arrays["trajectory"], arrays["images"]
    index = arrays.get("landmarks")
    if index is None:
        index = np.arange(len(images))
    labels = arrays.get("labels")
    _check_shapes(path.name, config, trajectory, images, labels, index)
    projection = fit_projection(images.reshape(len(images), -1), config) if images.any() else None
    if projection is None or not _projected(images, projection, trajectory[0], len(index)):
        raise InputError(
            f"{path.name} was not made by projecting its images, so new ones cannot follow; make it from images "
            "(dr-transformer embed --trajectory)."
        )
    latents = tuple(torch.from_numpy(np.ascontiguousarray(X[index])) for X in trajectory)
    landmarks = Landmarks(index.astype(np.intp), latents, projection, config)
    return SavedModel(settings, images, trajectory, labels, landmarks)


def _projected(images: npt.NDArray[np.uint8], projection: Projection, first: Floats, n_samples: int) -> bool:
    """Tell whether the images, projected, are the latents (n, q) of block 0, up to rounding; a part of them is
    looked at.
    """
    rows = np.linspace(0, len(images) - 1, min(_CHECKED, len(images))).astype(int)
    scores = projection(images[rows].reshape(len(rows), -1))
    expected = layer_norm(moderate(torch.from_numpy(scores)), n_samples).numpy()
    return bool(np.abs(expected - first[rows]).max() < _TOLERANCE * np.abs(expected).max())


def _read(path: Path) -> dict[str, Any]:
    if path.suffix.lower() != ".npz":
        raise InputError(f"{path.name} is no .npz file; give what dr-transformer embed --trajectory wrote.")
    try:
        with zipfile.ZipFile(path) as archive:
            members = set(archive.namelist()) & {f"{name}.npy" for name in _ARRAYS}
            found = {}
            for member in members:
                with archive.open(member) as stream:
                    found[member.removesuffix(".npy")] = read_array(f"{member} in {path.name}", stream, MAX_BYTES)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(
            f"there is no file {str(path)!r}; give what dr-transformer embed --trajectory wrote."
        ) from None
    except Exception as error:  # NumPy, zipfile and zlib raise a dozen kinds for a damaged file
        raise InputError(
            f"{path.name} cannot be read, so it may be damaged; run dr-transformer embed again."
        ) from error
    if "settings" not in found:
        raise InputError(f"{path.name} holds no settings; give what dr-transformer embed --trajectory wrote.")
    if "trajectory" not in found:
        raise InputError(f"{path.name} holds the last block alone; run dr-transformer embed with --trajectory.")
    if "images" not in found:
        raise InputError(f"{path.name} holds no images, so its tokens are not digits; make it from a set of images.")
    return found


def _check_shapes(
    name: str,
    config: Config,
    trajectory: npt.NDArray[Any],
    images: npt.NDArray[Any],
    labels: npt.NDArray[Any] | None,
    index: npt.NDArray[Any],
) -> None:
    n = len(images) if images.ndim else 0
    if images.dtype != np.uint8 or images.shape != (n, SIDE, SIDE):
        raise InputError(
            f"the images in {name} are {'×'.join(map(str, images.shape[1:]))} {images.dtype}, not {SIDE}×{SIDE} uint8; "
            "make it from mnist, fashion-mnist or kmnist."
        )
    fits = trajectory.dtype in (np.float32, np.float64) and np.isfinite(trajectory).all()
    fits = fits and trajectory.shape == (config.n_blocks + 1, n, config.n_components) and n >= 2
    fits = fits and index.ndim == 1 and index.dtype.kind in "iu" and len(index) >= 2
    fits = fits and 0 <= index.min() <= index.max() < n and len(np.unique(index)) == len(index)
    if labels is not None:
        fits = fits and labels.shape == (n,) and labels.dtype.kind in "iu" and labels.min() >= 0
    if not fits:
        raise InputError(
            f"the arrays in {name} do not fit its settings, so it is damaged; run dr-transformer embed again."
        )
