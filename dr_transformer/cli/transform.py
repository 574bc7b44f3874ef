"""`dr-transformer transform`: a picture of a digit as a new token of a saved model.

Imports torch only once it works, as `commands.py` does.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from dr_transformer.errors import InputError
from dr_transformer.types import Say

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dr_transformer.cli.saved_model import SavedModel
    from dr_transformer.model.new_token import NewToken
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from dr_transformer.config import BaselineConfig, Config
from dr_transformer.data.dataset import Dataset
from dr_transformer.engine.baselines import BASELINES, BaselineRun
from dr_transformer.methods.graph_store import GraphStore
from dr_transformer.methods.umap_worker import UMAPWorker
from dr_transformer.types import Floats

_SHOWN = 5  # of the attended tokens, on a line


def transform(model_file: Path, image_file: Path, out: Path | None, say: Say) -> None:
    """Say, block by block, to which class the token of `image_file` comes nearest and what it attends to.

    With `out` also write `latents` (L + 1, q), `image` (28, 28), `attended` and `weights` (L + 1, k), `neighbours`
    (L + 1, 5) and `settings` to that .npz file. Raises `InputError`.
    """
    if out is not None and out.suffix.lower() != ".npz":
        raise InputError(f"cannot write {out.name!r}: the name must end in .npz.")
    from dr_transformer.cli.saved_model import read_model
    from dr_transformer.data.drawing import token_from_png
    from dr_transformer.model.new_token import find_twin, new_token

    image = token_from_png(_read(image_file), image_file.name)
    model = read_model(model_file)
    y = image.reshape(-1)
    twin = find_twin(y, model.images.reshape(len(model.images), -1))
    found = new_token(y, list(model.trajectory), model.landmarks, twin)
    for line in lines(found, model):
        say(line)
    if out is not None:
        _save(out, image, found, model)
        say(f"wrote {out}")


def lines(found: NewToken, model: SavedModel) -> list[str]:
    """Return what is printed: a line about the token, and one for each block."""
    from dr_transformer.model.new_token import majority

    data = model.settings.data
    said = [f"{len(model.images)} tokens of {data.dataset}, {model.settings.config.n_blocks} blocks"]
    if found.twin is not None:
        said.append(f"the picture is token {found.twin} of the model")
    if model.labels is None:
        said.append("the tokens have no classes")
    names = model.class_names
    for block, near in enumerate(found.neighbours):
        line = f"block {block}: "
        if model.labels is not None:
            nearest, votes = majority(model.labels[near])
            line += f"nearest class {names[nearest]} ({votes} of {len(near)} neighbours), "
        attended = [
            (f"{names[model.labels[i]]} " if model.labels is not None else "") + f"#{i} {weight:.2g}"
            for i, weight in zip(found.attended[block][:_SHOWN], found.weights[block], strict=False)
        ]
        said.append(f"{line}attends to {', '.join(attended)}")
    return said


def _read(path: Path) -> bytes:
    from dr_transformer.data.drawing import MAX_BYTES

    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(
                f"{path.name} has more than {MAX_BYTES // 2**20} MB; save the digit alone, as a smaller PNG."
            )
        return path.read_bytes()
    except OSError as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else (error.strerror or "").lower()
        raise InputError(f"{str(path)!r} cannot be opened ({reason}); give a PNG picture of a digit.") from None


def _save(out: Path, image: npt.NDArray[np.uint8], found: NewToken, model: SavedModel) -> None:
    import numpy as np

    from dr_transformer.export.files import described, whole_file

    saved = model.settings
    data = {"name": saved.data.dataset, "n_samples": len(model.images), "key": saved.data_key}
    made_with = described(saved.config, data)
    with whole_file(out) as target, target.open("wb") as file:
        np.savez(
            file,
            latents=found.latents,
            image=image,
            attended=found.attended,
            weights=found.weights,
            neighbours=found.neighbours,
            settings=np.array(json.dumps(made_with, ensure_ascii=False)),
        )


# One baseline by itself, for the terminal: by the app's own job, without the other methods and their quality.


@dataclass(eq=False)
class BaselineAlone(BaselineRun):
    """A `BaselineRun` that computes the method `only`, and measures nothing."""

    only: str = "pca"

    def _work(self) -> None:
        if self.only == "pca":
            self._try("pca", self._pca)
        else:
            self._find_neighbours()
        if self.only == "laplacian":
            self._try("laplacian", self._laplacian)
        if self.only == "umap":
            self._try("umap", self._begin_umap)
            self._try("umap", self._await_umap)
        self.complete = True


def baseline_alone(
    dataset: Dataset, config: Config, baselines: BaselineConfig, method: str, say: Callable[[str], None]
) -> Floats:
    """The embedding (n, k) by "laplacian", "umap" or "pca", as the app computes it; `say` is told what is unusual.

    Of `config` the seed and the device matter. Raises `InputError` for a method that cannot be had of these tokens.
    """
    if method == "umap":
        say("UMAP is started; the first time it compiles, which can take half a minute …")
    with closing(UMAPWorker()) as worker:
        run = BaselineAlone(dataset, config, baselines, GraphStore(), worker, only=method)
        run.owners.add("embed")
        run.work()
    if run.error is not None:
        raise InputError(run.error)
    found = run.methods[method]
    if found.embedding is None:
        raise InputError(f"{BASELINES[method]} is missing: {found.error}")
    for note in found.notes:
        say(f"{BASELINES[method]}: {note}")
    return found.embedding
