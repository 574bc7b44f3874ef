"""Images as tokens: the encoded pictures of a table, and folders of them, in which a folder's name is the class."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from dr_transformer.data.reading.rows import Choice, Table, factorise, grey, tokens
from dr_transformer.errors import InputError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
_LARGEST = 64  # pixels of a side: what is larger is made smaller
_PIXELS = 50_000_000  # of one image, however small its file


def decode(filename: str, encoded: Iterable[bytes | None], n: int, max_bytes: int) -> np.ndarray:
    """Images of one size, uint8 (n, height, width), or (n, height, width, 3) if the first has colours.

    All take the size of the first, which is at most 64 pixels a side. Raises `InputError` for what is no image.
    """
    from PIL import Image

    found: np.ndarray | None = None
    for row, content in enumerate(encoded):
        try:
            with Image.open(io.BytesIO(content or b"")) as opened:
                if opened.width * opened.height > _PIXELS:
                    raise InputError(
                        f"image {row + 1} of {filename} has {opened.width} × {opened.height} pixels, too many."
                    )
                if found is None:
                    coloured = opened.convert("RGB")
                    side = np.asarray(coloured.resize((32, 32))).astype(int)
                    in_colour = opened.mode not in ("1", "L", "LA", "I", "I;16", "F") and bool(
                        np.ptp(side, axis=2).any()
                    )
                    factor = min(1.0, _LARGEST / max(opened.size))
                    size = (max(1, round(opened.width * factor)), max(1, round(opened.height * factor)))
                    shape = (n, size[1], size[0], 3) if in_colour else (n, size[1], size[0])
                    if np.prod(shape, dtype=np.float64) > max_bytes:
                        raise InputError(
                            f"{filename} holds more than {max_bytes // 2**20} MB of pixels; give a part of it."
                        )
                    found = np.zeros(shape, np.uint8)
                image = opened.convert("RGB" if found.ndim == 4 else "L")
                found[row] = np.asarray(image if image.size == size else image.resize(size))
        except InputError:
            raise
        except Exception as error:  # Pillow raises a dozen kinds for a damaged file
            raise InputError(f"image {row + 1} of {filename} cannot be read; save it again, or remove it.") from error
    if found is None:
        raise InputError(f"{filename} has no images; at least two are needed.")
    return found


def read_folder(path: Path, choice: Choice, max_bytes: int) -> Table:
    """Images below a folder, in the order of their names; the folder that an image is in is its class."""
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in ENDINGS and file.is_file())
    if len(files) < 2:
        raise InputError(
            f"{path} is a folder with {len(files)} images; give at least two ({', '.join(ENDINGS)}), a file, or mnist "
            "with this as the folder."
        )
    pictures = decode(path.name, (file.read_bytes() for file in files), len(files), max_bytes)
    Y, shape = tokens(path.name, pictures)
    folders = [file.parent.relative_to(path).as_posix() for file in files]
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] = ()
    if len(set(folders)) > 1 and choice.label != "none":
        labels, class_names = factorise(path.name, np.array(folders, object), len(files))
    said = (f"images of {shape[1]} × {shape[0]} pixels" if shape else "images",)
    return Table(Y, labels, class_names, shape, grey(Y, shape), label="folder" if class_names else None, said=said)
